"""Columns of Arrow become arrays; where Arrow is not installed, objects with its methods do."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Sequential, layers
from streamfit._base.arrow_columns import is_arrow, without_arrow

TEXTS = ["good film", "bad film", "good good", ""]


class Column:
    """What of a column of Arrow is used."""

    def __init__(self, kind: str, values: list[Any], inner: str = "") -> None:
        self.type: Any = Kind(kind, inner)
        self.values, self.null_count = values, values.count(None)

    def __len__(self) -> int:
        return len(self.values)

    def to_pylist(self) -> list[Any]:
        return self.values

    def to_numpy(self, zero_copy_only: bool = True) -> Any:
        if zero_copy_only:
            raise ValueError("Needed to copy 1 chunks with 0 nulls, but zero_copy_only was True")
        return np.array(self.values, dtype=object if isinstance(self.values[0], str) else None)

    def cast(self, to: Any) -> Column:
        return Column(str(to), self.values)


class Kind:
    """A type of Arrow."""

    def __init__(self, name: str, inner: str) -> None:
        self.name, self.value_type = name, inner

    def __str__(self) -> str:
        return self.name


def columns() -> list[Any]:
    dictionary = "dictionary<values=string, indices=int32, ordered=0>"
    found: list[Any] = [
        Column("string", TEXTS),
        Column("large_string", TEXTS),
        Column(dictionary, TEXTS, "string"),
    ]
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa  # type: ignore[import-not-found, unused-ignore]

        found += [
            pa.array(TEXTS),
            pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
            pa.array(TEXTS).dictionary_encode(),
        ]
    return found


def test_columns_of_text_are_texts_everywhere() -> None:
    lookup = layers.TextVectorization(vocabulary=["good", "film", "bad"], output_sequence_length=2)
    model = Sequential(
        [Input((), dtype="string"), lookup, layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    expected, y = model.predict(TEXTS), np.zeros((4, 1))
    for column in columns():
        np.testing.assert_array_equal(model.predict(column), expected)
        np.testing.assert_array_equal(lookup(column), lookup(TEXTS))
        adapted = layers.TextVectorization()
        adapted.adapt(column)
        assert set(adapted.get_vocabulary()) == {"", "[UNK]", "good", "film", "bad"}
        model.evaluate(column, y, verbose=0)
        model.test_on_batch(column, y)


def test_numbers_and_what_is_missing() -> None:
    assert without_arrow(Column("int64", [1, 2]), "x").tolist() == [1, 2]  # type: ignore[attr-defined]
    found = without_arrow({"a": Column("double", [1.0, 2.0]), "b": 3}, "x")
    assert found["a"].tolist() == [1.0, 2.0]  # type: ignore[index]
    with pytest.raises(DataError, match=r"x has 1 missing values of type int64.*fill_null\(column, 0\)"):
        without_arrow(Column("int64", [1, None]), "x")
    assert not is_arrow(np.zeros(2))
