"""Sums of the rows of blocks: along one binary tree, whatever runs them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import run
from streamfit.kernels.block_sums import sum_of_blocks
from streamfit.kernels.sections import SectionedCallList, parallel


def tree(rows: list[Array]) -> Array:
    """Add neighbours until one row is left."""
    while len(rows) > 1:
        pairs = [rows[i] + rows[i + 1] for i in range(0, len(rows) - 1, 2)]
        rows = pairs + rows[2 * len(pairs) :]
    return rows[0]


@settings(deadline=None)
@given(st.integers(1, 20), st.sampled_from([0, 1, 7, 1024, 2500]), st.integers(1, 5), st.sampled_from("fd"))
def test_the_bits_are_those_of_the_tree(rows: int, columns: int, pieces: int, dtype: str) -> None:
    parts = np.random.default_rng(rows).normal(size=(rows, columns)).astype(dtype)
    expected, total = tree(list(parts.copy())), np.zeros(columns, dtype)
    for block in sum_of_blocks(parts, total, pieces):
        run(block)
    np.testing.assert_array_equal(total, expected)


def test_blocks_run_by_two_threads_give_the_same_bits() -> None:
    values = np.random.default_rng(0).normal(size=(8, 30_000)).astype("float32")
    expected = tree(list(values))
    parts, total = values.copy(), np.zeros(30_000, "float32")
    calls = SectionedCallList([parallel(sum_of_blocks(parts, total, 6))], 2)
    for _ in range(50):
        parts[:] = values
        calls.run()
        np.testing.assert_array_equal(total, expected)


@pytest.mark.parametrize(
    ("shape", "size", "dtype"), [((3, 4), 5, "f4"), ((0, 4), 4, "f4"), ((3,), 3, "f4"), ((3, 4), 4, "f8")]
)
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], size: int, dtype: str) -> None:
    with pytest.raises(ValueError, match="parts must have shape"):
        sum_of_blocks(np.zeros(shape, "f4"), np.zeros(size, dtype))
    with pytest.raises(ValueError, match="pieces must be at least 1, got 0"):
        sum_of_blocks(np.zeros((1, 1)), np.zeros(1), 0)
