"""Memory of programs: arrays live from their first use to their last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamfit as sf
from streamfit import layers
from streamfit.program import Arena

WIDTH, ROWS = 256, 1024


def deep_model(count: int = 20) -> sf.Model:
    model = sf.Sequential([sf.Input((WIDTH,)), *(layers.Dense(WIDTH, "relu") for _ in range(count))])
    model.compile("sgd", "mse")
    return model


def arena_of(model: sf.Model) -> Arena:
    built = model.runner()._built
    assert built is not None
    return built.programs._arena


@pytest.mark.jit
def test_predicting_a_deep_network_keeps_few_activations() -> None:
    model = deep_model()
    model.predict_on_batch(np.zeros((ROWS, WIDTH), "float32"))
    assert arena_of(model).nbytes <= 4 * ROWS * WIDTH * 4


@pytest.mark.jit
def test_training_keeps_each_activation_and_few_gradients() -> None:
    model = deep_model()
    x = np.zeros((ROWS, WIDTH), "float32")
    model.train_on_batch(x, x)
    assert arena_of(model).nbytes <= (20 + 22) * ROWS * WIDTH * 4


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 << 20)), max_size=40))
@settings(max_examples=50)
def test_arrays_of_an_arena_never_overlap(steps: list[tuple[bool, int]]) -> None:
    arena = Arena()
    held: list[np.ndarray] = []
    for give, size in steps:
        if give and held:
            arena.give_back(held.pop(size % len(held)))
            continue
        array = arena.take((size,), np.uint8)
        assert array.ctypes.data % 64 == 0 or not array.size
        assert not any(np.shares_memory(array, other) for other in held if other.size and array.size)
        held.append(array)
    arena.rewind()
    total = arena.nbytes
    for array in held:
        arena.take(array.shape, np.uint8)
    assert arena.nbytes >= total


def test_an_arena_takes_back_empty_arrays() -> None:
    """Each has an address of its own, so that it is known which memory comes back."""
    arena = Arena()
    held = [arena.take((n, 3), np.float32) for n in (5, 0, 0, 7)]
    assert len({array.ctypes.data for array in held}) == 4
    for array in held:
        arena.give_back(array)
    whole = arena.take((arena.nbytes,), np.uint8)
    assert whole.nbytes == arena.nbytes
