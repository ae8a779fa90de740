"""Layers that convolve, beyond the table: weights, fused activations, training, free axes, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamfit import Model, Sequential, constraints, initializers, layers, regularizers, set_random_seed
from streamfit._base.errors import ShapeError
from streamfit.kernels.bias_activation import FUSED
from streamfit.layers.layer_call import LayerCall


def operations(layer: layers.Layer, x: Any) -> list[str]:
    """List the operations that one use of a layer consists of, last first."""
    tensor, found = layer(x), list[str]()
    use = tensor.node.op
    assert isinstance(use, LayerCall)
    (result,) = use.expand([x], training=False)
    while result.node is not None:
        found.append(result.node.op.name)
        result = result.node.inputs[0]
    return found


def test_bias_and_simple_activations_are_part_of_the_operation() -> None:
    x = layers.Input((5, 5, 2))
    for name in FUSED:
        assert operations(layers.Conv2D(3, 2, activation=name), x) == ["conv"]
    assert operations(layers.Conv2D(3, 2, activation="elu"), x) == ["elu", "conv"]
    assert operations(layers.Conv2D(3, 2, activation="relu", use_bias=False), x) == ["relu", "conv"]


def test_weights_have_their_names_shapes_and_first_values() -> None:
    layer = layers.Conv2D(4, (3, 2), groups=2, bias_initializer=initializers.Constant(0.5))
    layer(np.ones((1, 5, 5, 6), "float32"))
    assert [(w.name, w.shape) for w in layer.weights] == [("kernel", (3, 2, 3, 4)), ("bias", (4,))]
    assert layer.get_weights()[1].tolist() == [0.5] * 4
    # Glorot's limit counts the elements of the window: sqrt(6 / (3 * 2 * 3 + 3 * 2 * 4)).
    limit = np.sqrt(6 / (18 + 24))
    assert 0.7 * limit < np.abs(layer.get_weights()[0]).max() <= limit


def test_description_holds_everything() -> None:
    layer = layers.Conv1D(
        4,
        3,
        2,
        "CAUSAL",
        dilation_rate=2,
        groups=2,
        activation="relu",
        kernel_regularizer=regularizers.L2(0.5),
        bias_constraint=constraints.NonNeg(),
        name="top",
    )
    assert layer.get_config() == {
        "name": "top",
        "dtype": "float32",
        "trainable": True,
        "filters": 4,
        "kernel_size": [3],
        "strides": [2],
        "padding": "causal",
        "data_format": "channels_last",
        "dilation_rate": [2],
        "groups": 2,
        "activation": "relu",
        "use_bias": True,
        "kernel_initializer": {"class_name": "GlorotUniform", "config": {"seed": None}},
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.5}},
        "bias_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": {"class_name": "NonNeg", "config": {}},
    }


def test_settings_that_count_when_it_is_built_stay() -> None:
    layer = layers.Conv2D(4, 3)
    layer(np.ones((1, 5, 5, 1), "float32"))
    with pytest.raises(AttributeError, match=r"strides of layer .* cannot be set to 2"):
        layer.strides = 2
    layer.activation = "relu"
    assert layer(np.full((1, 5, 5, 1), -1.0, "float32")).min() >= 0


def network(*inputs: int | None) -> Model:
    """Return a small network for images; one window leaves the last rows and columns out."""
    set_random_seed(0)
    return Sequential(
        [
            layers.Conv2D(6, 3, activation="relu", padding="same", input_shape=inputs),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3, activation="tanh", name="second"),
            layers.AveragePooling2D(2, 1),
            layers.GlobalMaxPooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )


def stripes(n: int, size: int, seed: int = 0) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return images with a bright column (class 0) or a bright row (class 1) on noise."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 0.3, (n, size, size, 1)).astype("float32"), rng.integers(0, 2, n)
    for image, kind in zip(x, y, strict=True):
        place = rng.integers(1, size - 1)
        image[(place if kind else slice(None)), (slice(None) if kind else place)] += 1.5
    return x, y


@pytest.mark.jit
@pytest.mark.parametrize("batch_size", [1, 16])
def test_training_tells_rows_from_columns(batch_size: int) -> None:
    """Batches of one, and a last batch that is smaller than the others."""
    x, y = stripes(150, 9)
    model = network(9, 9, 1)
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 0.01
    model.fit(x, y, epochs=3 if batch_size == 1 else 15, batch_size=batch_size, verbose=0)
    held_x, held_y = stripes(60, 9, seed=1)
    assert model.evaluate(held_x, held_y, verbose=0)[1] > 0.9


def test_predictions_do_not_depend_on_the_batch() -> None:
    x, _ = stripes(7, 9)
    model = network(9, 9, 1)
    whole = model.predict(x, batch_size=7, verbose=0)
    for size in (1, 3):
        np.testing.assert_allclose(model.predict(x, batch_size=size, verbose=0), whole, rtol=1e-5, atol=1e-6)


def test_images_of_any_size_share_a_model() -> None:
    """One network, trained on images of two sizes; each size computes what a network for it computes."""
    model = network(None, None, 1)
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    for size in (9, 12, 9):
        x, y = stripes(8, size)
        fixed = network(size, size, 1)
        fixed.compile("sgd", loss="sparse_categorical_crossentropy")
        fixed.set_weights(model.get_weights())
        np.testing.assert_array_equal(model.predict(x, verbose=0), fixed.predict(x, verbose=0))
        model.train_on_batch(x, y)
        fixed.train_on_batch(x, y)
        for free, known in zip(model.get_weights(), fixed.get_weights(), strict=True):
            np.testing.assert_array_equal(free, known)


def test_images_that_are_too_small_are_refused_where_their_size_is_known() -> None:
    model = network(None, None, 1)
    with pytest.raises(ShapeError, match=r"layer 'second' would leave nothing .* window of 3"):
        model.predict(np.ones((2, 4, 4, 1), "float32"), verbose=0)


def test_a_mask_ends_with_a_warning() -> None:
    steps = layers.Masking()(layers.Input((None, 2)))
    with pytest.warns(UserWarning, match="got an input with a mask"):
        assert layers.Conv1D(3, 2)(steps).mask is None


def test_a_constraint_holds_after_each_step() -> None:
    x, y = stripes(32, 9)
    model = Sequential(
        [
            layers.Conv2D(2, 3, kernel_constraint="non_neg", input_shape=(9, 9, 1)),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", loss="mse")
    model.fit(x, y, epochs=2, verbose=0)
    assert model.get_weights()[0].min() >= 0


SHAPE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: layers.Conv2D(2, 3, name="top")(np.ones((2, 8, 8))),
        r"layer 'top' needs inputs of shape \(batch, height, width, channels\) .* got \(None, 8, 8\)",
    ),
    (lambda: layers.Conv1D(2, 3)(layers.Input((5, None))), "known number of channels"),
    (
        lambda: layers.Conv2D(4, 3, groups=2, name="top")(np.ones((2, 8, 8, 3))),
        r"layer 'top' cannot share 3 channels .* evenly among groups=2",
    ),
    (
        lambda: layers.Conv2D(2, 5, name="top")(layers.Input((8, 4, 1))),
        r"layer 'top' would leave nothing .* axes \(8, 4\): a window of 5 does not fit into a width of 4; "
        r"use padding='same', a smaller kernel or larger inputs",
    ),
]


@pytest.mark.parametrize(("call", "message"), SHAPE_ERRORS)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


def test_other_shapes_than_it_was_built_for_are_refused() -> None:
    layer = layers.Conv1D(2, 3, name="top")
    layer(np.ones((1, 4, 2)))
    for shape in ((1, 4, 3), (4, 2), (1, 4, 4, 2)):
        with pytest.raises(ShapeError, match=r"was built for inputs of shape \(batch, length, 2\), got"):
            layer(np.ones(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Conv2D(0, 3), "filters must be a whole number of at least 1, got 0"),
        (lambda: layers.Conv2D(2, (3, 3, 3)), r"kernel_size must be .* or 2 of them, got \(3, 3, 3\)"),
        (lambda: layers.Conv2D(2, 3, strides=0), "strides must be"),
        (lambda: layers.Conv2D(2, 3, padding="causal"), "padding must be 'valid' or 'same', got 'causal'"),
        (lambda: layers.Conv2D(2, 3, dilation_rate=-1), "dilation_rate must be"),
        (lambda: layers.Conv2D(3, 3, groups=2), "filters must be a multiple of groups, got 3 and 2"),
        (lambda: layers.Conv2D(2, 3, data_format="channels_first"), "Transpose the data once"),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
