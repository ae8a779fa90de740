"""Tests of columns of text with categories, in dictionaries of any order and content."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit._base.errors import DataError

pa = pytest.importorskip("pyarrow", reason="columns of Arrow need pyarrow")

from streamfit.streams.stores.arrow_rows import ArrowRows, ColumnRules  # noqa: E402

pytestmark = pytest.mark.extras


def codes(column: object, categories: list[str], nulls: dict[str, object] | None = None) -> np.ndarray:
    """Return the codes of one column."""
    table = pa.table({"job": column})
    rules = ColumnRules(nulls=nulls or {}, categories={"job": categories})
    return ArrowRows(table.schema, ["job"], rules, "jobs").arrays(table, lambda: "here")["job"]


def column(indices: list[int | None], words: list[str | None], kind: object = None) -> object:
    """Return a dictionary column."""
    return pa.DictionaryArray.from_arrays(pa.array(indices, kind or pa.int32()), pa.array(words, pa.string()))


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.int64(), pa.uint16()])
def test_codes_are_places_in_the_categories(kind: object) -> None:
    for words, wanted in ((["a", "b", "c"], [2, 0, 1, 2]), (["c", "a", "b"], [1, 2, 0, 1])):
        found = codes(column([2, 0, 1, 2], words, kind), ["a", "b", "c"])
        assert found.dtype == np.int32
        assert found.tolist() == wanted


def test_words_of_the_dictionary_that_no_row_has_need_no_category() -> None:
    assert codes(column([0, 2], ["a", "x", "b"]), ["a", "b"]).tolist() == [0, 1]
    assert codes(column([], ["x"]), ["a"]).tolist() == []


def test_a_word_without_category_is_named() -> None:
    with pytest.raises(DataError, match="'x' \\(row 1"):
        codes(column([0, 1], ["a", "x"]), ["a"])


def test_missing_values_of_dictionaries() -> None:
    with pytest.raises(DataError, match="missing value \\(row 1"):
        codes(column([0, None], ["a"]), ["a"])
    with pytest.raises(DataError, match="missing value \\(row 1"):
        codes(column([0, 1], ["a", None]), ["a"])
    assert codes(column([0, None, 0], ["a"]), ["b", "a"], {"job": "b"}).tolist() == [1, 0, 1]


def test_several_chunks_have_dictionaries_of_their_own() -> None:
    chunks = pa.chunked_array([column([0, 1], ["a", "b"]), column([0, 1], ["b", "a"])])
    assert codes(chunks, ["a", "b"]).tolist() == [0, 1, 1, 0]
