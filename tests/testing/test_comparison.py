"""The comparison finds every different bit, and names the first one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.testing import strategies
from streamfit.testing.comparison import bytes_of, copied, difference, form_of, parts_of, same_bits


@given(strategies.arrays(), st.data())
def test_one_changed_bit_is_found_at_its_place(array: np.ndarray, data: st.DataObject) -> None:
    other = np.array(array, order="C")
    assert difference((array, None, None), (other, None, None)) is None
    at = data.draw(st.integers(0, array.size - 1))
    raw = other.reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize)
    raw[at, data.draw(st.integers(0, array.dtype.itemsize - 1))] ^= 1
    place = ", ".join(map(str, np.unravel_index(at, array.shape)))
    found = difference((array, None, None), (other, None, None))
    assert found is not None
    assert found.startswith(f"x[{place}] is ")
    assert found.endswith(f"(1 of {array.size} values differ)")


def test_nan_equals_itself_and_zeros_have_signs() -> None:
    assert same_bits(np.array([np.nan]), np.array([np.nan]))
    assert not same_bits(np.array([0.0]), np.array([-0.0]))


def test_text_is_compared_by_its_letters() -> None:
    def words(*letters: str) -> np.ndarray:
        return np.array(["".join(word) for word in letters], object)

    assert same_bits(words("alpha", "beta"), words("alpha", "beta"))
    found = difference((words("alpha", "beta"), None, None), (words("alpha", "betb"), None, None))
    assert found == "x[1] is 'beta' at first and 'betb' then (1 of 2 values differ)"


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ((np.zeros(2), None, None), (np.zeros(2), np.zeros(2), None), "it holds x at first and x, y then"),
        ((np.zeros(2), None, None), (np.zeros(2, "f"), None, None), "x is an array of shape (2,) and dtype"),
        (([np.zeros(2), np.ones(2)], None, None), ([np.zeros(2), np.zeros(2)], None, None), "x[1][0] is 1.0"),
        (
            (np.zeros(2), {"a": np.ones(1)}, None),
            (np.zeros(2), {"b": np.ones(1)}, None),
            "it holds x, y['a']",
        ),
    ],
)
def test_difference_says_what_and_where(one: Any, other: Any, text: str) -> None:
    found = difference(one, other)
    assert found is not None
    assert found.startswith(text)


def test_copies_share_nothing() -> None:
    value = (np.zeros(3), [np.ones(2), None], None)
    copy = copied(value)
    value[0][:] = 7
    assert copy[0].tolist() == [0, 0, 0]
    assert copy[1][1] is None
    assert bytes_of(value) == 40
    assert [name for name, _ in parts_of(copy)] == ["x", "y[0]"]
    assert form_of(copy)["x"] == ((), np.dtype("float64"))
