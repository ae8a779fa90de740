"""The check that stops a step: every NaN and infinity is found, and nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamfit.kernels import CallList, KernelStoppedError
from streamfit.program import check_finite
from streamfit.program.finite import check_finite_rows, finite_check

DTYPES = st.sampled_from([np.dtype("float32"), np.dtype("float64")])
BAD = [np.nan, -np.nan, np.inf, -np.inf]


def stops(loss: float, gradient: Any) -> bool:
    calls = CallList([finite_check(np.array(loss), gradient)])
    try:
        calls.run()
    except KernelStoppedError as stopped:
        return stopped.kernel is check_finite
    return False


@given(dtype=DTYPES, data=st.data())
def test_it_stops_at_what_numpy_calls_not_finite(dtype: Any, data: st.DataObject) -> None:
    gradient = data.draw(hnp.arrays(dtype, st.integers(0, 70), elements=st.floats(width=dtype.itemsize * 8)))
    assert stops(0.0, gradient) == (not np.isfinite(gradient).all())


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_place_is_passed_over(dtype: str, bad: float) -> None:
    for length in (1, 2, 7, 8, 33):
        for place in range(length):
            gradient = np.ones(length, dtype)
            assert not stops(0.0, gradient)
            gradient[place] = bad
            assert stops(0.0, gradient)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_are_numbers(dtype: str) -> None:
    limits = np.finfo(dtype)
    gradient = np.array([limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 0.0, -0.0], dtype)
    assert not stops(1e308, np.repeat(gradient, 20))


@pytest.mark.parametrize("bad", BAD)
def test_the_loss_alone_stops_it_too(bad: float) -> None:
    assert stops(bad, np.ones(5, np.float32))
    assert stops(bad, np.ones(0, np.float32)), "a model whose weights are all frozen"


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_a_table_are_checked_as_far_as_they_are_valid(dtype: str, bad: float) -> None:
    bits, exponent = {"float32": (np.int32, 0x7F800000), "float64": (np.int64, 0x7FF0 << 48)}[dtype]
    for place in range(6):
        rows = np.ones((3, 2), dtype)
        rows.flat[place] = bad
        for count in range(4):
            calls = CallList([(check_finite_rows, (rows.view(bits), np.array([count]), exponent))])
            if place < 2 * count:
                with pytest.raises(KernelStoppedError):
                    calls.run()
            else:
                calls.run()
