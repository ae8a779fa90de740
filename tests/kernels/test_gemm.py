"""GEMM in kernels: transposed factors, parts of matrices, sums, one thread, and machine code on disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.specs import Array
from streamfit.kernels import kernel, run
from streamfit.kernels.decorator import CompiledKernel
from streamfit.kernels.gemm import gemm

SIZES = st.sampled_from([1, 2, 3, 5, 8, 17])


@kernel
def multiply(a: Array, b: Array, y: Array, turn_a: int, turn_b: int, add: int) -> None:
    """Multiply whole matrices."""
    gemm(a, b, y, turn_a, turn_b, add)


@kernel
def multiply_parts(a: Array, b: Array, y: Array, places: Array) -> None:
    """Multiply what begins at some row and column of each of three matrices and has some lengths."""
    rows, inner, columns = places[6], places[7], places[8]
    part_a = a[places[0] : places[0] + rows, places[1] : places[1] + inner]
    part_b = b[places[2] : places[2] + inner, places[3] : places[3] + columns]
    gemm(part_a, part_b, y[places[4] : places[4] + rows, places[5] : places[5] + columns], 0, 0, 1)


def whole_numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    return rng.integers(-4, 5, shape).astype(dtype)


@given(SIZES, SIZES, SIZES, st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["f4", "f8"]))
def test_products_of_whole_numbers_are_exact(
    rows: int, inner: int, columns: int, turn_a: bool, turn_b: bool, add: bool, dtype: str
) -> None:
    rng = np.random.default_rng(rows * 10_000 + inner * 100 + columns)
    a, b = whole_numbers(rng, (rows, inner), dtype), whole_numbers(rng, (inner, columns), dtype)
    before = whole_numbers(rng, (rows, columns), dtype)
    y = before.copy() if add else np.full_like(before, np.nan)
    given_a, given_b = (np.ascontiguousarray(m.T) if turn else m for m, turn in ((a, turn_a), (b, turn_b)))
    run([(multiply, (given_a, given_b, y, int(turn_a), int(turn_b), int(add)))])
    np.testing.assert_array_equal(y, a @ b + (before if add else 0))


@given(st.data(), st.sampled_from(["f4", "f8"]))
def test_parts_of_matrices_leave_the_rest_alone(data: st.DataObject, dtype: str) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    lengths = [data.draw(SIZES) for _ in range(3)]
    rows, inner, columns = lengths
    places = [data.draw(st.integers(0, 3)) for _ in range(6)]
    shapes = [(rows, inner), (inner, columns), (rows, columns)]
    a, b, y = (
        whole_numbers(rng, (places[2 * i] + shape[0] + 1, places[2 * i + 1] + shape[1] + 2), dtype)
        for i, shape in enumerate(shapes)
    )
    cuts = [
        (slice(places[2 * i], places[2 * i] + n), slice(places[2 * i + 1], places[2 * i + 1] + m))
        for i, (n, m) in enumerate(shapes)
    ]
    wanted = y.copy()
    wanted[cuts[2]] += a[cuts[0]] @ b[cuts[1]]
    run([(multiply_parts, (a, b, y, np.array([*places, *lengths])))])
    np.testing.assert_array_equal(y, wanted)


@pytest.mark.jit
def test_machine_code_that_multiplies_is_known_to_call_blas_and_kept_on_disk() -> None:
    a = np.ones((2, 2), "f4")
    run([(multiply, (a, a, a.copy(), 0, 0, 0))])
    assert isinstance(multiply, CompiledKernel)
    assert multiply.calls_blas
    entry = multiply._cache_entry((("<f4", 2),) * 3 + (None,) * 3)
    assert entry is not None
    kept = entry.load()
    assert kept is not None
    assert kept.needs == ("numba_xxgemm",)
