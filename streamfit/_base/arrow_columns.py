"""Columns of Apache Arrow as NumPy arrays: texts as objects, numbers as they are. Arrow is not imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeGuard

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array

_TEXT = ("string", "large_string", "string_view")


class ArrowType(Protocol):
    """The type of a column."""

    value_type: ArrowType


class ArrowColumn(Protocol):
    """An array of Arrow, or one in chunks."""

    type: ArrowType
    null_count: int

    def to_numpy(self, zero_copy_only: bool = ...) -> Array:
        """Return its values."""

    def cast(self, to: ArrowType) -> ArrowColumn:
        """Return the column in another type."""


def is_arrow(value: object) -> TypeGuard[ArrowColumn]:
    """Return whether `value` is a column of Arrow."""
    if isinstance(value, np.ndarray):
        return False
    return all(hasattr(value, name) for name in ("null_count", "to_pylist", "to_numpy", "type"))


def values_of(column: ArrowColumn, name: str) -> Array:
    """Return the values of a column: objects (None where one is missing) for text, else numbers.

    Args:
        column: The column.
        name: What to call it in messages.

    Raises:
        DataError: Whole numbers or truth values are missing, which have no NaN.
    """
    kind = str(column.type)
    if kind.startswith("dictionary"):
        column = column.cast(column.type.value_type)
        kind = str(column.type)
    if column.null_count and kind not in _TEXT and kind not in ("float", "double"):
        raise DataError(
            f"{name} has {column.null_count} missing values of type {kind}, which has no NaN: fill them, for "
            "example with pyarrow.compute.fill_null(column, 0)"
        )
    return np.asarray(column.to_numpy(zero_copy_only=False))


class ArrowSchema(Protocol):
    """The names of the columns of a table."""

    names: list[str]


class ArrowTable(Protocol):
    """A table of Arrow, or a record batch."""

    schema: ArrowSchema

    def column(self, at: int) -> ArrowColumn:
        """Return a column."""


def is_arrow_table(value: object) -> TypeGuard[ArrowTable]:
    """Return whether `value` is a table of Arrow, or a record batch."""
    if isinstance(value, np.ndarray):
        return False
    kind = type(value)
    return all(hasattr(kind, name) for name in ("num_columns", "num_rows", "schema", "column"))


def columns_of(table: ArrowTable, name: str) -> dict[str, Array]:
    """Return the columns of a table by name.

    Raises:
        DataError: Two columns have one name, or values are missing that have no NaN.
    """
    names = table.schema.names
    if len(set(names)) < len(names):
        twice = next(each for each in names if names.count(each) > 1)
        raise DataError(f"{name} is a table with two columns {twice!r}; names must differ")
    try:
        return {each: values_of(table.column(at), f"{name}[{each!r}]") for at, each in enumerate(names)}
    except DataError as error:
        raise DataError(f"{error}, or files.table(table, nulls={{...}})") from None


def without_arrow(value: object, name: str) -> object:
    """Return `value` with arrays in the place of columns of Arrow, if it is one or has some in it.

    A table, or a record batch, becomes a dictionary of its columns.
    """
    if is_arrow(value):
        return values_of(value, name)
    if is_arrow_table(value):
        return columns_of(value, name)
    if isinstance(value, Mapping) and any(map(is_arrow, value.values())):
        return {key: without_arrow(entry, f"{name}[{key!r}]") for key, entry in value.items()}
    if isinstance(value, (list, tuple)) and any(map(is_arrow, value[:1])):
        return [without_arrow(entry, f"{name}[{place}]") for place, entry in enumerate(value)]
    return value
