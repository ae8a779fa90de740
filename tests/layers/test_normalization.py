"""`BatchNormalization`: moments, moving averages, freezing, masks, and steps that are stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.ops import batch_normalize

import streamfit as sf
from streamfit import ShapeError, layers
from streamfit.optimizers import SGD

Array = np.ndarray[Any, Any]


def draw(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(1.0, 2.0, shape)


def one_layer_model(layer: layers.Layer, *shape: int | None, rate: float = 0.1) -> sf.Model:
    model = sf.Sequential([sf.Input(shape, dtype="float64"), layer])
    model.compile(SGD(rate), "mse")
    return model


def test_training_normalizes_by_the_batch_and_moves_the_averages() -> None:
    layer = layers.BatchNormalization(momentum=0.75, dtype="float64")
    x = draw(6, 4, 3)
    wanted, mean, variance = batch_normalize(x, np.ones(3), np.zeros(3))
    np.testing.assert_allclose(layer(x, training=True), wanted, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * mean, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.75 + 0.25 * variance, rtol=1e-12)


def test_fit_moves_the_averages_once_a_step_and_evaluation_reads_them() -> None:
    layer = layers.BatchNormalization(momentum=0.5, dtype="float64")
    model = one_layer_model(layer, 2, rate=0.0)
    x = draw(9, 2)
    model.fit(x, x, batch_size=4, shuffle=False, verbose=0)
    mean, variance = np.zeros(2), np.ones(2)
    for part in (x[:4], x[4:8], x[8:]):  # the last batch has one row: its variance is 0
        mean, variance = (mean + part.mean(0)) / 2, (variance + part.var(0)) / 2
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance.numpy(), variance, rtol=1e-12)
    before = model.get_weights()
    np.testing.assert_allclose(model.predict(x), (x - mean) / np.sqrt(variance + 1e-3), rtol=1e-10)
    model.evaluate(x, x, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_many_joined_steps_give_the_bits_of_single_ones() -> None:
    class Listening(sf.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            """Ask for each batch."""

    x, found = draw(64, 3), []
    for callbacks in ([], [Listening()]):
        model = one_layer_model(layers.BatchNormalization(dtype="float64"), 3)
        model.fit(x, x, batch_size=4, epochs=2, seed=1, verbose=0, callbacks=callbacks)
        found.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


def test_a_layer_used_twice_moves_its_averages_twice_a_step() -> None:
    layer = layers.BatchNormalization(momentum=0.5, dtype="float64")
    left, right = sf.Input((2,), dtype="float64"), sf.Input((2,), dtype="float64")
    model = sf.Model([left, right], layers.Add()([layer(left), layer(right)]))
    model.compile(SGD(0.0), "mse")
    a, b = draw(5, 2), draw(5, 2, seed=1)
    model.train_on_batch([a, b], a)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * a.mean(0) + 0.5 * b.mean(0), rtol=1e-12)


def test_a_stopped_step_leaves_the_averages_as_they_were() -> None:
    layer = layers.BatchNormalization(dtype="float64")
    model = one_layer_model(layer, 2)
    x = draw(8, 2)
    model.train_on_batch(x, x)
    before = model.get_weights()
    y = x.copy()
    y[3, 0] = np.nan
    with pytest.raises(sf.NonFiniteError):
        model.fit(
            x, y, batch_size=8, verbose=0, callbacks=[sf.callbacks.TerminateOnNaN(True, before_update=True)]
        )
    after = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_frozen_layer_is_in_inference() -> None:
    layer = layers.BatchNormalization(dtype="float64", trainable=False)
    model = sf.Sequential([sf.Input((2,), dtype="float64"), layer, layers.Dense(1, dtype="float64")])
    model.compile("sgd", "mse")
    x = draw(8, 2)
    model.fit(x, x[:, :1], verbose=0)
    np.testing.assert_array_equal(layer.moving_mean.numpy(), np.zeros(2))
    np.testing.assert_allclose(layer(x, training=True), x / np.sqrt(1 + 1e-3), rtol=1e-12)


def test_masked_steps_do_not_count_in_the_moments() -> None:
    layer = layers.BatchNormalization(momentum=0.0, dtype="float64")
    x = draw(3, 4, 2)
    mask = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool)
    wanted, mean, _ = batch_normalize(x, np.ones(2), np.zeros(2), 1e-3, mask)
    np.testing.assert_allclose(layer(x, training=True, mask=mask), wanted, rtol=1e-10)
    np.testing.assert_allclose(layer.moving_mean.numpy(), mean, rtol=1e-10)
    x[~mask] = 7.0
    model = sf.Sequential([sf.Input((None, 2), dtype="float64"), layers.Masking(7.0, dtype="float64"), layer])
    model.compile(SGD(0.0), "mse")
    model.train_on_batch(x, np.zeros_like(x))
    x[~mask] = 0.0  # what Masking makes of them
    np.testing.assert_allclose(layer.moving_mean.numpy(), batch_normalize(x, 1, 0, 1e-3, mask)[1], rtol=1e-10)


@pytest.mark.parametrize(("shape", "axis"), [((None,), -1), ((3, None), 2), ((4,), 0)])
def test_channels_need_a_fixed_length(shape: Any, axis: int) -> None:
    with pytest.raises(ShapeError, match="must have a fixed length"):
        layers.BatchNormalization(axis)(sf.Input(shape))


@pytest.mark.parametrize("settings", [{"momentum": 1.5}, {"momentum": None}, {"epsilon": -1.0}])
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        layers.BatchNormalization(**settings)
