"""Moments and quantiles in one pass: exact, whatever the batches, and merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import DataError
from streamfit.layers.summaries import Moments, QuantileSketch, finite_numbers

FLOATS = st.floats(-1e6, 1e6)
CUTS = st.lists(st.integers(0, 40), max_size=5)


def pieces(numbers: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    return np.split(numbers, sorted(cuts))


@given(st.lists(FLOATS, min_size=1, max_size=40), CUTS, st.sampled_from([0.0, 1e9]))
def test_moments_are_those_of_numpy_however_the_data_are_cut(
    numbers: list[float], cuts: list[int], far: float
) -> None:
    array, moments = np.array(numbers) + far, Moments()
    for piece in pieces(array, cuts):
        moments.add(piece, (0,))
    assert moments.count == len(array)
    np.testing.assert_allclose(moments.mean, array.mean(), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, array.var(), rtol=1e-9, atol=1e-9 * (1 + far) ** 0.5)


def test_a_mean_that_is_large_beside_the_deviation_costs_no_digits() -> None:
    x, moments = 1e9 + np.arange(1000.0) % 7, Moments()
    for row in x:
        moments.add(np.array([row]), (0,))
    np.testing.assert_allclose(moments.variance, (np.arange(1000) % 7).var(), rtol=1e-7)


@given(st.lists(FLOATS, max_size=20), st.lists(FLOATS, max_size=20))
def test_merged_moments_are_those_of_all(left: list[float], right: list[float]) -> None:
    parts, whole = [Moments(), Moments()], Moments()
    for moments, numbers in zip(parts, (left, right), strict=True):
        moments.add(np.array(numbers), (0,))
    parts[0].merge(parts[1])
    whole.add(np.array([*left, *right]), (0,))
    assert parts[0].count == whole.count
    np.testing.assert_allclose(parts[0].mean, whole.mean, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(parts[0].variance, whole.variance, rtol=1e-9, atol=1e-3)


def bounds_of(numbers: np.ndarray, bins: int) -> list[float]:
    """Return the quantiles of Keras' formula, of all numbers."""
    ordered = np.sort(numbers)
    if len(ordered) < bins:
        return ordered[:-1].tolist()
    shares = np.arange(1, len(ordered) + 1) / len(ordered)
    return [float(np.interp(i / bins, shares, ordered)) for i in range(1, bins)]


@given(st.lists(FLOATS, min_size=1, max_size=60), st.integers(1, 9))
def test_few_numbers_have_exact_quantiles(numbers: list[float], bins: int) -> None:
    sketch = QuantileSketch(0.5)  # keeps 64 numbers
    sketch.add(np.array(numbers))
    assert sketch.bounds(bins) == bounds_of(np.array(numbers), bins)


def ranks_off(sketch: QuantileSketch, numbers: np.ndarray, bins: int) -> float:
    """Return by which share of the numbers a bound is off in rank, at worst."""
    ordered = np.sort(numbers)
    off = 0.0
    for i, bound in enumerate(sketch.bounds(bins), 1):
        low, high = np.searchsorted(ordered, bound, "left"), np.searchsorted(ordered, bound, "right")
        wanted = i / bins * len(ordered)
        off = max(off, low - wanted, wanted - high)
    return off / len(ordered)


ORDERS = {
    "drawn": lambda x, rng: rng.permutation(x),
    "ascending": lambda x, rng: np.sort(x),
    "descending": lambda x, rng: -np.sort(-x),
    "swinging": lambda x, rng: np.sort(x)[np.arange(len(x)) // 2 * np.where(np.arange(len(x)) % 2, 1, -1)],
    "few values": lambda x, rng: np.floor(rng.permutation(x)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("epsilon", [0.3, 0.05, 0.01])
def test_the_error_in_rank_is_below_epsilon_in_bounded_memory(order: str, epsilon: float) -> None:
    rng = np.random.default_rng(0)
    x = ORDERS[order](rng.gamma(2.0, 3.0, 60_000), rng)
    sketch = QuantileSketch(epsilon)
    for piece in pieces(x, rng.integers(0, len(x), 30).tolist()):
        sketch.add(piece)
    assert ranks_off(sketch, x, 20) <= epsilon
    assert sketch.kept <= 32 / epsilon * 12 + 32


def test_batches_change_nothing_and_merged_sketches_are_as_good() -> None:
    x = np.random.default_rng(1).normal(size=30_000)
    sketches = [QuantileSketch(0.05) for _ in range(3)]
    sketches[0].add(x)
    for piece in np.array_split(x, 77):
        sketches[1].add(piece)
    assert sketches[0].bounds(9) == sketches[1].bounds(9)
    parts = [QuantileSketch(0.05) for _ in range(4)]
    for part, piece in zip(parts, np.array_split(x, 4), strict=True):
        part.add(piece)
        sketches[2].merge(part)
    assert ranks_off(sketches[2], x, 9) <= 0.05


def test_what_is_no_finite_number_is_named() -> None:
    with pytest.raises(DataError, match=r"x: row 1 holds nan; leave such samples out"):
        finite_numbers(np.array([[1.0, 2.0], [3.0, np.nan]]), "x")
    with pytest.raises(DataError, match="x must be numbers, got an array of dtype <U1"):
        finite_numbers(["a"], "x")
