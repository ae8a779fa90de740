"""`ColumnTypes`: the types of the columns of files that do not say them, found over all of the data.

Each block is looked at for itself, and the types of blocks are joined; so the types do not depend on where
the blocks begin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streamfit._base.errors import DataError
from streamfit.streams.stores.arrow_package import arrow

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

EXACT = 1 << 53
"""Up to here float64 holds every whole number."""


class ColumnTypes:
    """Join the types of blocks.

    Args:
        given: Types that are known, by column; they stay.
        caller: What the user called, for messages.
        text: Whether a column that holds text and something else is one of text; otherwise it is an error.
    """

    def __init__(self, given: Mapping[str, pa.DataType], caller: str, *, text: bool) -> None:
        self._given, self._caller, self._text = dict(given), caller, text
        self._found: dict[str, pa.DataType] = {}
        self._seen: dict[str, str] = {}
        self._large: dict[str, str] = {}

    @property
    def names(self) -> list[str]:
        """The columns that were seen, in the order in which they came."""
        return list(self._found)

    def is_open(self, name: str) -> bool:
        """Return whether more blocks can change the type of a column."""
        return name not in self._given and self._found.get(name) != arrow().string()

    def add(self, table: pa.Table, where: str) -> None:
        """Take note of the columns of a block.

        Raises:
            DataError: The values of a column have no type in common with those before.
        """
        for name, values in zip(table.schema.names, table.columns, strict=True):
            kind = _plain(values.type)
            before = self._found.get(name)
            joined = kind if before is None else self._joined(before, kind)
            if joined is None:
                raise DataError(
                    f"{self._caller}: column {name!r} holds values of the type {kind} in {where}, and "
                    f"{before} before ({self._seen[name]}); write values of one type, or say which one "
                    f"counts: types={{{name!r}: '{before}'}} makes the others bad samples"
                )
            self._found[name] = joined
            if before is None or joined != before:
                self._seen[name] = where
            if name not in self._large and arrow().types.is_integer(kind) and _exceeds(values):
                self.note_large(name, where)

    def note_large(self, name: str, where: str) -> None:
        """Take note that a column holds whole numbers that float64 does not hold."""
        self._large[name] = where

    def type_of(self, name: str) -> pa.DataType:
        """Return the type of a column.

        Raises:
            DataError: It holds whole numbers that its type would round.
        """
        pa = arrow()
        if name in self._given:
            return self._given[name]
        kind = self._found.get(name, pa.null())
        if kind == pa.float64() and name in self._large:
            raise DataError(
                f"{self._caller}: column {name!r} holds whole numbers beyond 2**53 ({self._large[name]}) "
                f"and others that int64 does not hold; float64 rounds them: say types={{{name!r}: "
                f"'string'}} for numbers that are names, or types={{{name!r}: 'float64'}} if rounded ones "
                "will do"
            )
        if pa.types.is_null(kind):
            return pa.string()
        if pa.types.is_list(kind) and pa.types.is_null(kind.value_type):
            return pa.list_(pa.float64())
        return kind

    def _joined(self, a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
        pa = arrow()
        if a == b or pa.types.is_null(b):
            return a
        if pa.types.is_null(a):
            return b
        if {a, b} == {pa.int64(), pa.float64()}:
            return pa.float64()
        if pa.types.is_list(a) and pa.types.is_list(b):
            inner = self._joined(a.value_type, b.value_type)
            return None if inner is None else pa.list_(inner)
        if pa.types.is_struct(a) and pa.types.is_struct(b):
            return a  # refused where it is used
        return pa.string() if self._text else None


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type without those that only look at how a text is written, such as dates."""
    pa = arrow()
    types = pa.types
    if types.is_temporal(kind) or types.is_binary(kind) or types.is_large_string(kind):
        return pa.string()
    return pa.list_(_plain(kind.value_type)) if types.is_list(kind) else kind


def _exceeds(values: pa.ChunkedArray) -> bool:
    ends = arrow("compute").min_max(values)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    return low is not None and (low < -EXACT or high > EXACT)


def rounded(table: pa.Table) -> list[str]:
    """Return the columns of floats in which whole numbers may have been rounded."""
    pa, compute = arrow(), arrow("compute")
    found = []
    for name, values in zip(table.schema.names, table.columns, strict=True):
        if values.type == pa.float64() and (compute.max(compute.abs(values)).as_py() or 0) >= EXACT:
            found.append(name)
    return found


def types_named(types: Mapping[str, str], caller: str, names: Sequence[str]) -> dict[str, pa.DataType]:
    """Return the types of Arrow that the user names.

    Args:
        types: Their names, by column.
        caller: What the user called, for messages.
        names: The columns that there are; empty if that is not known.

    Raises:
        ValueError: There is no such type, or no such column.
    """
    pa = arrow()
    found = {}
    for column, name in types.items():
        if names and column not in names:
            raise ValueError(f"{caller}: types names the column {column!r}; the columns are {list(names)}")
        try:
            inner = name.removeprefix("list<").removesuffix(">") if name.startswith("list<") else None
            found[column] = pa.type_for_alias(name) if inner is None else pa.list_(pa.type_for_alias(inner))
        except (AttributeError, ValueError, TypeError):
            raise ValueError(
                f"{caller}: types={{{column!r}: {name!r}}}: no type of Arrow has that name; write for "
                "example 'float32', 'int64', 'string' or 'bool'"
            ) from None
    return found
