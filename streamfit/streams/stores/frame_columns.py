"""Columns of data frames as arrays by the rules of tables, without Arrow: so of pandas.

Guarantee kept here: nothing is rounded or filled unless a rule says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.frames import Column, DataFrame, column_array
from streamfit.streams.stores.arrow_rows import ColumnRules, checked_categories


class FillableColumn(Column, Protocol):
    """What is used of a column of pandas."""

    def isna(self) -> object:
        """Return which values are missing."""
        ...

    def fillna(self, value: object) -> Column:
        """Return the column with another value in the place of missing ones."""
        ...

    def astype(self, dtype: object) -> FillableColumn:
        """Return the column in another dtype."""
        ...


def frame_columns(frame: DataFrame) -> list[str]:
    """Return the names of the columns of a frame.

    Raises:
        DataError: A name is no text, or there twice.
    """
    labels = list(frame.columns)
    for label in labels:
        if not isinstance(label, str):
            raise DataError(
                f"the frame has a column named {label!r}, of type {type(label).__name__}; names must be "
                "text: frame.rename(columns=str)"
            )
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise DataError(f"the frame has two columns {twice!r}; names must differ")
    return cast(list[str], labels)


def frame_arrays(frame: DataFrame, names: Sequence[str], rules: ColumnRules) -> dict[str, Array]:
    """Return an array for each of these columns.

    Raises:
        ValueError: A rule needs Arrow.
        DataError: A column makes no array, or values are missing that no rule names.
    """
    for rule, advice in (
        ("casts", "cast it before: frame.astype({{{0!r}: ...}})"),
        ("pad", "pass files.table(pyarrow.Table.from_pandas(frame), ...)"),
    ):
        for name in getattr(rules, rule):
            raise ValueError(
                f"{rule} names the column {name!r} of a {type(frame).__name__}; {advice.format(name)}"
            )
    return {name: _array(cast(FillableColumn, frame[name]), name, rules) for name in names}


def _array(column: FillableColumn, name: str, rules: ColumnRules) -> Array:
    if name in rules.categories:
        return _codes(column, name, rules)
    what, expression = f"column {name!r} of the frame", f"frame[{name!r}]"
    filled: Column = column
    if name in rules.nulls and bool(np.any(np.asarray(column.isna()))):
        fill = rules.nulls[name]
        if isinstance(fill, float) and fill != fill:
            return _with_nan(column, what)
        dtype: object = getattr(column, "dtype", None)
        try:
            plain = column.astype(object) if hasattr(dtype, "categories") else column
            filled = plain.fillna(fill)
        except (TypeError, ValueError) as error:
            raise DataError(f"nulls={{{name!r}: {fill!r}}}: {error}") from None
    found = column_array(filled, what, expression, text=True)
    return found.astype(object) if found.dtype.kind in "USO" else found


def _with_nan(column: FillableColumn, what: str) -> Array:
    """Return numbers as float64, NaN where they are missing; none is rounded."""
    try:
        made = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} has no NaN: {error}") from None
    if getattr(getattr(column, "dtype", None), "kind", "f") in "iu" and bool((np.abs(made) > 2.0**53).any()):
        raise DataError(
            f"{what} has whole numbers above 2**53, which float64 rounds; fill missing values with a whole "
            "number"
        )
    return made


def _codes(column: FillableColumn, name: str, rules: ColumnRules) -> Array:
    places = {word: at for at, word in enumerate(checked_categories(rules.categories[name], name))}
    values, missing = np.asarray(column.to_numpy(), object), np.asarray(column.isna(), bool)
    made = np.empty(len(values), np.int32)
    for row, value in enumerate(values):
        if missing[row] and name not in rules.nulls:
            raise DataError(
                f"column {name!r} has a missing value (row {row}); say which category stands for it: "
                f"nulls={{{name!r}: ...}}"
            )
        known = places.get(rules.nulls[name] if missing[row] else value)
        if known is None:
            raise DataError(
                f"column {name!r} holds {value!r} (row {row}), which is none of its {len(places)} "
                "categories; add it, or leave categories= out and use a StringLookup"
            )
        made[row] = known
    return made
