"""`arrow`: tables in Arrow IPC files (Feather version 2) and streams, read by record batches."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stores.arrow_package import arrow as pyarrow
from streamfit.streams.stores.arrow_rows import ColumnRules
from streamfit.streams.stores.arrow_store import MOST_BYTES, ArrowStore, hive_keys
from streamfit.streams.stores.columns import Columns
from streamfit.streams.stores.ipc_messages import IpcLayout, read_layout, unpacked_bytes
from streamfit.streams.stores.open_files import OpenFiles
from streamfit.streams.stores.paths import Paths, find_files
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.workers.contract import inside_worker

if TYPE_CHECKING:
    from streamfit.streams.stores.arrow_package import pa

SMALL_BYTES = 1 << 20
"""Record batches are taken together until they take that much: reading has a price per block."""
LARGE_BYTES = 32 << 20
"""A record batch that takes more is read in parts, if it is not compressed."""


def arrow(
    paths: Paths,
    columns: Columns | None = None,
    target: Columns | None = None,
    weight: str | None = None,
    *,
    partitions: bool = True,
    nulls: Mapping[str, object] | None = None,
    categories: Mapping[str, Sequence[object]] | None = None,
    pad: Mapping[str, int] | None = None,
    casts: Mapping[str, str] | None = None,
    name: str = "arrow",
) -> Pipeline:
    """Make a pipeline of the rows of Arrow IPC files (``.arrow``, ``.feather``) or streams (``.arrows``).

    Record batches are read by the workers of `fit`: small ones together, large ones in parts (a compressed
    one only as a whole, so write those with 100,000 rows or so). Of files only the columns that are used are
    read; of streams whole record batches, and a stream is looked through once when the pipeline is made. What
    was written is checked before it is used. Needs the extra ``arrow``.

    Args:
        paths: A file, a glob, a folder (with the folders in it), or several of them.
        columns: What x is made of, as for `parquet`.
        target: The column of y; several become a matrix, a dictionary one array for each output.
        weight: The column of sample_weight.
        partitions: Whether folders such as ``year=2024`` are columns: whole numbers where all are, else text.
        nulls: What stands for a missing value, by column, as for `parquet`.
        categories: The values of columns of text, by column; they become their places in this list, int32.
        pad: The length of columns of lists, by column: shorter ones are filled with 0, longer ones are an
            error. Without it they are arrays of different lengths, for `padded_batch`.
        casts: Types of Arrow by column, such as ``{"price": "float64"}`` for decimal numbers.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is not there, or an argument is none of these.
        DataError: A file is no Arrow file, its columns differ from those of the first one, or there are no
            rows.

    Example:
        >>> import pathlib, tempfile
        >>> import pyarrow.feather
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "people.feather")
        >>> table = pyarrow.table({"age": [31.0, 45.0], "job": ["cook", "nurse"], "rich": [0, 1]})
        >>> pyarrow.feather.write_feather(table, path)
        >>> people = arrow(path, columns=["age"], target="rich")
        >>> people
        arrow('arrow', 1 file, 2 rows)
        >>> next(iter(people.batch(2)))
        ({'age': array([31., 45.])}, array([0, 1]))
        >>> holder.cleanup()
    """
    rules = ColumnRules.given("arrow()", nulls, categories, pad, casts)
    files = find_files(paths, (".arrow", ".feather", ".ipc", ".arrows"), "arrow()")
    keys = hive_keys(files, paths) if partitions else {}
    return Pipeline(StoreRows(IpcStore(files, keys, columns, target, weight, rules, name)), name)


class IpcStore(ArrowStore):
    """The record batches of Arrow IPC files and streams.

    The number of a block is that of its first record batch. Files are read with `pread`, so one that is cut
    while it is read is an error. Only large record batches that are read in parts are mapped into memory;
    the length of the file is checked before, and their rows are copied.
    """

    format = "arrow"
    block = "record batch"

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
        pyarrow()
        self._layouts: dict[int, IpcLayout] = {}
        self._schemas: dict[bytes, pa.Schema] = {}
        self._checked: set[bytes] = set()
        super().__init__(files, keys, columns, target, weight, rules, name)
        self._schemas.clear()  # needed no more, so they do not travel to workers
        self._checked.clear()
        self._open_files: OpenFiles[_File] = OpenFiles(_Opener(self.file_columns))
        self._batches, self._starts = self._parts()

    # -- when it is made ----------------------------------------------------------------------------

    def _layout(self, number: int) -> IpcLayout:
        if number not in self._layouts:
            self._layouts[number] = read_layout(self.files[number])
        return self._layouts[number]

    def _schema(self, number: int) -> pa.Schema:
        pa, ipc, path = pyarrow(), pyarrow("ipc"), self.files[number]
        message = self._layout(number).schema
        key = message or path.encode("utf-8", "surrogateescape")
        if key not in self._schemas:
            try:
                found = ipc.read_schema(pa.py_buffer(message)) if message else _File(path, ()).reader.schema
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{path!r} is no Arrow IPC file that can be read: {error}") from None
            self._schemas[key] = found
        return self._schemas[key]

    def _check_schema(self, number: int) -> None:
        message = self._layout(number).schema
        if not message or message not in self._checked:  # files of one writer have the same bytes there
            super()._check_schema(number)
            self._checked.add(message)

    def _blocks_of(self, number: int) -> list[tuple[int, int]]:
        """Return the blocks: several small record batches, one, or a part of a large one."""
        layout, row_bytes = self._layout(number), max(1, self._rows.row_bytes)
        small, large = max(1, SMALL_BYTES // row_bytes), max(1, LARGE_BYTES // row_bytes)
        found: list[tuple[int, int]] = []
        first, waiting = 0, 0
        for at, (rows, packed) in enumerate(layout.batches[["rows", "packed"]].tolist()):
            if waiting and waiting + rows > large:
                found.append((waiting, first))
                waiting = 0
            if rows > large and not packed and not layout.stream:
                parts = np.full(-(-rows // large), large)
                parts[-1] = rows - large * (len(parts) - 1)
                found += [(part, at) for part in parts.tolist()]
                continue
            if rows * row_bytes > MOST_BYTES:
                raise DataError(
                    f"{self.files[number]!r}, record batch {at}: its {rows:,} rows take more than "
                    f"{MOST_BYTES:,} bytes, and a {'stream' if layout.stream else 'compressed one'} is read "
                    "as a whole; write it with smaller record batches: max_chunksize=100_000"
                )
            first = first if waiting else at
            waiting += rows
            if waiting >= small:
                found.append((waiting, first))
                waiting = 0
        if waiting:
            found.append((waiting, first))
        return found

    def _parts(self) -> tuple[Array, Array]:
        """Return the end of the record batches of each block, and the first row in the first of them."""
        ends, starts = np.zeros_like(self._lengths), np.zeros_like(self._lengths)
        file = batch = -1
        start = 0
        for block, rows in enumerate(self._lengths.tolist()):
            here = int(self._files[block]), int(self._numbers[block])
            start = start if here == (file, batch) else 0
            file, batch = here
            lengths, left, end = self._layouts[file].batches["rows"], start + rows, batch
            while left > 0:
                left -= int(lengths[end])
                end += 1
            ends[block], starts[block] = end, start
            start += rows
        return ends, starts

    # -- when it is read ----------------------------------------------------------------------------

    def _table(self, block: int, file: int, number: int) -> pa.Table:
        pa, layout, path = pyarrow(), self._layouts[file], self.files[file]
        end, start, rows = int(self._batches[block]), int(self._starts[block]), int(self._lengths[block])
        self._check_size(layout, number, end, block)
        if layout.stream:
            found = [_stream_batch(path, layout, at, self.file_columns) for at in range(number, end)]
            return pa.Table.from_batches(found)
        opened = self._open_files.get(path)
        if self._mapped(block):
            part = opened.mapped().get_batch(number).slice(start, rows)
            return pa.Table.from_batches([part]).select(self.file_columns)
        return pa.Table.from_batches([opened.reader.get_batch(at) for at in range(number, end)])

    def _mapped(self, block: int) -> bool:
        layout, number = self._layouts[int(self._files[block])], int(self._numbers[block])
        return int(self._lengths[block]) < int(layout.batches["rows"][number])

    def _check_size(self, layout: IpcLayout, number: int, end: int, block: int) -> None:
        """Refuse what says that it takes too much memory when it is decoded."""
        path = self.files[int(self._files[block])]
        packed = [each.offset for each in layout.dictionaries_at(number) if each.packed]
        packed += [int(each["offset"]) for each in layout.batches[number:end] if each["packed"]]
        declared = sum(unpacked_bytes(path, at) for at in packed)
        if declared > MOST_BYTES:
            raise DataError(
                f"{self.where(block)} says that it takes {declared:,} bytes when it is decoded, more than "
                f"{MOST_BYTES:,}; write the file with smaller record batches: max_chunksize=100_000"
            )

    def where(self, block: int, row: int | None = None) -> str:
        """Say where a block is."""
        file, first, end = int(self._files[block]), int(self._numbers[block]), int(self._batches[block])
        start = int(self._starts[block])
        if row is not None:  # which of the record batches has it
            row += start
            lengths = self._layouts[file].batches["rows"]
            while first < end - 1 and row >= lengths[first]:
                row -= int(lengths[first])
                first += 1
            return f"{self.files[file]!r}, record batch {first}, row {row}"
        if end - first > 1:
            return f"{self.files[file]!r}, record batches {first} to {end - 1}"
        part = f" from row {start:,} on" if start else ""
        return f"{self.files[file]!r}, record batch {first}{part}"

    def close(self) -> None:
        """Close the files."""
        self._open_files.clear()


class _File:
    """An open file: its reader, and another one by a memory map."""

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        pa, ipc = pyarrow(), pyarrow("ipc")
        self._path = path
        try:
            schema = ipc.open_file(pa.OSFile(path)).schema
            fields = [schema.get_field_index(column) for column in columns]
            if min(fields, default=0) < 0:
                raise DataError(f"{path!r} has no column {columns[fields.index(-1)]!r} in its footer")
            options = ipc.IpcReadOptions(included_fields=fields, use_threads=not inside_worker())
            self.reader = ipc.open_file(pa.OSFile(path), options=options)
        except pa.ArrowException as error:
            raise DataError(f"{path!r} is no Arrow IPC file that can be read: {error}") from None

    def mapped(self) -> pa.ipc.RecordBatchFileReader:
        """Return a reader of the file mapped into memory; it is not kept, so that no page stays in use.

        It reads all columns, which costs nothing: Arrow makes copies when it reads some of them.
        """
        pa, ipc = pyarrow(), pyarrow("ipc")
        return ipc.open_file(pa.memory_map(self._path))


class _Opener:
    """Opens files for some columns, picklable."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def __call__(self, path: str, other: _File | None) -> _File:
        return _File(path, self._columns)


def _stream_batch(path: str, layout: IpcLayout, at: int, columns: Sequence[str]) -> pa.RecordBatch:
    """Read a record batch of a stream: as the only one of a stream with its schema and its dictionaries."""
    pa, ipc = pyarrow(), pyarrow("ipc")
    batch = layout.batches[at]
    wanted = [(each.offset, each.length) for each in layout.dictionaries_at(at)]
    wanted.append((int(batch["offset"]), int(batch["metadata"]) + int(batch["body"])))
    # Bodies must stand at multiples of 8 bytes, as they do in the file.
    whole = np.empty(len(layout.schema) + sum(length for _, length in wanted), np.uint8)
    whole[: len(layout.schema)] = np.frombuffer(layout.schema, np.uint8)
    filled = len(layout.schema)
    with open(path, "rb", buffering=0) as file:
        for offset, length in wanted:
            _fill(file.fileno(), whole[filled : filled + length], offset, path)
            filled += length
    schema = ipc.read_schema(pa.py_buffer(layout.schema))
    fields = [schema.get_field_index(column) for column in columns]
    options = ipc.IpcReadOptions(included_fields=fields, use_threads=not inside_worker())
    return ipc.open_stream(pa.py_buffer(whole), options=options).read_next_batch()


def _fill(file: int, out: Array, offset: int, path: str) -> None:
    view = out.data
    while len(view):
        count = os.preadv(file, [view], offset)
        if not count:
            raise DataError(f"{path!r} became shorter while it was read")
        view, offset = view[count:], offset + count
