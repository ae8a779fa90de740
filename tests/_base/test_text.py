"""Text of all of NumPy's kinds becomes arrays of `str`, or is refused with its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import DataError
from streamfit._base.errors import SampleError
from streamfit._base.text import TEXT, dtype_name, dtype_of, text_array

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4)


def forms(words: list[str]) -> list[Any]:
    """Return these words in every form that keeps them: fixed widths drop zeros at the end."""
    found: list[Any] = [words, tuple(words), np.array(words, dtype=object)]
    found += [[word.encode() for word in words], np.array([word.encode() for word in words], dtype=object)]
    found.append(np.array(words, dtype=np.dtypes.StringDType()))
    if not any(word.endswith("\0") for word in words):
        found += [
            np.array(words, dtype=np.str_),
            np.array([word.encode() for word in words], dtype=np.bytes_),
        ]
    return found


@given(TEXTS)
def test_every_form_gives_the_same_text(words: list[str]) -> None:
    for form in forms(words):
        found = text_array(form, "x")
        assert found.tolist() == words
        assert all(type(item) is str for item in found)
        assert found.dtype == object


def test_shapes_stay() -> None:
    assert text_array([["a", "b"], ["c", "d"]], "x").shape == (2, 2)
    assert text_array(np.empty((0, 3), "U2"), "x").shape == (0, 3)


@pytest.mark.parametrize(
    ("value", "row", "words"),
    [
        ([["a", "b"], ["c", None]], 1, r"row 1 holds None \(NoneType\), which is no text"),
        (["a", 3], 1, r"row 1 holds 3 \(int\)"),
        (["a", "b", float("nan")], 2, "row 2 holds nan"),
        ([b"fine", b"\xff\xfe"], 1, "no UTF-8, b'.xff.xfe'.*at byte 0.; decode them first"),
    ],
)
def test_what_is_no_text_is_named(value: Any, row: int, words: str) -> None:
    with pytest.raises(SampleError, match=f"(?s)x: .*{words}") as caught:
        text_array(value, "x")
    assert caught.value.row == row


def test_numbers_and_ragged_lists() -> None:
    with pytest.raises(DataError, match="x must be text, got an array of dtype int64"):
        text_array(np.arange(3), "x")
    with pytest.raises(DataError, match="lists of text differ in length"):
        text_array([["a", "b"], ["c"]], "x")


def test_names_of_dtypes() -> None:
    assert {dtype_of(name) for name in ("string", "str", np.str_, "U7", "S3", np.dtypes.StringDType())} == {
        TEXT
    }
    assert [dtype_name(name) for name in ("U7", "int32")] == ["string", "int32"]
