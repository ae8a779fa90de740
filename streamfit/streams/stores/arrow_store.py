"""`ArrowStore`: what stores of tables have in common that pyarrow reads block by block.

Guarantees kept here: all files have one type for each column that is used; a file that was replaced or
changed raises an error; what buffers hold is checked before it is used.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ArrowRows, ColumnRules, validate
from streamfit.streams.stores.columns import Columns, TableForm
from streamfit.streams.stores.file_index import FileIndex
from streamfit.streams.stores.paths import FileMark, Paths, absolute
from streamfit.streams.stores.store import Store, StoreBlock

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

MOST_BYTES = 4 << 30
"""What a block may take when it is decoded, by its own account; more is taken for an attack or a mistake."""


class ArrowStore(Store):
    """Blocks of tables in files.

    Args:
        files: The files.
        keys: The columns that their folders make: a value for each file.
        columns: What x is made of, see `TableForm`.
        target: The columns of y.
        weight: The column of sample_weight.
        rules: How columns become arrays.
        name: What to call the data in messages.

    Attributes:
        format: The function that makes it.
        block: What a block is called.
        form: Which columns make x, y and sample_weight.
        types: The types of the columns that are used, by name.
        keys: The columns that folders make: a value for each file.
        key_types: Their types.
        file_columns: The columns that are used and lie in the files, not in the names of folders.
    """

    format = "arrow"
    block = "block"

    def __init__(
        self,
        files: Sequence[str],
        keys: Mapping[str, list[object]],
        columns: Columns | None,
        target: Columns | None,
        weight: str | None,
        rules: ColumnRules,
        name: str,
    ) -> None:
        pa = arrow()
        self.name, self.files = name, absolute(files)
        self._marks = [FileMark.of(path) for path in files]
        schema = self._with_known_types(self._schema(0))
        _check_names(schema, files[0])
        self.keys = dict(keys)
        self.key_types = {
            key: pa.int64() if all(isinstance(value, int) for value in values) else pa.string()
            for key, values in keys.items()
        }
        for key, kind in self.key_types.items():
            if key in schema.names:
                raise DataError(
                    f"{files[0]!r} has a column {key!r}, and so has its folder; pass partitions=False"
                )
            schema = schema.append(pa.field(key, kind))
        self._whole = schema
        self.form = TableForm(schema.names, columns, target, weight, f"{files[0]!r}")
        rules.check(schema.names, f"{self.format}()")
        self._rows = ArrowRows(schema, self.form.names, rules, name)
        self._rules = rules.digest()
        self.types = {column: type_text(schema.field(column).type) for column in self.form.names}
        self.file_columns = [column for column in self.form.names if column not in self.keys]
        self._lengths, self._files, self._numbers = self._find_blocks()

    # -- of a format --------------------------------------------------------------------------------

    @abstractmethod
    def _schema(self, number: int) -> pa.Schema:
        """Return the schema of a file.

        Raises:
            DataError: It is no file of this format.
        """

    @abstractmethod
    def _blocks_of(self, number: int) -> Sequence[tuple[int, int]]:
        """Return rows and number of each block of a file; those without rows are left out."""

    @abstractmethod
    def _table(self, block: int, file: int, number: int) -> pa.Table:
        """Read `file_columns` of a block."""

    def _mapped(self, block: int) -> bool:
        """Return whether the table of a block is in a memory map, so that its rows must be copied."""
        return False

    def _chosen(self) -> str:
        """Say which rows of the files are blocks, where that is not all."""
        return ""

    def _nothing(self) -> str:
        """Say what files without any block lack."""
        return "no rows"

    # -- when it is made ----------------------------------------------------------------------------

    def _find_blocks(self) -> tuple[Array, Array, Array]:
        """Return rows, file and number of each block, from the index where there is one."""
        index = FileIndex(self.files, self._marks, f"{self.format} {self.types} {self._chosen()}")
        known = index.load()
        if known is None:
            known = dict(zip(("rows", "files", "numbers"), self._looked_up(), strict=True))
            index.save(known)
        return known["rows"], known["files"], known["numbers"]

    def _looked_up(self) -> Iterator[Array]:
        found: list[tuple[int, int, int]] = []
        first = self._schema(0)
        for file in range(len(self.files)):
            blocks = self._blocks_of(file)
            if blocks and not self._schema(file).equals(first):
                self._check_schema(file)
            found += [(rows, file, number) for rows, number in blocks]
        if not found:
            raise DataError(
                f"{self.format}(): there are {self._nothing()} in {len(self.files):,} files "
                f"({self.files[0]!r}, ...)"
            )
        return map(np.ascontiguousarray, np.array(found, np.int64).T)

    def _with_known_types(self, schema: pa.Schema) -> pa.Schema:
        """Return a schema with the types of later files where the first has missing values alone."""
        types = arrow().types
        unknown = [field.name for field in schema if types.is_null(field.type)]
        for number in range(1, len(self.files) if unknown else 0):
            other = self._schema(number)
            for name in list(unknown):
                at = other.get_field_index(name)
                if at >= 0 and not types.is_null(other.field(at).type):
                    schema = schema.set(schema.get_field_index(name), other.field(at))
                    unknown.remove(name)
            if not unknown:
                break
        return schema

    def _check_schema(self, number: int) -> None:
        schema, path = self._schema(number), self.files[number]
        for column in self.file_columns:
            at = schema.get_field_index(column)
            if at < 0:
                count = len(schema.get_all_field_indices(column))
                what = f"has {count} columns {column!r}" if count else f"has no column {column!r}"
                raise DataError(f"{path!r} {what}, which {self.files[0]!r} has once")
            if type_text(schema.field(at).type) not in (self.types[column], "null"):
                raise DataError(
                    f"{path!r}: column {column!r} is {schema.field(at).type}, and {self.types[column]} in "
                    f"{self.files[0]!r}; all files need one type: write them again, or pass those that agree"
                )

    # -- a store ------------------------------------------------------------------------------------

    @property
    def lengths(self) -> Array:
        """The rows of each block."""
        return self._lengths

    @property
    def specs(self) -> Element:
        """The specs of a row."""
        return self.form.specs(self._rows.specs)

    @property
    def row_bytes(self) -> int:
        """The bytes of a row, roughly."""
        return self._rows.row_bytes

    def read(self, block: int) -> StoreBlock:
        """Read a block."""
        file, pa = int(self._files[block]), arrow()
        try:
            self._marks[file].check(self.files[file])
            table = self._table(block, file, int(self._numbers[block]))
            self._check_types(table, block)
            validate(table, lambda: self.where(block))
            for key in self.keys:
                if key in self.form.names:
                    value = pa.scalar(self.keys[key][file], self.key_types[key])
                    table = table.append_column(key, pa.repeat(value, table.num_rows))
            arrays = self._rows.arrays(table, lambda: self.where(block))
            if self._mapped(block):
                arrays = {column: _copied(array) for column, array in arrays.items()}
            self._marks[file].check(self.files[file])  # it may have been replaced in the middle
        except (pa.ArrowException, OSError, EOFError) as error:
            raise DataError(f"{self.where(block)} cannot be read: {error}") from None
        return StoreBlock(self.form.element(arrays))

    def _check_types(self, table: pa.Table, block: int) -> None:
        """Check that a block has the types of the file; a damaged file may say two things."""
        for column in self.file_columns:
            at = table.schema.get_field_index(column)
            found = "no type" if at < 0 else type_text(table.schema.field(at).type)
            if found not in (self.types[column], "null"):
                raise DataError(
                    f"{self.where(block)}: column {column!r} is {found}, where {self.types[column]} was due; "
                    "the file is damaged"
                )

    def where(self, block: int, row: int | None = None) -> str:
        """Say where a block is."""
        at = f"{self.files[int(self._files[block])]!r}, {self.block} {int(self._numbers[block])}"
        return at if row is None else f"{at}, row {row}"

    def identity(self) -> dict[str, object]:
        """Return names of files, rows and columns."""
        return {
            "files": [os.path.basename(path) for path in self.files[:1000]],
            "rows": int(self._lengths.sum()),
            f"{self.block}s": len(self._lengths),
            "columns": self.types,
            **({"filters": self._chosen()} if self._chosen() else {}),
            **({"rules": self._rules} if self._rules else {}),
        }

    def text(self) -> str:
        """Return the store as it is written in a pipeline."""
        files = f"{len(self.files):,} file{'s' * (len(self.files) > 1)}"
        return f"{self.format}({self.name!r}, {files}, {int(self._lengths.sum()):,} rows)"


def type_text(kind: pa.DataType) -> str:
    """Return the type of a column, alike for types of which the same arrays are made.

    Example:
        >>> pa = arrow()
        >>> type_text(pa.dictionary(pa.int8(), pa.large_string())), type_text(pa.float32())
        ('string', 'float')
    """
    types = arrow().types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return "string" if types.is_large_string(kind) or types.is_string_view(kind) else str(kind)


def _copied(array: Array) -> Array:
    """Return an array, and the arrays in it, in memory of their own."""
    made = array.copy()
    if made.dtype == object and len(made) and isinstance(made[0], np.ndarray):
        for at, inner in enumerate(made):
            made[at] = inner.copy()
    return made


def _check_names(schema: pa.Schema, path: str) -> None:
    """Refuse names of columns that are no text, or the same."""
    try:
        names = schema.names
    except UnicodeDecodeError as error:
        raise DataError(f"{path!r} has a column whose name is no UTF-8: {error}") from None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path!r} has two columns {twice!r}; names must differ: write the file again")


def hive_keys(files: Sequence[str], paths: Paths) -> dict[str, list[object]]:
    """Return the columns that folders such as ``year=2024`` make: a value for each file.

    Values are whole numbers where all are, else text; None stands for Hive's name of a missing value.

    Raises:
        DataError: Some files have such folders and others have not.

    Example:
        >>> hive_keys(["d/y=1/a.parquet", "d/y=2/a.parquet"], "d")
        {'y': [1, 2]}
    """
    from urllib.parse import unquote

    base = os.path.join(os.fspath(paths), "") if isinstance(paths, (str, os.PathLike)) else ""
    found: list[dict[str, str]] = []
    for path in files:
        inside = path[len(base) :] if path.startswith(base) else path
        parts = [part.partition("=") for part in os.path.dirname(inside).split(os.sep) if "=" in part]
        found.append({key: unquote(value) for key, _, value in parts})
    for path, each in zip(files, found, strict=True):
        if list(each) != list(found[0]):
            raise DataError(
                f"{path!r} has the partitions {list(each)}, and {files[0]!r} has {list(found[0])}; "
                "where such folders are no columns write partitions=False"
            )
    columns: dict[str, list[object]] = {}
    for key in found[0]:
        words = [None if each[key] == "__HIVE_DEFAULT_PARTITION__" else each[key] for each in found]
        numbers = all(word is not None and word.lstrip("-").isdecimal() for word in words)
        columns[key] = [int(word or 0) for word in words] if numbers else list(words)
    return columns
