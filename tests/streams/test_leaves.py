from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import DataError
from streamfit.streams.leaves import as_array, brief, is_arraylike, is_structure, leaves, rebuild

A, B = np.zeros(3), np.ones((3, 2))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (A, False),
        ([A, B], True),
        ((A, None), True),
        ({"a": A}, True),
        ({}, True),
        ([], False),
        ([None, None], False),
        ([1.0, 2.0], False),
        ([[1.0], [2.0]], False),
        ([np.float64(1), np.float64(2)], False),
        ([A, 3], False),
        ("ab", False),
    ],
)
def test_what_holds_several_arrays(value: Any, expected: bool) -> None:
    assert is_structure(value) is expected


def test_arraylike() -> None:
    assert is_arraylike(A)
    assert not is_arraylike(np.float64(1))
    assert not is_arraylike(np.array(1))
    assert not is_arraylike([1, 2])


def test_leaves_have_names_and_none_is_left_out() -> None:
    assert [name for name, _ in leaves([A, None, B], "y")] == ["y[0]", "y[2]"]
    assert [name for name, _ in leaves({"k": A, "n": None})] == ["x['k']"]
    assert leaves(A, "w")[0][0] == "w"
    assert leaves(None) == []


def test_rebuilding_keeps_the_structure() -> None:
    names: list[str] = []

    def double(array: Any, name: str) -> Any:
        names.append(name)
        return array * 2

    made = rebuild({"b": B, "a": None}, double)
    assert list(made) == ["b", "a"]
    assert made["a"] is None
    assert isinstance(rebuild((A, B), double), tuple)
    assert isinstance(rebuild([A], double, "y"), list)
    assert rebuild(None, double) is None
    assert names == ["x['b']", "x[0]", "x[1]", "y[0]"]


def test_arrays_stay_what_they_are() -> None:
    assert as_array(B, "x") is B
    assert as_array([True, False], "x").dtype == bool


class Broken:
    shape, ndim = (2,), 1

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise RuntimeError("requires grad")


def test_a_conversion_that_fails_keeps_its_reason() -> None:
    with pytest.raises(DataError, match=r"x \(a Broken\) cannot be made an array: requires grad"):
        as_array(Broken(), "x")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (A, "array of shape (3,) and dtype float64"),
        ([1] * 7, "[1, 1, 1, 1, 1, ...]"),
        ("x" * 100, "'" + "x" * 59 + "..."),
        ({"a": 1}, "{'a': 1}"),
        (object(), "a object"),
    ],
)
def test_brief_descriptions(value: Any, text: str) -> None:
    assert brief(value) == text
