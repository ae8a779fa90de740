"""Whole numbers keep their value, or are refused with the value and its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_data

from streamfit import DataError
from streamfit._base.errors import SampleError
from streamfit._base.exact import exact

WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
ALL = [*WHOLE, "float16", "float32", "float64"]


def value_fits(value: Any, dtype: str) -> bool:
    """Decide in Python's own numbers, which have no limits."""
    if value != value or value in (float("inf"), -float("inf")) or int(value) != value:
        return False
    if dtype == "bool":
        return int(value) in (0, 1)
    info = np.iinfo(dtype)
    return int(info.min) <= int(value) <= int(info.max)


@given(st.data())
def test_as_pythons_numbers_say(data: st.DataObject) -> None:
    given_dtype, wanted = data.draw(st.sampled_from(ALL)), data.draw(st.sampled_from(WHOLE))
    array = data.draw(numpy_data.arrays(given_dtype, (3, 2)))
    values = array.reshape(-1).tolist()
    wrong = [place for place, value in enumerate(values) if not value_fits(value, wanted)]
    if not wrong:
        found = exact(array, np.dtype(wanted), "x")
        assert found.dtype == wanted
        assert found.reshape(-1).tolist() == [int(value) for value in values]
    else:
        with pytest.raises(SampleError, match=r"^x takes ") as caught:
            exact(array, np.dtype(wanted), "x")
        assert caught.value.row == wrong[0] // 2
        assert str(values[wrong[0]]) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([2.0**63], "int64"),
        ([np.nan], "int32"),
        ([np.inf], "int64"),
        ([1e300], "int64"),
        (np.array([2**63], "uint64"), "int64"),
        ([-1], "uint64"),
        (np.array([2.0**24 + 2, 2.5], "float32"), "int32"),
        ([2], "bool"),
    ],
)
def test_the_edges_are_refused(values: Any, dtype: str) -> None:
    with pytest.raises(SampleError):
        exact(np.asarray(values), np.dtype(dtype), "x")


def test_the_largest_float_below_the_edge_is_taken() -> None:
    below = np.nextafter(np.float64(2.0**63), 0)
    assert exact(np.array([below, -(2.0**63)]), np.dtype("int64"), "x").tolist() == [int(below), -(2**63)]


def test_an_array_of_the_dtype_is_not_touched() -> None:
    array = np.arange(3)
    assert exact(array, array.dtype, "x") is array
    with pytest.raises(DataError, match=r"x takes whole numbers .int64., got an array of dtype <U1"):
        exact(np.array(["1"]), np.dtype("int64"), "x")
