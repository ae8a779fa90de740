"""`ArrowRows`: columns of Arrow tables as arrays, by rules that are fixed before the first row is read.

Shared by all formats that pyarrow reads. Guarantee kept here: the dtype and shape of a column depend on its
type and the rules alone, never on the values of a block; nothing is rounded, cut or filled unless a rule
says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Spec
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.given import by_column

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

_TEXT = np.dtype(object)
_LOOKED_AT = 1000  # texts of a block, to judge whether they come again


@dataclass(frozen=True)
class ColumnRules:
    """How columns become arrays.

    Args:
        nulls: What stands for a missing value, by column. Without it missing values are NaN in columns of
            floats, and an error in others. NaN makes a column of whole numbers one of float64.
        categories: The categories of columns of text, by column: their values become whole numbers, int32,
            the places in this list. A value that is not in it is an error.
        pad: The length of columns of lists, by column: shorter lists are filled with 0, longer ones are an
            error. Without it they are arrays of different lengths, for `padded_batch`.
        casts: Names of types of Arrow by column, such as ``{"price": "float64"}`` for decimal numbers.
    """

    nulls: Mapping[str, object] = field(default_factory=dict)
    categories: Mapping[str, Sequence[object]] = field(default_factory=dict)
    pad: Mapping[str, int] = field(default_factory=dict)
    casts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def given(
        cls,
        caller: str,
        nulls: Mapping[str, object] | None,
        categories: Mapping[str, Sequence[object]] | None,
        pad: Mapping[str, int] | None,
        casts: Mapping[str, str] | None,
    ) -> ColumnRules:
        """Return the rules that a user gives.

        Raises:
            TypeError: One is no dictionary by column, or categories are no list.
        """
        known = by_column(categories, caller, "categories", "{'job': ['cook', 'nurse']}")
        for name, words in known.items():
            if isinstance(words, str):
                raise TypeError(f"{caller}: categories={{{name!r}: {words!r}}}: write a list of categories")
        lengths = by_column(pad, caller, "pad", "{'tags': 10}")
        types = by_column(casts, caller, "casts", "{'price': 'float64'}")
        return cls(by_column(nulls, caller, "nulls", "{'age': 0}"), known, lengths, types)

    def digest(self) -> str:
        """Return what tells these rules from others, in few letters; nothing if there are none."""
        words = repr([sorted(given.items()) for given in (self.nulls, self.categories, self.pad, self.casts)])
        return "" if self == ColumnRules() else hashlib.blake2b(words.encode(), digest_size=8).hexdigest()

    def check(self, names: Sequence[str], caller: str) -> None:
        """Check that every rule is for a column that there is.

        Raises:
            TypeError, ValueError: One is not, or lists are to be filled up to less than one value.
        """
        for rule in ("nulls", "categories", "pad", "casts"):
            for name in getattr(self, rule):
                if name not in names:
                    raise ValueError(
                        f"{caller}: {rule} names the column {name!r}; the columns are {list(names)}"
                    )
        for name, length in self.pad.items():
            whole(f"{caller}: pad[{name!r}]", length, 1)


class ArrowRows:
    """Turn some columns of tables into arrays.

    Args:
        schema: Names and types of the columns.
        names: The columns that are wanted.
        rules: How they become arrays.
        table: What to call the data in messages.

    Raises:
        DataError: A column has a type that makes no array.
    """

    def __init__(self, schema: pa.Schema, names: Sequence[str], rules: ColumnRules, table: str) -> None:
        self.names = list(names)
        self._columns = {name: _Column(schema.field(name).type, name, rules, table) for name in names}

    @property
    def specs(self) -> dict[str, Spec]:
        """A `Spec` for a value of each column; None for lengths that differ."""
        return {name: column.spec for name, column in self._columns.items()}

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, roughly."""
        return sum(column.row_bytes for column in self._columns.values())

    def arrays(self, table: pa.Table | pa.RecordBatch, where: Callable[[], str]) -> dict[str, Array]:
        """Return an array for each column.

        Args:
            table: A table that has all of them.
            where: Says where it is from.

        Raises:
            DataError: A value is missing, is in no category, or a list is too long.
        """
        found = {}
        for name, column in self._columns.items():
            values = table.column(name)
            try:
                found[name] = column.array(values)
            except DataError as error:
                raise DataError(f"{where()}: {error}") from None
        return found


class _Column:
    """One column: what its type and the rules make of it."""

    def __init__(self, kind: pa.DataType, name: str, rules: ColumnRules, table: str) -> None:
        pa = arrow()
        types = pa.types
        self.name, self._table = name, table
        cast_to = rules.casts.get(name)
        self.cast = None if cast_to is None else _type_named(cast_to, name)
        kind = self.cast or kind
        if types.is_dictionary(kind):
            kind = kind.value_type
        self.kind = kind
        categories = rules.categories.get(name)
        self.categories = None if categories is None else checked_categories(categories, name)
        self.pad = rules.pad.get(name)
        self.filled, self.fill = name in rules.nulls, rules.nulls.get(name)
        is_nan = isinstance(self.fill, float) and self.fill != self.fill
        self.nan_fill = self.filled and is_nan and types.is_integer(kind)
        self.spec = self._spec(kind, rules)

    @property
    def row_bytes(self) -> int:
        """The bytes of a value, roughly."""
        length = int(np.prod([16 if axis is None else axis for axis in self.spec.shape], dtype=np.int64))
        return length * (80 if self.spec.dtype == _TEXT else self.spec.dtype.itemsize)

    def _spec(self, kind: pa.DataType, rules: ColumnRules) -> Spec:
        types = arrow().types
        if self.categories is not None:
            return Spec((), np.dtype(np.int32))
        if types.is_boolean(kind):
            return Spec((), np.dtype(bool))
        if types.is_integer(kind) or types.is_floating(kind):
            return Spec((), np.dtype(np.float64) if self.nan_fill else np.dtype(kind.to_pandas_dtype()))
        if _is_text(kind) or types.is_null(kind):
            return Spec((), _TEXT)
        if _is_list(kind):
            inner = kind.value_type
            if not (types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner)):
                raise DataError(self._refusal(f"lists of {inner}", "keep lists of numbers alone"))
            length = kind.list_size if types.is_fixed_size_list(kind) else self.pad
            return Spec((length,), np.dtype(inner.to_pandas_dtype()))
        if types.is_decimal(kind):
            raise DataError(
                self._refusal(str(kind), f"casts={{{self.name!r}: 'float64'}} makes floats of it")
            )
        if types.is_temporal(kind):
            to = "int32" if types.is_date32(kind) or types.is_time32(kind) else "int64"
            raise DataError(self._refusal(str(kind), f"casts={{{self.name!r}: '{to}'}} makes numbers of it"))
        raise DataError(self._refusal(str(kind), "write the values into columns of their own"))

    def _refusal(self, what: str, advice: str) -> str:
        return (
            f"column {self.name!r} of {self._table} has the type {what}, which makes no array of numbers or "
            f"text; {advice}, or leave the column out: columns=[...]"
        )

    def array(self, values: pa.ChunkedArray | pa.Array) -> Array:
        """Return the values as an array.

        Raises:
            DataError: They do not fit the rules.
        """
        pa = arrow()
        if self.cast is not None:
            try:
                values = values.cast(self.cast)
            except pa.ArrowInvalid as error:
                raise DataError(f"column {self.name!r} cannot be cast to {self.cast}: {error}") from None
        if pa.types.is_null(values.type):  # a file in which all values are missing
            values = values.cast(self.kind)
        if self.categories is not None:
            return self._codes(values)
        values = _plain(values)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if _is_list(values.type):
            return self._lists(values)
        if self.nan_fill:
            self._check_exact(values)
        elif values.null_count:
            values = self._filled(values)
        if _repeats(values):
            found = _shared_texts(values)
        else:
            found = np.asarray(
                values.to_numpy(zero_copy_only=False) if _is_single(values) else values.to_numpy()
            )
        return found if found.dtype == self.spec.dtype else found.astype(self.spec.dtype)

    def _filled(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        types = arrow().types
        if self.filled:
            try:
                fill = arrow().scalar(self.fill, values.type)  # cuts fractions off, without a word
                if types.is_integer(values.type) and fill.as_py() != self.fill:
                    raise ValueError(f"{values.type} does not hold it; write a whole number")
                return values.fill_null(fill)
            except (TypeError, ValueError) as error:
                raise DataError(f"nulls={{{self.name!r}: {self.fill!r}}}: {error}") from None
        if types.is_floating(values.type):
            return values  # they become NaN
        row = values.is_null().index(True).as_py()
        example = "''" if _is_text(values.type) else "False" if types.is_boolean(values.type) else "0"
        nan = f", or nulls={{{self.name!r}: nan}} for float64" if types.is_integer(values.type) else ""
        raise DataError(
            f"column {self.name!r} has {values.null_count:,} missing values (the first in row {row} of the "
            f"block), and {values.type} has no NaN; say what stands for them: "
            f"nulls={{{self.name!r}: {example}}}{nan}"
        )

    def _check_exact(self, values: pa.ChunkedArray | pa.Array) -> None:
        """Check that float64 holds all whole numbers."""
        bounds = arrow("compute").min_max(values).as_py()
        largest = max(abs(bounds["min"] or 0), abs(bounds["max"] or 0))
        if largest > 2**53:
            raise DataError(
                f"column {self.name!r} has whole numbers above 2**53 ({largest}), which float64 rounds; fill "
                f"missing values with a whole number: nulls={{{self.name!r}: 0}}"
            )

    def _codes(self, values: pa.ChunkedArray | pa.Array) -> Array:
        pa, compute = arrow(), arrow("compute")
        assert self.categories is not None
        chunks = [values] if _is_single(values) else values.chunks
        found = []
        for chunk in map(_plain, chunks):
            if self.filled and chunk.null_count:
                if pa.types.is_dictionary(chunk.type):
                    chunk = chunk.cast(chunk.type.value_type)
                chunk = chunk.fill_null(self.fill)
            words = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
            known = pa.array(self.categories, type=words.type)
            codes = compute.index_in(words, value_set=known)
            if pa.types.is_dictionary(chunk.type):
                quick = _looked_up(codes, chunk)
                if quick is not None:
                    found.append(quick)
                    continue
                codes = codes.take(chunk.indices)
            if codes.null_count:
                self._refuse_code(chunk, codes)
            found.append(codes.to_numpy())
        return np.concatenate(found) if len(found) != 1 else found[0]

    def _refuse_code(self, chunk: pa.Array, codes: pa.Array) -> None:
        row = codes.is_null().index(True).as_py()
        value = chunk[row].as_py()
        if value is None:
            raise DataError(
                f"column {self.name!r} has a missing value (row {row} of the block); say which category "
                "stands "
                f"for it: nulls={{{self.name!r}: ...}}"
            )
        raise DataError(
            f"column {self.name!r} holds {value!r} (row {row} of the block), which is none of its "
            f"{len(self.categories or ())} categories; add it, or leave categories= out and use a "
            "StringLookup"
        )

    def _lists(self, values: pa.ChunkedArray | pa.Array) -> Array:
        pa = arrow()
        chunks = [values] if _is_single(values) else values.chunks
        if not chunks:
            length = self.spec.shape[0]
            return np.empty(
                (0, length) if length is not None else (0,), self.spec.dtype if length else object
            )
        parts = []
        for chunk in chunks:
            if chunk.null_count:
                raise DataError(
                    f"column {self.name!r} has {chunk.null_count:,} missing lists; write empty ones in "
                    "the file"
                )
            flat = chunk.flatten()
            if flat.null_count and not pa.types.is_floating(flat.type):
                raise DataError(
                    f"column {self.name!r} has lists with missing values, and {flat.type} has no NaN"
                )
            numbers = np.asarray(flat.to_numpy(zero_copy_only=False))
            if pa.types.is_fixed_size_list(chunk.type):
                parts.append(numbers.reshape(len(chunk), chunk.type.list_size))
                continue
            ends = np.cumsum(np.asarray(chunk.value_lengths().to_numpy(zero_copy_only=False)))
            parts.append(self._ragged(numbers, ends) if self.pad is None else self._padded(numbers, ends))
        return np.concatenate(parts) if len(parts) != 1 else parts[0]

    def _ragged(self, numbers: Array, ends: Array) -> Array:
        made = np.empty(len(ends), object)
        for row, end in enumerate(ends.tolist()):
            made[row] = numbers[ends[row - 1] if row else 0 : end]
        return made

    def _padded(self, numbers: Array, ends: Array) -> Array:
        length = cast(int, self.pad)
        sizes = np.diff(ends, prepend=0)
        if len(sizes) and int(sizes.max()) > length:
            row = int(sizes.argmax())
            raise DataError(
                f"column {self.name!r} has a list of {int(sizes[row]):,} values (row {row} of the block), "
                f"and pad={{{self.name!r}: {length}}}; write a larger length, or cut lists before they are "
                "written"
            )
        made = np.zeros((len(sizes), length), numbers.dtype)
        made[np.arange(length) < sizes[:, None]] = numbers
        return made


def _repeats(values: pa.ChunkedArray | pa.Array) -> bool:
    """Return whether a column is of texts that come again, judged by its first thousand."""
    types = arrow().types
    if values.null_count or not (types.is_string(values.type) or types.is_large_string(values.type)):
        return False
    first = values.slice(0, _LOOKED_AT)
    return 0 < 2 * len(first.unique()) <= len(first)


def _shared_texts(values: pa.ChunkedArray | pa.Array) -> Array:
    """Return texts as objects, equal ones as one object: a lookup need not hash or compare their letters."""
    found: list[Array] = []
    for chunk in [values] if _is_single(values) else values.chunks:
        coded = chunk.dictionary_encode()
        texts = np.asarray(coded.dictionary.to_numpy(zero_copy_only=False), object)
        found.append(texts[coded.indices.to_numpy()])
    return found[0] if len(found) == 1 else np.concatenate(found)


def _looked_up(codes: pa.Array, chunk: pa.DictionaryArray) -> Array | None:
    """Return the codes of a column, given those of its dictionary; None where a value has no code."""
    if chunk.indices.null_count:
        return None
    of_words: Array = codes.fill_null(-1).to_numpy(zero_copy_only=False)
    indices: Array = chunk.indices.to_numpy()
    if np.array_equal(of_words, np.arange(len(of_words))):
        return indices.astype(np.int32, copy=False)
    found = of_words.take(indices)
    return None if codes.null_count and len(found) and int(found.min()) < 0 else found


def _plain(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Return a column with texts one after the other: functions of Arrow take no views of texts."""
    pa = arrow()
    kind, text = values.type, pa.large_string()
    if pa.types.is_string_view(kind):
        return values.cast(text)
    if not pa.types.is_dictionary(kind) or not pa.types.is_string_view(kind.value_type):
        return values
    if _is_single(values):
        return pa.DictionaryArray.from_arrays(values.indices, values.dictionary.cast(text))
    kind = pa.dictionary(kind.index_type, text)
    return pa.chunked_array([_plain(chunk) for chunk in values.chunks], kind)


def _is_single(values: pa.ChunkedArray | pa.Array) -> bool:
    return not hasattr(values, "chunks")


def _is_text(kind: pa.DataType) -> bool:
    types = arrow().types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    types = arrow().types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _type_named(name: str, column: str) -> pa.DataType:
    pa = arrow()
    try:
        return pa.type_for_alias(name)
    except (ValueError, TypeError, AttributeError):
        raise ValueError(
            f"casts={{{column!r}: {name!r}}}: no type of Arrow has that name; write for example 'float64'"
        ) from None


def checked_categories(categories: Sequence[object], name: str) -> list[object]:
    """Return the categories of a column.

    Raises:
        ValueError: There are none, or one is there twice.
    """
    found = list(categories)
    if not found or len(set(found)) < len(found):
        raise ValueError(f"categories={{{name!r}: ...}}: write each category once, got {found[:10]}")
    return found


def validate(table: pa.Table | pa.RecordBatch, where: Callable[[], str]) -> None:
    """Check what the buffers of a table hold, where wrong content could lead outside of them.

    Raises:
        DataError: They hold wrong offsets, wrong indices, or text that is no UTF-8.
    """
    pa = arrow()
    for name, values in zip(table.schema.names, table.columns, strict=True):
        try:
            values.validate(full=not pa.types.is_primitive(values.type))
        except pa.ArrowInvalid as error:
            raise DataError(f"{where()}: column {name!r} is damaged: {error}") from None
