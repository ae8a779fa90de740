"""Inputs with free axes: programs bound to the shapes of the data, in a bounded cache."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamfit as sf
from streamfit import ShapeError, layers, ops
from streamfit.program import program as program_module

Array = np.ndarray[Any, Any]


def mean_model() -> sf.Model:
    x = sf.Input((None, 3), dtype="float64")
    hidden = layers.Dense(4, "tanh", dtype="float64")(x)
    model = sf.Model(x, layers.Dense(1, dtype="float64")(ops.mean(hidden, axis=1)))
    model.compile("sgd", "mse")
    return model


def by_hand(model: sf.Model, x: Array) -> Array:
    first, bias, last, shift = model.get_weights()
    return np.tanh(x @ first + bias).mean(1) @ last + shift


MODEL = mean_model()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
@settings(max_examples=25)
def test_any_length_and_any_size_of_the_batch(n: int, steps: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(n, steps, 3))
    np.testing.assert_allclose(MODEL.predict(x), by_hand(MODEL, x), rtol=1e-10)


def test_training_on_many_lengths_is_that_of_a_model_of_fixed_length() -> None:
    free, rng = mean_model(), np.random.default_rng(0)
    weights = free.get_weights()
    for steps in (2, 5, 2, 7, 5):
        x, y = rng.normal(size=(4, steps, 3)), rng.normal(size=(4, 1))
        fixed_input = sf.Input((steps, 3), dtype="float64")
        hidden = layers.Dense(4, "tanh", dtype="float64")(fixed_input)
        fixed = sf.Model(fixed_input, layers.Dense(1, dtype="float64")(ops.mean(hidden, axis=1)))
        fixed.compile("sgd", "mse")
        fixed.set_weights(weights)
        assert fixed.train_on_batch(x, y) == free.train_on_batch(x, y)
        weights = fixed.get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(weights, free.get_weights(), strict=True))


def test_a_generator_of_many_lengths_and_a_ragged_last_batch() -> None:
    rng = np.random.default_rng(1)
    batches = [(rng.normal(size=(n, t, 3)), rng.normal(size=(n, 1))) for n, t in ((4, 2), (4, 9), (1, 5))]
    model = mean_model()
    history = model.fit(iter(batches), steps_per_epoch=3, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    np.testing.assert_allclose(
        model.evaluate(iter(batches), steps=3, verbose=0),
        np.sum([np.sum((by_hand(model, x) - y) ** 2) for x, y in batches]) / 9,
        rtol=1e-10,
    )


def test_targets_of_each_step() -> None:
    model = sf.Sequential([sf.Input((None, 2), dtype="float64"), layers.Dense(1, dtype="float64")])
    model.compile("sgd", "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    for steps in (3, 6):
        x, y = rng.normal(size=(2, steps, 2)), rng.normal(size=(2, steps, 1))
        wanted = np.mean((model.predict(x) - y) ** 2)
        np.testing.assert_allclose(model.test_on_batch(x, y)[0], wanted, rtol=1e-12)
    assert len(model.runner()._built.programs._programs) == 2  # type: ignore[union-attr]  # predict and test


def test_several_free_axes() -> None:
    x = sf.Input((None, None, 2), dtype="float64")
    y = ops.sum(x[:, 1:, ::-1], axis=(1, 2))
    z = ops.reshape(x, (None, -1, 2))[:, -1]
    model = sf.Model(x, [y, z])
    for height, width in ((2, 3), (5, 1)):
        data = np.random.default_rng(0).normal(size=(4, height, width, 2))
        found = model.predict(data)
        np.testing.assert_allclose(found[0], data[:, 1:, ::-1].sum((1, 2)), rtol=1e-12)
        np.testing.assert_array_equal(found[1], data[:, -1, -1])


def test_lengths_that_do_not_fit_name_the_shapes_of_the_batch() -> None:
    a, b = sf.Input((None, 2), name="left"), sf.Input((None, 2), name="right")
    model = sf.Model([a, b], layers.Add()([a, b]))
    data = [np.zeros((3, 4, 2)), np.zeros((3, 5, 2))]
    with pytest.raises(ShapeError, match=r"left \(3, 4, 2\), right \(3, 5, 2\)"):
        model.predict(data)


def test_the_batch_never_broadcasts_with_a_free_axis() -> None:
    a, b = sf.Input((None, 2)), sf.Input((2,))
    with pytest.raises(ShapeError, match="broadcast"):
        ops.add(a, b)


def test_bindings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "_KEPT_CALLS", 300)
    model = mean_model()
    x = np.zeros((1, 90, 3))
    for steps in range(1, 90):
        model.predict_on_batch(x[:, :steps])
    programs = model.runner(False)._built.programs._programs  # type: ignore[union-attr]
    (program,) = programs.values()
    assert 16 < len(program._bindings) < 89
    assert program._bound_calls == sum(binding.count for binding in program._bindings.values()) <= 300


def test_a_dense_layer_needs_a_last_axis_of_fixed_length() -> None:
    with pytest.raises(ShapeError, match="needs inputs of shape"):
        layers.Dense(2)(sf.Input((None,)))
