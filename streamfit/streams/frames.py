"""Data frames: frames and their columns become arrays of numbers, or an error names the column.

Frames are recognised by their methods, as several libraries have data frames. In columns of floats missing
values become NaN, as in these libraries; in columns of whole numbers and truth values, which have no NaN,
they are an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit._base.text import holds_text
from streamfit.streams.objects import refusal

_NUMBERS = "biuf"


class Column(Protocol):
    """A column of a table, or an index of one."""

    def to_numpy(self, **settings: object) -> ArrayLike:
        """Return its values."""
        ...


class DataFrame(Protocol):
    """A table with named columns."""

    @property
    def columns(self) -> Iterable[object]:
        """The names of the columns."""
        ...

    def to_numpy(self) -> ArrayLike:
        """Return all values in one array."""
        ...

    def __getitem__(self, label: object, /) -> Column:
        """Return a column by its name."""
        ...


def is_frame(value: object) -> TypeGuard[DataFrame]:
    """Return whether `value` is a table with named columns."""
    return all(hasattr(value, name) for name in ("columns", "dtypes", "to_numpy"))


def frame_array(frame: DataFrame, name: str, *, text: bool = False) -> Array:
    """Return the columns of a data frame as one array (rows, columns).

    Args:
        frame: The data frame; its columns may have different dtypes and extension dtypes.
        name: Its name in messages.
        text: Whether all columns may hold text.

    Raises:
        DataError: A column holds other values than numbers, or missing values that cannot be NaN.
    """
    labels = list(frame.columns)
    if not labels:
        raise DataError(f"{name} is a data frame without columns")
    columns = [_column(frame, place, label) for place, label in enumerate(labels)]
    kinds = {_plain_kind(column) for column in columns}
    if kinds <= set("iuf") or kinds == {"b"}:
        return np.asarray(frame.to_numpy())  # in one call, without a copy if the frame is one array
    arrays: list[Array] = []
    wrong: list[tuple[object, DataError]] = []
    for label, column in zip(labels, columns, strict=True):
        try:
            arrays.append(
                column_array(column, f"column {label!r} of {name}", f"{name}[{label!r}]", text=text)
            )
        except DataError as error:
            wrong.append((label, error))
    if wrong:
        others = f" (the same goes for columns {[label for label, _ in wrong[1:]]})" if wrong[1:] else ""
        raise DataError(
            f"{wrong[0][1]}; or leave the column out{others}; "
            "text and numbers side by side are files.table(frame, target='...')"
        )
    held = {label: holds_text(array) for label, array in zip(labels, arrays, strict=True)}
    if len(set(held.values())) > 1:
        words = [label for label, is_text in held.items() if is_text]
        raise DataError(
            f"{name} has columns of text ({', '.join(map(repr, words))}) and columns of numbers, which are "
            "no "
            f"one array; pass a dict with one input for each: {{{words[0]!r}: {name}[{words[0]!r}], ...}}, "
            "or files.table(frame, target='...')"
        )
    return np.stack(arrays, axis=1)


def _column(frame: DataFrame, place: int, label: object) -> Column:
    return frame.iloc[:, place] if hasattr(frame, "iloc") else frame[label]


def _plain_kind(column: Column) -> str:
    """Return the kind of a column of NumPy's dtype; '' for an extension dtype."""
    dtype = getattr(column, "dtype", None)
    return dtype.kind if isinstance(dtype, np.dtype) else ""


def column_array(column: Column, name: str, expression: str, *, text: bool = False) -> Array:
    """Return one column of a table, or an index of it, as an array of numbers.

    Args:
        column: The column.
        name: Its name in messages.
        expression: The column as an expression in Python.
        text: Whether it may hold text; missing values among text are an error.

    Raises:
        DataError: It holds other values than numbers, or missing values that cannot be NaN.
    """
    dtype: object = getattr(column, "dtype", None)
    found = _text_of(column, name, expression) if text else None
    if found is not None:
        return found
    if isinstance(dtype, np.dtype):
        array = np.asarray(column.to_numpy())
    else:
        _refuse_other_kinds(dtype, name, expression)
        missing = _missing(column) if _may_be_number(dtype) else 0
        if missing and not _is_float(dtype):
            raise DataError(
                f"{name} has {missing} missing value{'s' * (missing > 1)} among values of dtype {dtype}, "
                f"which has no NaN: fill them, for example {expression}.fillna(0), or make it float first"
            )
        array = _to_numpy(column, dtype, missing)
    if array.dtype.kind not in _NUMBERS:
        raise DataError(refusal(array, name, expression=expression))
    return array


def _text_of(column: Column, name: str, expression: str) -> Array | None:
    """Return a column of text as an array of objects, or None if it holds no text.

    Raises:
        DataError: Values are missing.
    """
    dtype: object = getattr(column, "dtype", None)
    categories: object = getattr(dtype, "categories", None)
    if categories is not None:
        array = np.asarray(column.to_numpy()) if holds_text(np.asarray(categories)) else None
    else:
        array = np.asarray(column.to_numpy()) if not _may_be_number(dtype) or _is_object(dtype) else None
    if array is None:
        return None
    missing = _missing(column)
    if array.dtype.kind == "O" and missing:
        known = array[np.array([isinstance(item, (str, bytes)) for item in array.flat])]
        if len(known) + missing == len(array) and len(known):
            raise DataError(
                f"{name} has {missing} missing value{'s' * (missing > 1)} among its text: fill them, for "
                f"example {expression}.fillna('')"
            )
    return array if holds_text(array) else None


def _is_object(dtype: object) -> bool:
    return getattr(dtype, "kind", "O") == "O"


def _to_numpy(column: Column, dtype: object, missing: int) -> Array:
    plain = getattr(dtype, "numpy_dtype", None)  # of nullable columns, and of columns in Arrow memory
    if isinstance(plain, np.dtype) and plain.kind in _NUMBERS:
        settings = {"na_value": np.nan} if missing else {}
        return np.asarray(column.to_numpy(dtype=plain, **settings))
    return np.asarray(column.to_numpy())


def _refuse_other_kinds(dtype: object, name: str, expression: str) -> None:
    """Raise for extension dtypes that hold no numbers, with advice for each."""
    if hasattr(dtype, "categories"):
        raise DataError(
            f"{name} has dtype {dtype}, which is no number; write its codes, {expression}.cat.codes, or make "
            "one column for each category"
        )
    if getattr(dtype, "kind", None) == "M":
        raise DataError(
            f"{name} has dtype {dtype}, which is no number; turn the dates into numbers first, for example "
            f"({expression} - start) / np.timedelta64(1, 's')"
        )


def _may_be_number(dtype: object) -> bool:
    kind = getattr(dtype, "kind", None)
    return not isinstance(kind, str) or kind in _NUMBERS


def _is_float(dtype: object) -> bool:
    kind = getattr(dtype, "kind", None)
    return kind == "f" if isinstance(kind, str) else "float" in str(dtype).lower()


def _missing(column: Column) -> int:
    """Count the missing values of a column."""
    if hasattr(column, "isna"):
        return int(np.count_nonzero(np.asarray(column.isna())))
    count = getattr(column, "null_count", 0)
    return int(count() if callable(count) else count)


def named(column: object, name: str) -> str:
    """Return the name of a column for messages, with its own name if it has one."""
    own = getattr(column, "name", None)
    return name if own is None or not isinstance(own, (str, int, tuple)) else f"{name} (column {own!r})"
