"""Lambda: arguments, masks, shapes, and why it is not described."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequential, ShapeError, layers, ops

X = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_it_needs_a_function() -> None:
    with pytest.raises(TypeError, match="Lambda needs a function, got 3"):
        layers.Lambda(3)
    with pytest.raises(TypeError, match="arguments must be a dictionary"):
        layers.Lambda(abs, arguments=[1])


def test_several_inputs_and_outputs() -> None:
    layer = layers.Lambda(lambda pair: pair[0] - pair[1])
    assert layer([np.full((1, 1), 3.0), np.ones((1, 1))]).tolist() == [[2.0]]
    both = layers.Lambda(lambda x: [x, x * 2.0], output_shape=(2,))(X)
    assert both[1].tolist() == (X * 2).tolist()


def test_arguments_and_training() -> None:
    layer = layers.Lambda(lambda x, by, training: x * by if training else x, arguments={"by": 3.0})
    assert layer(X).tolist() == X.tolist()
    assert layer(X, training=True).tolist() == (X * 3).tolist()
    model = Sequential([Input((2,)), layer, layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 0.0
    assert model.train_on_batch(X, np.zeros((2, 1))) == pytest.approx(np.square(X.sum(1) * 3).mean())
    assert model.predict(X, verbose=0).ravel().tolist() == X.sum(1).tolist()


def test_shapes_that_are_promised_are_checked() -> None:
    halves = layers.Lambda(lambda x: x[:, :1], output_shape=(1,))
    assert halves(X).shape == (2, 1)
    assert halves.compute_output_shape((None, 5)) == (None, 1)
    same = layers.Lambda(lambda x: x[:, :1], output_shape=lambda shape: shape)
    for x in (X, Input((2,))):
        with pytest.raises(ShapeError, match=r"returned the shape \(.*, 1\), where output_shape says"):
            same(x)


class Counted(layers.Layer):
    """How many steps count."""

    def call(self, x: Any, mask: Any = None) -> Any:
        """Count."""
        return ops.sum(ops.ones_like(x[:, :, 0]) if mask is None else ops.cast(mask, x.dtype), 1)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"mask": lambda x, mask: mask}, [2.0]),
        ({"mask": lambda x, mask: ops.greater(x[:, :, 0], 1.5)}, [1.0]),
    ],
)
def test_masks_of_the_output(settings: dict[str, Any], wanted: list[float]) -> None:
    x = np.array([[[1.0], [2.0], [0.0]]])
    layer = layers.Lambda(lambda x: x, **settings)
    start = Input((3, 1))
    model = Model(start, Counted()(layer(layers.Masking()(start))))
    assert model.predict(x, verbose=0).tolist() == wanted


def test_masks_of_the_input_and_the_warning_where_one_is_lost() -> None:
    seen: list[bool] = []

    def look(x: Any, mask: Any = None) -> Any:
        seen.append(mask is not None)
        return x

    masked = layers.Masking()(Input((3, 1)))
    layers.Lambda(look)(masked)
    assert seen == [True]
    with pytest.warns(UserWarning, match=r"'doubled' \(Lambda\) got an input with a mask"):
        layers.Lambda(lambda x: x * 2.0, name="doubled")(masked)


def test_it_cannot_be_described() -> None:
    layer = layers.Lambda(abs, name="mine")
    with pytest.raises(ValueError, match=r"layer 'mine' is a Lambda, .*@register_keras_serializable"):
        layer.get_config()
    with pytest.raises(ValueError, match="layer 'mine' is a Lambda"):
        Sequential([Input((2,)), layer]).get_config()
