"""Keyed randomness: pinned numbers, exact rates, uniformity, independence of neighbouring keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import ops as twins

from streamfit import ops
from streamfit._base.specs import Array


def uniform(seed: int, iteration: int, stream: int, count: int = 4096) -> Array:
    drawn: Array = ops.random_uniform(np.empty(count), np.array([seed, iteration]), stream)
    return drawn


PINNED = [645489294031313, 7776200776387024, 3217279311515272, 4548457838132705]


def test_the_numbers_never_change() -> None:
    """A change here changes every seeded run."""
    drawn = uniform(1, 2, 3, 4) * 2**53
    assert drawn.astype("int64").tolist() == PINNED


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_any_step_state_gives_the_numbers_of_the_twin(seed: int, iteration: int, stream: int) -> None:
    state = np.array([seed, iteration])
    like = np.empty(5)
    np.testing.assert_array_equal(
        ops.random_uniform(like, state, stream), twins.random_uniform(like, state, stream)
    )


def test_equal_arguments_repeat_and_each_argument_matters() -> None:
    base = uniform(1, 2, 3)
    np.testing.assert_array_equal(base, uniform(1, 2, 3))
    for other in (uniform(2, 2, 3), uniform(1, 3, 3), uniform(1, 2, 4), uniform(2, 1, 3), uniform(1, 3, 2)):
        assert not np.intersect1d(base, other).size


def test_the_shape_does_not_matter_only_the_place_in_memory() -> None:
    state = np.array([1, 2])
    flat = ops.random_uniform(np.empty(24), state, 0)
    np.testing.assert_array_equal(ops.random_uniform(np.empty((2, 3, 4)), state, 0).reshape(-1), flat)
    np.testing.assert_array_equal(ops.random_uniform(np.empty(5), state, 0), flat[:5])


def chi_square(values: Array, bins: int = 64) -> float:
    """Return how many standard deviations the counts lie from uniform ones."""
    counts = np.histogram(values, bins, (0, 1))[0]
    expected = len(values) / bins
    statistic = float(np.sum((counts - expected) ** 2) / expected)
    return (statistic - (bins - 1)) / np.sqrt(2 * (bins - 1))


@pytest.mark.jit
def test_numbers_are_uniform_along_places_iterations_streams_and_seeds() -> None:
    n = 2000
    assert abs(chi_square(uniform(7, 0, 0, 50_000))) < 5
    assert abs(chi_square(np.array([uniform(7, i, 0, 1)[0] for i in range(n)]))) < 5
    assert abs(chi_square(np.array([uniform(7, 0, i, 1)[0] for i in range(n)]))) < 5
    assert abs(chi_square(np.array([uniform(i, 0, 0, 1)[0] for i in range(n)]))) < 5


@pytest.mark.jit
def test_the_test_of_uniformity_can_fail() -> None:
    assert chi_square(uniform(7, 0, 0, 50_000) ** 1.1) > 5


def correlation(a: Array, b: Array) -> float:
    """Return the correlation in standard deviations."""
    return float(np.corrcoef(a, b)[0, 1] * np.sqrt(len(a)))


@pytest.mark.jit
@pytest.mark.parametrize("lag", [1, 2, 3, 7])
def test_neighbours_are_independent(lag: int) -> None:
    base = uniform(3, 0, 0, 40_000)
    assert abs(correlation(base[:-lag], base[lag:])) < 4.5
    assert abs(correlation(base, uniform(3, lag, 0, 40_000))) < 4.5
    assert abs(correlation(base, uniform(3, 0, lag, 40_000))) < 4.5
    assert abs(correlation(base, uniform(3 + lag, 0, 0, 40_000))) < 4.5


def test_every_bit_is_set_half_of_the_time() -> None:
    numbers = np.array(twins.numbers([9, 9], 9, 20_000), dtype=np.uint64)
    shares = [np.mean((numbers >> np.uint64(bit)) & np.uint64(1)) for bit in range(64)]
    assert max(abs(share - 0.5) for share in shares) < 4.5 * 0.5 / np.sqrt(20_000)


@pytest.mark.jit
@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_drops_its_rate_and_keeps_the_mean(rate: float, dtype: str) -> None:
    n = 200_000
    y = ops.dropout(np.ones(n, dtype), rate, np.array([1, 2]), 3)
    dropped = np.mean(y == 0)
    assert abs(dropped - rate) < 4.5 * np.sqrt(rate * (1 - rate) / n)
    assert set(np.unique(y)) == {y.dtype.type(0), y.dtype.type(1 / (1 - rate))}


def test_dropout_at_the_ends_of_its_rate() -> None:
    x = np.arange(5.0)
    np.testing.assert_array_equal(ops.dropout(x, 0, np.array([1, 2]), 3), x)
    assert not ops.dropout(x, np.nextafter(1.0, 0.0), np.array([1, 2]), 3).any()


def test_dropout_reads_the_step_state_when_it_runs() -> None:
    from oracles.gradients import Trace

    x, state = np.ones(64), np.array([1, 0])
    trace = Trace(ops.dropout, [x, 0.5, state, 3], 1, [False, False])
    first = trace.compute()[0].copy()
    state[1] = 1
    second = trace.compute()[0].copy()
    assert (first != second).any()
    np.testing.assert_array_equal(second, ops.dropout(x, 0.5, state, 3))


@pytest.mark.jit
def test_normal_numbers_are_normal() -> None:
    z = ops.random_normal(np.empty(100_000), np.array([5, 6]), 7)
    assert np.isfinite(z).all()
    assert abs(z.mean()) < 4.5 / np.sqrt(len(z))
    assert abs(z.var() - 1) < 4.5 * np.sqrt(2 / len(z))
    assert abs(np.mean(z**3)) < 4.5 * np.sqrt(15 / len(z))
    assert abs(np.mean(z**4) - 3) < 4.5 * np.sqrt(96 / len(z))
    assert abs(correlation(z[:-1], z[1:])) < 4.5


@pytest.mark.jit
def test_limits_mean_and_deviation() -> None:
    state = np.array([5, 6])
    u = ops.random_uniform(np.empty(10_000, "float32"), state, 0, minimum=-3, maximum=-1)
    assert u.dtype == np.float32
    assert -3 <= u.min() < -2.99
    assert -1.01 < u.max() <= -1
    z = ops.random_normal(np.empty(10_000), state, 0, mean=10, stddev=0.1)
    assert abs(z.mean() - 10) < 0.01
    assert abs(z.std() - 0.1) < 0.01
