"""`parquet`: tables in Parquet files, read row group by row group."""

from __future__ import annotations

import functools
import hashlib
import operator
import os
import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stores.arrow_package import arrow
from streamfit.streams.stores.arrow_rows import ColumnRules
from streamfit.streams.stores.arrow_store import MOST_BYTES, ArrowStore, hive_keys
from streamfit.streams.stores.columns import Columns
from streamfit.streams.stores.open_files import OpenFiles
from streamfit.streams.stores.paths import Paths, find_files
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.workers.contract import inside_worker

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa, pq


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
    rules = ColumnRules.given("parquet()", nulls, categories, pad, casts)
    files = find_files(paths, (".parquet", ".parq", ".pq"), "parquet()")
    keys = hive_keys(files, paths) if partitions else {}
    store = ParquetStore(files, keys, columns, target, weight, filters, rules, name)
    return Pipeline(StoreRows(store), name)


class ParquetStore(ArrowStore):
    """The row groups of Parquet files; for most arguments see `parquet`.

    Args:
        files: The files.
        keys: The columns that their folders make: a value for each file.
    """

    format = "parquet"
    block = "row group"

    def __init__(
        self,
        files: Sequence[str],
        keys: Mapping[str, list[object]],
        columns: Columns | None,
        target: Columns | None,
        weight: str | None,
        filters: pa.compute.Expression | list[tuple[str, str, object]] | None,
        rules: ColumnRules,
        name: str,
    ) -> None:
        self._open_files = OpenFiles(_opened)
        self._expression = None if filters is None else _expression(filters)
        super().__init__(files, keys, columns, target, weight, rules, name)

    def _schema(self, number: int) -> pa.Schema:
        return self._open_files.get(self.files[number]).schema_arrow

    def _chosen(self) -> str:
        if self._expression is None:
            return ""
        # All of it: as text, long lists of values are shortened, and two filters look the same.
        return hashlib.blake2b(pickle.dumps(self._expression), digest_size=16).hexdigest()

    def _nothing(self) -> str:
        return "no rows" if self._expression is None else "no rows that the filters keep"

    def _find_blocks(self) -> tuple[Array, Array, Array]:
        if self._expression is not None:
            self._check_filters()
        return super()._find_blocks()

    def _check_filters(self) -> None:
        """Check that the filters fit the columns, before any file is blamed."""
        pa, nothing = arrow(), arrow("dataset").dataset(self._whole.empty_table())
        try:
            nothing.to_table(filter=self._expression)
        except (pa.ArrowException, TypeError) as error:
            what = str(error).partition(" in ")[0]
            columns = [(field.name, str(field.type)) for field in self._whole]
            raise ValueError(
                f"parquet(): filters do not fit the columns: {what}; the columns are {columns}"
            ) from None

    def _blocks_of(self, number: int) -> list[tuple[int, int]]:
        found = []
        footer = self._open_files.get(self.files[number]).metadata
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            if rows and self._expression is not None:
                rows = self._kept(number, group)
            if rows:
                found.append((rows, group))
        return found

    def _kept(self, number: int, group: int) -> int:
        """Count the rows of a row group that the filters keep."""
        pa = arrow()
        try:
            # `count_rows` counts all row groups of the file where the filter is true by the folder's name.
            return sum(batch.num_rows for batch in self._scanner(number, group, []).to_batches())
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.files[number]!r}, row group {group} cannot be read: {error}") from None

    def _table(self, block: int, file: int, number: int) -> pa.Table:
        opened = self._open_files.get(self.files[file])
        self._check_size(opened.metadata.row_group(number), block)
        if self._expression is not None:
            return self._scanner(file, number, self.file_columns).to_table()
        return opened.read_row_group(number, columns=self.file_columns, use_threads=not inside_worker())

    def close(self) -> None:
        """Close the files."""
        self._open_files.clear()

    def _scanner(self, number: int, group: int, columns: Sequence[str]) -> pa.dataset.Scanner:
        """Return what reads the rows of a row group that the filters keep."""
        dataset, local = arrow("dataset"), arrow("fs").LocalFileSystem()
        options = dataset.ParquetFragmentScanOptions(page_checksum_verification=True)
        kind = dataset.ParquetFileFormat(default_fragment_scan_options=options)
        path = os.path.abspath(self.files[number])
        known = [
            dataset.field(key).is_null() if values[number] is None else dataset.field(key) == values[number]
            for key, values in self.keys.items()
        ]
        where = functools.reduce(operator.and_, known) if known else None
        found = kind.make_fragment(path, local, where, row_groups=[group])
        threads = not inside_worker()
        return found.scanner(self._whole, columns=columns, filter=self._expression, use_threads=threads)

    def _check_size(self, group: pq.RowGroupMetaData, block: int) -> None:
        if group.total_byte_size > MOST_BYTES:
            raise DataError(
                f"{self.where(block)} says that it takes {group.total_byte_size:,} bytes when it is decoded, "
                f"more than {MOST_BYTES:,}; write the file with smaller row groups: row_group_size=100_000"
            )


def _expression(filters: object) -> pa.compute.Expression:
    if isinstance(filters, list):
        try:
            return arrow("parquet").filters_to_expression(filters)
        except (ValueError, TypeError) as error:
            raise ValueError(f"parquet(): filters={filters!r}: {error}") from None
    if not isinstance(filters, arrow("compute").Expression):
        raise TypeError(
            f"parquet(): filters={filters!r}: write a list such as [('age', '>', 30)], or an expression such "
            "as pyarrow.compute.field('age') > 30"
        )
    return filters


def _opened(path: str, other: pq.ParquetFile | None) -> pq.ParquetFile:
    pa, pq = arrow(), arrow("parquet")
    footer = None if other is None else other.metadata
    try:
        return pq.ParquetFile(path, metadata=footer, page_checksum_verification=True, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path!r} is no Parquet file that can be read: {error}") from None
