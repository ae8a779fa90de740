"""`parquet`: tables in Parquet files, read row group by row group."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stages.elements import Element
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ArrowRows, ColumnRules, validate
from streamfit.streams.stores.columns import Columns, TableForm
from streamfit.streams.stores.file_index import FileIndex
from streamfit.streams.stores.paths import FileMark, Paths, find_files
from streamfit.streams.stores.store import Store, StoreBlock
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.workers.contract import inside_worker

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa, pq

_OPEN = 16  # files that a process keeps open
MOST_BYTES = 4 << 30
"""What a row group may take when it is decoded, by its own account; more is taken for an attack or a
mistake.
"""


def parquet(
    paths: Paths,
    columns: Columns | None = None,
    target: Columns | None = None,
    weight: str | None = None,
    *,
    filters: pa.compute.Expression | list[tuple[str, str, object]] | None = None,
    partitions: bool = True,
    nulls: Mapping[str, object] | None = None,
    categories: Mapping[str, Sequence[object]] | None = None,
    pad: Mapping[str, int] | None = None,
    casts: Mapping[str, str] | None = None,
    name: str = "parquet",
) -> Pipeline:
    """Make a pipeline of the rows of Parquet files.

    Only the columns that are used are read, row group by row group, by the workers of `fit`. `shuffle`
    permutes the row groups and shuffles their rows within as many of them as fit into 64 MiB, or hold
    ``buffer_size`` rows. Numbers keep their dtypes, text becomes `str` objects for layers such as
    `StringLookup`. Needs the extra ``arrow``.

    Args:
        paths: A file, a glob, a folder (with the folders in it), or several of them.
        columns: What x is made of: a column; names of columns, for a dictionary of them; or a dictionary from
            inputs to columns, where several columns for one input become a matrix. None for a dictionary of
            all columns that are neither target nor weight.
        target: The column of y; several become a matrix, a dictionary one array for each output.
        weight: The column of sample_weight.
        filters: Which rows to read: an expression of ``pyarrow.compute``, or a list such as
            ``[("age", ">", 30)]``, all of which must hold. Row groups that cannot hold any such row are not
            read. The rows that are left are counted when the pipeline is made, which reads these columns
            once.
        partitions: Whether folders such as ``year=2024`` are columns: whole numbers where all are, else text.
        nulls: What stands for a missing value, by column. Without it missing values are NaN in columns of
            floats, and an error in others.
        categories: The values of columns of text, by column; they become their places in this list, int32.
        pad: The length of columns of lists, by column: shorter ones are filled with 0, longer ones are an
            error. Without it they are arrays of different lengths, for `padded_batch`.
        casts: Types of Arrow by column, such as ``{"price": "float64"}`` for decimal numbers.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is not there, or an argument is none of these.
        DataError: A file is no Parquet file, its columns differ from those of the first one, or there are no
            rows.

    Example:
        >>> import pathlib, tempfile
        >>> import pyarrow, pyarrow.parquet
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "people.parquet")
        >>> table = pyarrow.table({"age": [31.0, 45.0], "job": ["cook", "nurse"], "rich": [0, 1]})
        >>> pyarrow.parquet.write_table(table, path)
        >>> people = parquet(path, target="rich")
        >>> people
        parquet('parquet', 1 file, 2 rows)
        >>> next(iter(people.batch(2)))
        ({'age': array([31., 45.]), 'job': array(['cook', 'nurse'], dtype=object)}, array([0, 1]))
        >>> holder.cleanup()
    """
    rules = ColumnRules(dict(nulls or {}), dict(categories or {}), dict(pad or {}), dict(casts or {}))
    files = find_files(paths, (".parquet", ".parq", ".pq"), "parquet()")
    keys = hive_keys(files, paths) if partitions else {}
    store = ParquetStore(files, keys, columns, target, weight, filters, rules, name)
    return Pipeline(StoreRows(store), name)


class ParquetStore(Store):
    """The row groups of Parquet files; for most arguments see `parquet`.

    Args:
        files: The files.
        keys: The columns that their folders make: a value for each file.
    """

    def __init__(
        self,
        files: list[str],
        keys: Mapping[str, list[object]],
        columns: Columns | None,
        target: Columns | None,
        weight: str | None,
        filters: pa.compute.Expression | list[tuple[str, str, object]] | None,
        rules: ColumnRules,
        name: str,
    ) -> None:
        pa, pq = arrow(), arrow("parquet")
        self.name, self.files = name, files
        self._marks = [FileMark.of(path) for path in files]
        self._footers = _Footers()
        self._expression = pq.filters_to_expression(filters) if isinstance(filters, list) else filters
        schema = self._footer(0).schema_arrow
        for key, values in keys.items():
            if key in schema.names:
                raise DataError(
                    f"{files[0]!r} has a column {key!r}, and so has its folder; pass partitions=False"
                )
            kind = pa.int64() if all(isinstance(value, int) for value in values) else pa.string()
            schema = schema.append(pa.field(key, kind))
        self._keys = dict(keys)
        self.form = TableForm(schema.names, columns, target, weight, f"{files[0]!r}")
        rules.check(schema.names, "parquet()")
        self._rows = ArrowRows(schema, self.form.names, rules, name)
        self._types = {column: str(schema.field(column).type) for column in self.form.names}
        self._lengths, self._files, self._groups = self._find_groups()

    # -- when it is made ----------------------------------------------------------------------------

    def _find_groups(self) -> tuple[Array, Array, Array]:
        """Return rows, file and number of each row group that has rows."""
        index = FileIndex(self.files, self._marks, f"parquet {self._types} {self._expression}")
        known = index.load()
        if known is None:
            known = dict(zip(("rows", "files", "groups"), self._looked_up(), strict=True))
            index.save(known)
        return known["rows"], known["files"], known["groups"]

    def _looked_up(self) -> Iterator[Array]:
        found: list[tuple[int, int, int]] = []
        first = self._footer(0).schema_arrow
        for number, path in enumerate(self.files):
            footer = self._footer(number)
            schema = footer.schema_arrow
            if not schema.equals(first):
                self._check_schema(schema, path)
            for group in range(footer.num_row_groups):
                rows = footer.metadata.row_group(group).num_rows
                if rows and self._expression is not None:
                    rows = self._fragment(number, group).count_rows(filter=self._expression)
                if rows:
                    found.append((rows, number, group))
        if not found:
            what = "no rows" if self._expression is None else "no rows that the filters keep"
            raise DataError(
                f"parquet(): there are {what} in {len(self.files):,} files ({self.files[0]!r}, ...)"
            )
        return map(np.ascontiguousarray, np.array(found, np.int64).T)

    def _check_schema(self, schema: pa.Schema, path: str) -> None:
        for column, wanted in self._types.items():
            if column in self._keys:
                continue
            at = schema.get_field_index(column)
            if at < 0:
                raise DataError(f"{path!r} has no column {column!r}, which {self.files[0]!r} has")
            if str(schema.field(at).type) != wanted:
                raise DataError(
                    f"{path!r}: column {column!r} is {schema.field(at).type}, and {wanted} in "
                    f"{self.files[0]!r}; all files need one type: write them again, or pass those that agree"
                )

    # -- a store ------------------------------------------------------------------------------------

    @property
    def lengths(self) -> Array:
        """The rows of each row group."""
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
        """Read a row group."""
        number, group = int(self._files[block]), int(self._groups[block])
        pa = arrow()
        read = [column for column in self.form.names if column not in self._keys]
        try:
            self._marks[number].check(self.files[number])
            if self._expression is not None:
                table = self._fragment(number, group).to_table(columns=read, filter=self._expression)
            else:
                footer = self._footer(number)
                self._check_size(footer.metadata.row_group(group), block)
                table = footer.read_row_group(group, columns=read, use_threads=not inside_worker())
            self._marks[number].check(self.files[number])  # it may have been replaced in the middle
            validate(table, lambda: self.where(block))
            for key in self._keys:
                if key in self.form.names:
                    kind = pa.type_for_alias(self._types[key])
                    value = pa.scalar(self._keys[key][number], kind)
                    table = table.append_column(key, pa.repeat(value, table.num_rows))
        except (pa.ArrowException, OSError, EOFError) as error:
            raise DataError(f"{self.where(block)} cannot be read: {error}") from None
        return StoreBlock(self.form.element(self._rows.arrays(table, lambda: self.where(block))))

    def where(self, block: int, row: int | None = None) -> str:
        """Say where a row group is."""
        at = f"{self.files[int(self._files[block])]!r}, row group {int(self._groups[block])}"
        return at if row is None else f"{at}, row {row}"

    def identity(self) -> dict[str, object]:
        """Return names of files, rows and columns."""
        return {
            "files": [os.path.basename(path) for path in self.files[:1000]],
            "rows": int(self._lengths.sum()),
            "row groups": len(self._lengths),
            "columns": self._types,
        }

    def text(self) -> str:
        """Return the store as it is written in a pipeline."""
        files = f"{len(self.files):,} file{'s' * (len(self.files) > 1)}"
        return f"parquet({self.name!r}, {files}, {int(self._lengths.sum()):,} rows)"

    def close(self) -> None:
        """Close the files."""
        self._footers.clear()

    # -- files --------------------------------------------------------------------------------------

    def _footer(self, number: int) -> pq.ParquetFile:
        """Return an open file.

        Raises:
            DataError: It is no Parquet file.
        """
        return self._footers.get(self.files[number])

    def _fragment(self, number: int, group: int) -> pa.dataset.Fragment:
        dataset = arrow("dataset")
        return dataset.ParquetFileFormat().make_fragment(self.files[number], row_groups=[group])

    def _check_size(self, group: pq.RowGroupMetaData, block: int) -> None:
        if group.total_byte_size > MOST_BYTES:
            raise DataError(
                f"{self.where(block)} says that it takes {group.total_byte_size:,} bytes when it is decoded, "
                f"more than {MOST_BYTES:,}; write the file with smaller row groups: row_group_size=100_000"
            )


class _Footers:
    """The files that a process has open, with what their footers say: at most 16 of them.

    Each thread has files of its own: one file must not be read by two threads at once.
    """

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, int], pq.ParquetFile] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[_Footers], tuple[()]]:
        return _Footers, ()

    def get(self, path: str) -> pq.ParquetFile:
        key = path, threading.get_ident()
        with self._lock:
            found = self._found.get(key)
            if found is None:
                known = next((file.metadata for (name, _), file in self._found.items() if name == path), None)
                found = _opened(path, known)
                self._found[key] = found
                while len(self._found) > _OPEN:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return found

    def clear(self) -> None:
        with self._lock:
            self._found.clear()


def _opened(path: str, footer: pq.FileMetaData | None) -> pq.ParquetFile:
    pa, pq = arrow(), arrow("parquet")
    try:
        return pq.ParquetFile(path, metadata=footer, page_checksum_verification=True, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path!r} is no Parquet file that can be read: {error}") from None


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
                f"{path!r} has the partitions {list(each)}, and {files[0]!r} has {list(found[0])}"
            )
    columns: dict[str, list[object]] = {}
    for key in found[0]:
        words = [None if each[key] == "__HIVE_DEFAULT_PARTITION__" else each[key] for each in found]
        numbers = all(word is not None and word.lstrip("-").isdecimal() for word in words)
        columns[key] = [int(word or 0) for word in words] if numbers else list(words)
    return columns
