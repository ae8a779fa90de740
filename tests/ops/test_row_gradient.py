"""The gradient of a table as a list of rows, against the gradient of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from streamfit.kernels import CallList, run
from streamfit.ops.indexing import take_backward
from streamfit.ops.row_gradient import RowGradient, find_calls, merge_calls, sum_calls

Array = np.ndarray[Any, Any]


def rows_of(ids: Array, gy: Array, table_rows: int) -> RowGradient:
    found, calls = find_calls(ids.reshape(ids.size, 1), table_rows, np.empty, np.empty)
    gradient, more = sum_calls(found, gy.reshape(ids.size, gy.shape[-1]), np.empty)
    run(calls + more)
    return gradient


def whole_of(gradient: RowGradient, table_rows: int) -> Array:
    whole = np.zeros((table_rows, gradient.values.shape[1]), gradient.values.dtype)
    numbers = gradient.rows[: gradient.count[0]]
    assert (np.diff(numbers) > 0).all()
    whole[numbers] = gradient.values[: gradient.count[0]]
    return whole


def dense(ids: Array, gy: Array, table_rows: int) -> Array:
    """The kernel of `ops.take`: its bits count."""
    whole = np.zeros((1, table_rows, gy.shape[-1]), gy.dtype)
    run([(take_backward, (ids.reshape(-1), gy.reshape(1, ids.size, gy.shape[-1]), whole))])
    return whole[0]


SIZES = st.sampled_from([1, 2, 5, 2047, 2048, 2049, 5000, 1 << 22, (1 << 22) + 1, 10**7])


@given(st.data(), SIZES, st.integers(0, 40), st.integers(1, 3), st.sampled_from(["float32", "float64"]))
def test_rows_are_found_and_their_gradients_summed(
    data: st.DataObject, table_rows: int, n: int, width: int, dtype: str
) -> None:
    near = st.sampled_from(
        [-1, 0, 1, 2, 2046, 2047, 2048, table_rows - 2, table_rows - 1, table_rows, -(2**63), 2**63 - 1]
    )
    ids = data.draw(arrays(np.int64, n, elements=near | st.integers(-2, table_rows + 1)))
    gy = np.random.default_rng(n).normal(size=(n, width)).astype(dtype)
    gradient = rows_of(ids, gy, table_rows)
    inside = ids[(ids >= 0) & (ids < table_rows)]
    numbers = np.unique(inside)
    np.testing.assert_array_equal(gradient.rows[: gradient.count[0]], numbers)
    parts = [gy[ids == number] for number in numbers]
    for found, part in zip(gradient.values, parts, strict=False):
        total = part[0].copy()
        for row in part[1:]:
            total += row
        assert found.tobytes() == total.tobytes()


@given(st.integers(0, 2**32))
def test_the_bits_are_those_of_the_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 9, (5, 4))
    gy = rng.normal(size=(5, 4, 3)).astype("float32")
    np.testing.assert_array_equal(whole_of(rows_of(ids, gy, 9), 9), dense(ids, gy, 9))


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 12))
def test_two_gradients_of_one_table_are_merged(seed: int, m: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = ((rng.integers(0, 15, k), rng.normal(size=(k, 2)).astype("float32")) for k in (m, n))
    merged, calls = merge_calls(rows_of(*a, 15), rows_of(*b, 15), np.empty)
    run(calls)
    np.testing.assert_array_equal(whole_of(merged, 15), dense(*a, 15) + dense(*b, 15))


def test_memory_depends_on_the_ids_alone() -> None:
    taken: list[int] = []

    def take(shape: Any, dtype: Any) -> Array:
        array = np.empty(shape, dtype)
        taken.append(array.nbytes)
        return array

    ids, gy = np.zeros((100, 1), np.int64), np.zeros((100, 4))
    totals = []
    for table_rows in (10, 10**9):
        taken.clear()
        found, _ = find_calls(ids, table_rows, take, take)
        gradient, _ = sum_calls(found, gy, take)
        merge_calls(gradient, gradient, take)
        totals.append(sum(taken))
    assert totals[0] == totals[1] < 50_000


@pytest.mark.jit
def test_a_binding_finds_other_rows_at_each_run() -> None:
    ids, gy = np.zeros((6, 1), np.int64), np.ones((6, 1))
    found, calls = find_calls(ids, 50, np.empty, np.empty)
    gradient, more = sum_calls(found, gy, np.empty)
    both = CallList(calls + more)
    for wanted in ([3, 3, 3, 3, 3, 3], [49, 0, 7, 7, 0, 0], [-1, -1, 50, 50, 99, -7]):
        ids[:, 0] = wanted
        both.run()
        np.testing.assert_array_equal(whole_of(gradient, 50), dense(ids, gy, 50))


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(0, 4))
def test_rows_of_bags_are_those_of_their_numbers_apart(seed: int, bags: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    ids, gy = rng.integers(-1, 5, (bags, length)), rng.normal(size=(bags, 2)).astype("float32")
    found, calls = find_calls(ids, 5, np.empty, np.empty)
    gradient, more = sum_calls(found, gy, np.empty)
    run(calls + more)
    wanted = whole_of(rows_of(ids, np.repeat(gy, length, axis=0), 5), 5)
    assert whole_of(gradient, 5).tobytes() == wanted.tobytes()
