"""Layers that pool, beyond the table: masks, free axes, descriptions, wrong arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import Model, Sequential, layers
from streamfit._base.errors import ShapeError

REAL = np.array([[1, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]], bool)


@given(st.integers(0, 2**32), st.sampled_from(["bool", "float32"]), st.booleans())
def test_the_mean_over_steps_is_that_of_those_that_count(seed: int, kind: str, keepdims: bool) -> None:
    rng = np.random.default_rng(seed)
    x, weights = rng.normal(size=(3, 4, 2)), REAL * (1 if kind == "bool" else rng.uniform(0.5, 2, (3, 4)))
    layer = layers.GlobalAveragePooling1D(keepdims=keepdims, dtype="float64")
    found = layer(np.where(REAL[..., None], x, np.nan), mask=weights.astype(kind))
    wanted = np.stack([np.average(x[i], axis=0, weights=weights[i].astype(kind)) for i in range(3)])
    np.testing.assert_allclose(found, wanted[:, None] if keepdims else wanted, rtol=1e-6)


def test_a_sample_without_steps_that_count_gives_zero() -> None:
    found = layers.GlobalAveragePooling1D()(
        np.ones((2, 3, 1), "float32"), mask=np.array([[0, 0, 0], [1, 0, 0]])
    )
    assert found.tolist() == [[0.0], [1.0]]


def test_masked_steps_have_no_part_in_training() -> None:
    """Two data sets that differ only in their masked steps, one of them wildly, give the same weights."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 5, 2)).astype("float32") + 3, rng.normal(size=(8, 1)).astype("float32")
    lengths = rng.integers(1, 6, 8)
    padding = np.arange(5) >= lengths[:, None]
    x[padding] = 0.0

    def trained(steps: int) -> list[Any]:
        model = Sequential(
            [
                layers.Masking(input_shape=(None, 2)),
                layers.GlobalAveragePooling1D(),
                layers.Dense(1, kernel_initializer="ones"),
            ]
        )
        model.compile("sgd", loss="mse")
        more = np.zeros((8, steps, 2), "float32")
        model.fit(np.concatenate([x, more], axis=1), y, epochs=2, batch_size=3, shuffle=False, verbose=0)
        return model.get_weights()

    for short, long in zip(trained(0), trained(4), strict=True):
        np.testing.assert_allclose(short, long, rtol=1e-6)


def test_free_axes_are_pooled() -> None:
    inputs = layers.Input((None, None, 2))
    pooled = layers.MaxPooling2D()(inputs)
    assert pooled.shape == (None, None, None, 2)
    model = Model(inputs, [layers.GlobalAveragePooling2D()(pooled), layers.GlobalMaxPooling2D()(inputs)])
    for size in (4, 7):
        x = np.random.default_rng(size).normal(size=(3, size, size, 2)).astype("float32")
        mean, largest = model.predict(x, verbose=0)
        half = size // 2
        windows = x[:, : 2 * half, : 2 * half].reshape(3, half, 2, half, 2, 2).max(axis=(2, 4))
        np.testing.assert_allclose(mean, windows.mean(axis=(1, 2)), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(largest, x.max(axis=(1, 2)))


def test_strides_are_those_of_the_window_by_default() -> None:
    layer = layers.MaxPooling2D((2, 3))
    assert layer.get_config()["strides"] == [2, 3]
    assert layer(np.ones((1, 4, 6, 1), "float32")).shape == (1, 2, 2, 1)
    assert layers.AveragePooling1D(2, 1).get_config()["strides"] == [1]


def test_whole_numbers_become_the_layers_type() -> None:
    for layer in (layers.MaxPooling1D(), layers.AveragePooling1D(), layers.GlobalMaxPooling1D()):
        assert layer(np.ones((1, 4, 1), "uint8")).dtype == np.float32


SHAPE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: layers.MaxPooling2D(name="top")(np.ones((2, 8, 8))),
        r"layer 'top' needs inputs of shape \(batch, height, width, channels\), got \(2, 8, 8\)",
    ),
    (
        lambda: layers.AveragePooling1D(4, name="top")(layers.Input((3, 2))),
        r"layer 'top' would leave nothing .* window of 4 does not fit into a length of 3; .* pool_size",
    ),
    (
        lambda: layers.GlobalMaxPooling1D(name="top")(np.ones((2, 3, 4, 5))),
        r"layer 'top' needs inputs of shape \(batch, length, channels\), got \(2, 3, 4, 5\)",
    ),
    (
        lambda: layers.GlobalAveragePooling1D(name="top")(np.ones((2, 3)), mask=np.ones((2, 3))),
        r"layer 'top' needs inputs of shape",
    ),
]


@pytest.mark.parametrize(("call", "message"), SHAPE_ERRORS)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.MaxPooling2D(0), "pool_size must be"),
        (lambda: layers.MaxPooling2D(2, (1, 1, 1)), "strides must be"),
        (lambda: layers.MaxPooling1D(2, padding="causal"), "padding must be 'valid' or 'same'"),
        (lambda: layers.AveragePooling2D(data_format="channels_first"), "Transpose the data once"),
        (lambda: layers.GlobalAveragePooling2D("channels_first"), "Transpose the data once"),
    ],
)
def test_wrong_arguments_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
