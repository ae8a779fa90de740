"""Products: loops and BLAS compute what NumPy computes, at every size at which a loop changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import products, run

SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33])
SHAPES = [(32, 32, 64), (32, 64, 2), (5, 7, 1), (4, 16, 16), (3, 17, 15), (9, 2, 40), (1, 1, 1)]


def computed(rows: int, inner: int, columns: int, dtype: str) -> list[tuple[Array, Array]]:
    """Return what the calls of the three products give, and what they should, in whole numbers."""
    rng = np.random.default_rng(rows * 10_000 + inner * 100 + columns)
    a, b, gy = (
        rng.integers(-4, 5, shape).astype(dtype)
        for shape in ((rows, inner), (inner, columns), (rows, columns))
    )
    turned = np.full(products.turned_shape(inner, columns), np.nan, dtype)
    y, ga, gb = (np.full(like.shape, np.nan, dtype) for like in (gy, a, b))
    run(products.product(a, b, turned, y))
    run(products.left(gy, b, turned, ga))
    run(products.right(a, gy, turned, gb))
    return [(y, a @ b), (ga, gy @ b.T), (gb, a.T @ gy)]


@given(SIZES, SIZES, SIZES, st.sampled_from(["float32", "float64"]))
def test_loops_are_exact_on_whole_numbers(rows: int, inner: int, columns: int, dtype: str) -> None:
    for got, wanted in computed(rows, inner, columns, dtype):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("shape", SHAPES)
def test_blas_computes_the_same(shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "LOOPS_UP_TO", 0)
    for got, wanted in computed(*shape, "float32"):
        np.testing.assert_array_equal(got, wanted)


def kernels_of(rows: int, inner: int, columns: int) -> set[str]:
    a, b, y = np.zeros((rows, inner)), np.zeros((inner, columns)), np.zeros((rows, columns))
    turned = np.zeros(products.turned_shape(inner, columns))
    calls = [
        *products.product(a, b, turned, y),
        *products.left(y, b, turned, a),
        *products.right(a, y, turned, b),
    ]
    return {function.__name__ for function, _ in calls}


def test_large_products_go_to_blas_and_small_ones_do_not() -> None:
    assert kernels_of(64, 256, 256) == {"product_by_tiles", "turned_product_by_tiles", "turn"}
    assert kernels_of(65, 256, 256) == {"product_by_blas", "left_by_blas", "right_by_blas"}
    assert "product_by_sums" in kernels_of(32, 64, 10)


def test_a_matrix_that_no_batch_can_turn_needs_no_room() -> None:
    assert products.turned_shape(64, 2) == (2, 64)
    assert products.turned_shape(4096, 4096) == (0, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_nan_and_infinity_reach_their_rows_only(shape: tuple[int, int, int]) -> None:
    rows, inner, columns = shape
    a, b = np.ones((rows, inner), "float32"), np.ones((inner, columns), "float32")
    a[-1, -1] = np.nan
    y = np.zeros((rows, columns), "float32")
    run(products.product(a, b, np.zeros(products.turned_shape(inner, columns), "float32"), y))
    assert np.isnan(y[-1]).all()
    assert np.isfinite(y[:-1]).all()
    a[-1, -1] = np.inf
    run(products.product(a, b, np.zeros(products.turned_shape(inner, columns), "float32"), y))
    assert np.isposinf(y[-1]).all()
