"""Norms of gradients: of wholes and of rows, equal to the bit, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.kernels import run
from streamfit.optimizers.clipping import LANES, sum_squares, sum_squares_of_rows


@given(
    seed=st.integers(0, 2**32),
    width=st.sampled_from([1, 3, 31, 32, 33, 50, 64, 70, 100, 130]),
    read=st.integers(0, 6),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_rows_have_the_norm_of_the_whole(seed: int, width: int, read: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(12, read, replace=False))
    values = (rng.normal(size=(read + 1, width)) * 10.0 ** rng.integers(-5, 6, (read + 1, 1))).astype(dtype)
    whole = np.zeros((12, width), dtype)
    whole[rows] = values[:read]
    lanes, by_rows, by_whole = np.full(LANES, np.nan), np.zeros(1), np.zeros(1)
    numbers, count = np.append(rows, -1), np.array([read])
    run([(sum_squares_of_rows, (values, numbers, count, lanes, by_rows))])
    run([(sum_squares, (whole.reshape(-1), np.array([whole.size]), lanes, by_whole))])
    assert by_rows[0] == by_whole[0]
    exact = np.sum(values[:read].astype(np.longdouble) ** 2)
    np.testing.assert_allclose(by_rows[0], float(exact), rtol=1e-14)


def test_each_weight_has_its_own_sum() -> None:
    sizes = np.array([3, 0, 40, 1])
    g = np.arange(44, dtype="float32")
    squares, lanes = np.full(4, np.nan), np.empty(LANES)
    run([(sum_squares, (g, sizes, lanes, squares))])
    assert squares.tolist() == [0 + 1 + 4, 0, sum(i * i for i in range(3, 43)), 43 * 43]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_show(bad: float) -> None:
    values = np.ones((2, 40), "float32")
    values[1, 35] = bad
    squares, lanes = np.zeros(1), np.empty(LANES)
    run([(sum_squares_of_rows, (values, np.array([0, 5]), np.array([2]), lanes, squares))])
    np.testing.assert_equal(squares[0], bad)
