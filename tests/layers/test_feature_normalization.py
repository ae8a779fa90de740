"""Normalization: moments of data, given ones, weights, and models that are compiled already."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequence, Sequential, ShapeError, layers, ops, source

RNG = np.random.default_rng(0)
X = RNG.normal([1.0, -30.0, 500.0], [1.0, 5.0, 0.1], (50, 4, 3))


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), (2, 1), [-2], None, ()])
def test_moments_along_every_axis(axis: Any) -> None:
    layer = layers.Normalization(axis=axis, dtype="float64")
    layer.adapt(X, batch_size=7)
    kept = {a % 3 for a in ([] if axis is None else [axis] if isinstance(axis, int) else axis)}
    over = tuple(a for a in range(3) if a not in kept)
    mean, variance = X.mean(over, keepdims=True), X.var(over, keepdims=True)
    np.testing.assert_allclose(layer(X), (X - mean) / np.sqrt(variance), rtol=1e-8, atol=1e-10)
    weights = layer.get_weights()
    np.testing.assert_allclose(weights[0], mean.squeeze(over), rtol=1e-12)
    np.testing.assert_allclose(weights[1], variance.squeeze(over), rtol=1e-9)
    assert weights[2] == X.size / mean.size
    assert [weight.name for weight in layer.weights] == ["mean", "variance", "count"]
    assert layer.trainable_weights == []


def test_the_numbers_of_keras() -> None:
    layer = layers.Normalization()
    layer.adapt(np.array([[0.0, 7.0, 4.0], [2.0, 9.0, 6.0], [0.0, 7.0, 4.0], [2.0, 9.0, 7.0]]))
    mean, variance, _ = layer.get_weights()
    assert (mean.tolist(), variance.tolist()) == ([1.0, 8.0, 5.25], [1.0, 1.0, 1.6875])
    one = layers.Normalization(axis=None)
    one.adapt(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    np.testing.assert_allclose(one(np.array([1.0, 2.0, 3.0])), [-1.4142135, -0.70710677, 0.0], rtol=1e-6)


def test_every_kind_of_data_and_size_of_batch() -> None:
    x = X[:, 0]
    kinds = [x, x.tolist(), {"x": x}, ((row[None], [0.0]) for row in x), source(x).shuffle().batch(3)]
    for data in kinds:
        layer = layers.Normalization()
        layer.adapt(data)
        np.testing.assert_allclose(layer.get_weights()[0], x.mean(0), rtol=1e-6)
        np.testing.assert_allclose(layer.get_weights()[1], x.var(0), rtol=1e-6)
    part = layers.Normalization()
    part.adapt(iter([x[:10], x[10:]]), steps=1)
    assert part.count.numpy() == 10


def test_a_constant_feature_and_inversion() -> None:
    layer, back = layers.Normalization(), layers.Normalization(invert=True)
    x = np.array([[1.0, 5.0], [3.0, 5.0]])
    for each in (layer, back):
        each.adapt(x)
    assert layer(x).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(back(layer(x)), x)


def test_adapting_takes_effect_in_a_compiled_model_and_training_leaves_it_alone() -> None:
    layer = layers.Normalization()
    model = Sequential([Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = X[:, 0].astype("float32"), np.zeros((50, 1))
    before = model.predict(x, verbose=0)
    layer.adapt(x)
    after = model.predict(x, verbose=0)
    assert not np.allclose(before, after)
    kernel, bias = model.layers[-1].get_weights()
    wanted = (x - X[:, 0].mean(0)) / X[:, 0].std(0) @ kernel + bias
    np.testing.assert_allclose(after, wanted, atol=2e-3)  # float32 holds 500 to 3e-5, a deviation is 0.1
    found = layer.get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    for now, then in zip(layer.get_weights(), found, strict=True):
        np.testing.assert_array_equal(now, then)


def test_gradients_pass_through() -> None:
    start = Input((3,))
    dense = layers.Dense(3, use_bias=False, kernel_initializer="ones")
    model = Model(start, layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25])(dense(start)))
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 1.0
    x, y = X[:5, 0].astype("float64") / 100, np.zeros((5, 3))
    deviation = np.array([2.0, 1.0, 0.5])
    out = (x @ np.ones((3, 3)) - [1.0, 2.0, 3.0]) / deviation
    slope = x.T @ (2 * out / out.size / deviation)
    model.train_on_batch(x, y)
    np.testing.assert_allclose(dense.get_weights()[0], 1 - slope, rtol=1e-3, atol=1e-4)


def test_weights_description_and_copies() -> None:
    layer = layers.Normalization(axis=(-1,))
    layer.adapt(X)
    config = layer.get_config()
    assert {key: config[key] for key in ("axis", "mean", "variance", "invert")} == {
        **{"axis": [-1], "mean": None, "variance": None, "invert": False}
    }
    again = layers.Normalization.from_config(config)
    again(X)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(X), layer(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer))(X), layer(X))


def test_moments_are_saved_with_the_weights(tmp_path: Path) -> None:
    def make() -> Sequential:
        return Sequential([Input((3,)), layers.Normalization(name="norm"), layers.Dense(1, name="dense")])

    model, other = make(), make()
    model.layers[0].adapt(X[:, 0])
    model.save_weights(tmp_path / "all.safetensors")
    other.load_weights(tmp_path / "all.safetensors")
    np.testing.assert_array_equal(other.predict(X[:, 0], verbose=0), model.predict(X[:, 0], verbose=0))
    assert other.layers[0].count.numpy() == 50


def test_masks_pass_through() -> None:
    x = np.array([[[1.0], [0.0]]])
    model = Sequential(
        [Input((2, 1)), layers.Masking(), layers.Normalization(mean=0.0, variance=1.0), Mean()]
    )
    assert model.predict(x, verbose=0).tolist() == [[1.0]]


class Mean(layers.Layer):
    """The mean of the steps that count."""

    def call(self, x: Any, mask: Any = None) -> Any:
        """Average."""
        counts = ops.expand_dims(ops.cast(mask, x.dtype), -1)
        return ops.sum(x * counts, 1) / ops.sum(counts, 1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mean": 1.0}, "mean and variance are given together"),
        ({"mean": [1.0], "variance": 1.0}, "must have the same shape"),
        ({"mean": [[1.0]], "variance": [[1.0]]}, r"more axes than axis=\[-1\] keeps"),
        ({"mean": 1.0, "variance": -1.0}, "a variance at least 0"),
        ({"axis": "last"}, "axis must be a whole number"),
    ],
)
def test_arguments_that_cannot_work(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        layers.Normalization(**settings)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"has the shape \(2,\), which cannot be broadcast to \(3,\)"):
        layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(np.zeros((1, 3)))
    with pytest.raises(ShapeError, match=r"axis=\[3\], got an input of 2 axes"):
        layers.Normalization(axis=3)(np.zeros((1, 3)))
    with pytest.raises(ShapeError, match=r"not be the batch; .* For one mean of all numbers write axis=None"):
        layers.Normalization(axis=0)(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match=r"whose length must be known .* \(None, None\)"):
        layers.Normalization()(Input((None,)))
    layer = layers.Normalization()
    layer.adapt(np.ones((4, 3)))
    with pytest.raises(ShapeError, match=r"was built for inputs with the lengths \(3,\)"):
        layer.adapt(np.ones((4, 2)))
    with pytest.raises(ShapeError, match=r"was built for inputs with the lengths \(3,\)"):
        layer(np.ones((4, 2)))


def test_data_that_cannot_be_adapted_to_leave_the_weights() -> None:
    layer = layers.Normalization(name="norm")
    layer.adapt(np.array([[1.0], [3.0]]))
    before = layer.get_weights()
    for data, words in (
        (np.array([[1.0], [np.inf]]), "the data of layer 'norm': row 1 holds inf"),
        ({"a": np.ones((2, 1)), "b": np.ones((2, 1))}, "adapts to one array, got 2"),
        (iter([]), "at least one batch"),
    ):
        with pytest.raises((DataError, ValueError), match=words):
            layer.adapt(data)
    assert all(np.array_equal(a, b) for a, b in zip(before, layer.get_weights(), strict=True))
    with pytest.raises(ValueError, match="was made with mean and variance, so there is nothing to adapt"):
        layers.Normalization(mean=0.0, variance=1.0).adapt(X)


@pytest.mark.parametrize(("axis", "shape"), [(2, (1, 1, 3)), ((1, 2), (1, 4, 3)), (None, (1, 1, 1))])
def test_moments_are_shown_as_they_are_broadcast(axis: Any, shape: tuple[int, ...]) -> None:
    layer = layers.Normalization(axis=axis)
    assert layer.mean is None
    layer.adapt(X)
    assert layer.mean is not None
    assert layer.variance is not None
    assert layer.mean.shape == layer.variance.shape == shape
    kept = tuple(place for place in range(3) if shape[place] == 1)
    np.testing.assert_allclose(layer.mean, X.mean(kept, keepdims=True), rtol=1e-5)
    numbers = 2.0 if axis is None else [1.0, 2.0, 3.0]
    given = layers.Normalization(axis=axis, mean=numbers, variance=numbers)
    given.build((None, 4, 3))
    assert given.mean is not None
    assert given.mean.shape == shape


def test_a_list_of_batches_is_no_array() -> None:
    batches = [X[:20], X[20:45], X[45:]]
    for data in (batches, [(x, np.zeros(1)) for x in batches]):
        layer = layers.Normalization(axis=(1, 2))
        layer.adapt(data)
        np.testing.assert_allclose(layer.get_weights()[0], X.mean(0), rtol=1e-5)


class Pairs(Sequence):
    """Batches whose targets have another length, which nobody looks at."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, number: int) -> Any:
        return X[10 * number : 10 * number + 10], np.zeros(1)


def test_targets_may_have_any_form_where_they_are_ignored() -> None:
    layer = layers.Normalization()
    layer.adapt(Pairs())
    np.testing.assert_allclose(layer.get_weights()[0], X.mean((0, 1)), rtol=1e-5)
    pairs = iter([(X[:10], np.zeros(3)), (X[10:20], np.zeros(3)), (X[20:], np.zeros(3))])
    layer.adapt(pairs, steps=2)
    np.testing.assert_allclose(layer.get_weights()[0], X[:20].mean((0, 1)), rtol=1e-5)
    assert len(next(pairs)[0]) == 30  # what nobody used is still there
