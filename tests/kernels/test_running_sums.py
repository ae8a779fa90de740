"""Running sums: exact where plain ones are not, and infinities stay what they are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.kernels.running_sums import grow, grow_all, mean_of

NUMBERS = st.lists(st.floats(-1e200, 1e200), min_size=1, max_size=40)


@kernel
def grow_by_each(parts: Array, state: Array) -> None:
    """Add numbers one after the other to both sums of a state."""
    for i in range(parts.shape[0]):
        grow(state, 0, parts[i])
        grow(state, 1, -parts[i])


@kernel
def grow_by_products(parts: Array, factors: Array, state: Array) -> None:
    """Add products, which the compiler would like to fuse with the addition."""
    for i in range(parts.shape[0]):
        grow(state, 0, parts[i] * factors[i])


def grown(parts: Array) -> Array:
    state = np.zeros(4)
    grow_by_each(parts, state)
    return state


@given(NUMBERS)
def test_sum_and_rest_are_the_exact_sum(numbers: list[float]) -> None:
    total, _, rest, _ = grown(np.array(numbers)).tolist()
    exact = sum(map(Fraction, numbers))
    scale = sum(map(abs, map(Fraction, numbers)))
    assert abs(Fraction(total) + Fraction(rest) - exact) <= scale * Fraction(2) ** -98 * len(numbers)


@given(NUMBERS)
def test_numpy_does_as_the_kernel(numbers: list[float]) -> None:
    state = np.zeros(4)
    for number in numbers:
        grow_all(state[:2], state[2:], np.array([number, -number]))
    assert state.tobytes() == grown(np.array(numbers)).tobytes()


def test_what_is_far_too_small_for_the_sum_is_kept() -> None:
    total, _, rest, _ = grown(np.array([2.0**60, *[0.25] * 1000])).tolist()
    assert (total, rest) == (2.0**60, 250.0)


def test_products_round_before_they_are_added() -> None:
    rng = np.random.default_rng(2)
    parts, factors = rng.random(500), rng.random(500)
    state, products = np.zeros(4), parts * factors
    grow_by_products(parts, factors, state)
    assert state[[0, 2]].tobytes() == grown(products)[[0, 2]].tobytes()


@pytest.mark.parametrize("numbers", [[math.inf, 1.0], [1.0, -math.inf, 3.0], [1e308, 1e308], [0.1, math.nan]])
def test_what_is_no_number_stays_what_it_is(numbers: list[float]) -> None:
    state = grown(np.array(numbers))
    assert np.isfinite(state[2:]).all()
    with np.errstate(over="ignore"):
        np.testing.assert_equal(state[0] + state[2], np.sum(numbers))
        both = np.zeros(4)
        for number in numbers:
            grow_all(both[:2], both[2:], np.array([number, -number]))
    np.testing.assert_array_equal(both, state)


@given(NUMBERS, NUMBERS)
def test_states_are_merged_by_addition(first: list[float], second: list[float]) -> None:
    merged = grown(np.array(first)) + grown(np.array(second))
    exact = sum(map(Fraction, first + second))
    scale = sum(map(abs, map(Fraction, first + second)))
    assert abs(Fraction(merged[0]) + Fraction(merged[2]) - exact) <= scale * Fraction(2) ** -52


def test_a_mean_of_nothing_is_zero() -> None:
    assert mean_of(np.zeros(4)) == 0.0
    assert mean_of(np.array([3.0, 2.0, 1.0, 2.0])) == 1.0
