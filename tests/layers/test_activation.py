"""Activation layers: wrong arguments."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import Model, activations, layers
from streamfit._base.errors import ShapeError, UnknownNameError


@pytest.mark.parametrize("name", ["max_value", "negative_slope", "threshold"])
def test_negative_settings_of_relu_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be zero or positive, got -1"):
        layers.ReLU(**{name: -1})


def test_unknown_activation_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'softmax'"):
        layers.Activation("sofmax")


@pytest.mark.parametrize("layer", [layers.Activation("relu"), layers.Dense(1, "relu", input_dim=1)])
def test_a_changed_activation_is_looked_up(layer: layers.Activation | layers.Dense) -> None:
    layer.activation = "linear"
    assert layer.activation is activations.linear
    layer.activation = np.tanh
    assert layer.activation is np.tanh
    with pytest.raises(UnknownNameError, match="Did you mean 'tanh'"):
        layer.activation = "tahn"


def masked_softmax(x: np.ndarray, kept: np.ndarray, axis: int) -> np.ndarray:
    """Compute the softmax over the values that count, in pure NumPy; 0 elsewhere."""
    powers = np.where(kept, np.exp(x), 0.0)
    total = powers.sum(axis, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (4,)])
def test_softmax_leaves_masked_values_out(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, mask = rng.normal(size=(3, 4)), rng.random(shape) < 0.5
    expected = masked_softmax(x, np.broadcast_to(mask, x.shape), -1)
    np.testing.assert_allclose(layers.Softmax()(x, mask=mask), expected, atol=1e-12)
    np.testing.assert_allclose(layers.Softmax()(x, mask=mask.astype(np.float32)), expected, atol=1e-12)


def test_softmax_of_a_row_without_a_value_that_counts_is_zero() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(layers.Softmax()(x, mask=np.array([[0, 0], [1, 0]])), [[0, 0], [1, 0]])


def test_softmax_over_steps_takes_the_mask_of_an_embedding() -> None:
    start = layers.Input((4,))
    vectors = layers.Embedding(5, 3, mask_zero=True)(start)
    model = Model(start, [vectors, layers.Softmax(axis=1)(vectors), layers.Softmax()(vectors)])
    ids = np.array([[1, 2, 0, 0], [0, 3, 4, 1]])
    given, over_steps, over_features = model.predict(ids, verbose=0)
    kept = np.broadcast_to((ids != 0)[:, :, None], given.shape)
    np.testing.assert_allclose(over_steps, masked_softmax(given, kept, 1), atol=1e-6)
    everything = masked_softmax(
        given, np.ones_like(kept), 2
    )  # whole steps are masked, no place along the axis
    np.testing.assert_allclose(over_features, everything, atol=1e-6)


def test_softmax_over_several_axes() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    expected = np.exp(x) / np.exp(x).sum(axis=(1, 2), keepdims=True)
    layer = layers.Softmax(axis=(1, 2))
    np.testing.assert_allclose(layer(x), expected, atol=1e-12)
    start = layers.Input((3, 4), dtype="float64")
    np.testing.assert_allclose(Model(start, layer(start)).predict(x, verbose=0), expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (1, 1, 3)])
def test_softmax_refuses_a_mask_that_does_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="must be broadcastable to it"):
        layers.Softmax()(np.ones((1, 3)), mask=np.ones(shape))
