"""`WrittenFiles`: rows of data, written in a format that `streamfit.files` reads, and the rows to be read.

The files are written with NumPy, the standard library, or the library of the format; nothing here is shared
with the code that reads them.
"""

from __future__ import annotations

import csv as csv_module
import io
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from streamfit._base.hdf5_package import h5py_package
from streamfit._base.specs import Array
from streamfit.streams import Pipeline
from streamfit.streams.stores.arrow_ipc import arrow
from streamfit.streams.stores.arrow_package import arrow as arrow_package
from streamfit.streams.stores.csv import csv
from streamfit.streams.stores.hdf5_store import hdf5
from streamfit.streams.stores.json_lines import json_lines
from streamfit.streams.stores.npy import npy
from streamfit.streams.stores.npz import npz
from streamfit.streams.stores.parquet import parquet
from streamfit.streams.stores.text_lines import text_lines
from streamfit.streams.stores.zarr_store import zarr, zarr_package

Format = Literal["npy", "npz", "text_lines", "csv", "json_lines", "parquet", "arrow", "hdf5", "zarr"]
ColumnKind = Literal["int64", "float64", "bool", "string"]
Cell = int | float | bool | str | None
FORMATS: tuple[Format, ...] = get_args(Format)
ARRAY_FORMATS = ("npy", "npz", "hdf5", "zarr")
TABLE_FORMATS = ("csv", "json_lines", "parquet", "arrow")
_PACKAGES: dict[str, str] = {
    **dict.fromkeys(TABLE_FORMATS, "pyarrow"),
    "hdf5": "h5py",
    "zarr": "zarr",
}
_READERS: dict[Format, Callable[..., Pipeline]] = {
    "npz": npz,
    "text_lines": text_lines,
    "csv": csv,
    "json_lines": json_lines,
    "parquet": parquet,
    "arrow": arrow,
    "hdf5": hdf5,
    "zarr": zarr,
}


def installed_formats() -> tuple[Format, ...]:
    """List the formats whose packages are installed.

    Example:
        >>> {"npy", "npz", "text_lines"} <= set(installed_formats())
        True
    """
    return tuple(name for name in FORMATS if name not in _PACKAGES or find_spec(_PACKAGES[name]))


@dataclass(frozen=True)
class TableColumn:
    """A column of a table.

    Args:
        name: Its name.
        kind: What it holds.
        cells: Its values; None for a missing one.
    """

    name: str
    kind: ColumnKind
    cells: tuple[Cell, ...]

    @property
    def filler(self) -> Cell:
        """What stands for a missing value, where that is not NaN: give it as ``nulls=``."""
        fillers: dict[ColumnKind, Cell] = {"int64": -1, "bool": False, "string": "", "float64": None}
        return fillers[self.kind]

    def read(self, row: int) -> object:
        """Return the value that must be read."""
        cell = self.cells[row]
        if cell is None:
            cell = self.filler
        if self.kind == "string":
            return cell
        return np.dtype(self.kind).type(np.nan if cell is None else cell)


@dataclass(frozen=True)
class FileLayout:
    """How rows lie in files.

    Args:
        cuts: The rows before which a new file begins; a cut that comes twice makes a file without rows.
        block: Rows in a block: a chunk, a row group, a record batch.
        compressed: Whether the blocks are compressed, in formats that have that.
        quoting: Whether each field of CSV has quotes, and not only those that need them.
        delimiter: Between the fields of CSV.
        line_end: At the end of each line of text.
    """

    cuts: tuple[int, ...] = ()
    block: int = 4
    compressed: bool = False
    quoting: bool = False
    delimiter: str = ","
    line_end: str = "\n"

    def parts(self, rows: int) -> list[slice]:
        """Return the rows of each file.

        Example:
            >>> FileLayout((1, 1)).parts(3)
            [slice(0, 1, None), slice(1, 1, None), slice(1, 3, None)]
        """
        edges = [0, *sorted(min(cut, rows) for cut in self.cuts), rows]
        return [slice(start, end) for start, end in itertools.pairwise(edges)]


@dataclass(frozen=True)
class WrittenFiles:
    """Files that were written, and what must be read from them.

    Args:
        format: A function of `streamfit.files`.
        path: The folder with the files.
        rows: The samples that must be read, in order: ``(x, y)``, a dictionary of columns, or a line.
        layout: How they lie in files.
        settings: Further arguments of the function.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_arrays("npy", folder, np.arange(3), np.zeros(3), FileLayout((2,)))
        ...     [int(x) for x, y in written.open()], [int(x) for x, y in written.rows]
        ([0, 1, 2], [0, 1, 2])
    """

    format: Format
    path: Path
    rows: list[object] = field(repr=False)
    layout: FileLayout
    settings: dict[str, object] = field(default_factory=dict)

    def open(self) -> Pipeline:
        """Return a pipeline that reads them."""
        if self.format == "npy":
            return npy(str(self.path / "x"), str(self.path / "y"))
        return _READERS[self.format](str(self.path), **self.settings)


def write_arrays(
    format: Format,
    folder: str | Path,
    x: Array,
    y: Array,
    layout: FileLayout,
) -> WrittenFiles:
    """Write two arrays of the same number of rows to ``.npy`` files, to archives, or to data sets."""
    path = Path(folder)
    rows = [(x[row], y[row]) for row in range(len(x))]
    for number, part in enumerate(layout.parts(len(x))):
        if format == "npy":
            for name, array in (("x", x), ("y", y)):
                (path / name).mkdir(exist_ok=True)
                np.save(path / name / f"part_{number}.npy", np.ascontiguousarray(array[part]))
        elif format == "npz":
            save = np.savez_compressed if layout.compressed else np.savez
            save(
                path / f"part_{number}.npz", x=np.ascontiguousarray(x[part]), y=np.ascontiguousarray(y[part])
            )
        elif format == "hdf5":
            _write_hdf5(path / f"part_{number}.h5", x[part], y[part], layout)
        else:
            _write_zarr(path / f"part_{number}.zarr", x[part], y[part], layout)
    return WrittenFiles(format, path, list(rows), layout)


def _write_hdf5(path: Path, x: Array, y: Array, layout: FileLayout) -> None:
    with h5py_package().File(path, "w") as file:
        for name, array in (("x", x), ("y", y)):
            chunks = (min(layout.block, max(1, len(array))), *array.shape[1:])
            how = {"chunks": chunks, "compression": "gzip"} if layout.compressed else {}
            file.create_dataset(name, data=array, **(how if len(array) else {}))


def _write_zarr(path: Path, x: Array, y: Array, layout: FileLayout) -> None:
    group = zarr_package().open_group(path, mode="w")
    for name, array in (("x", x), ("y", y)):
        chunks = (min(layout.block, max(1, len(array))), *array.shape[1:])
        # A chunk of zeros is otherwise left out, and looks like one that was lost.
        made = group.create_array(
            name, shape=array.shape, dtype=array.dtype, chunks=chunks, config={"write_empty_chunks": True}
        )
        made[...] = array


def write_lines(folder: str | Path, lines: Sequence[str], layout: FileLayout) -> WrittenFiles:
    """Write lines of text."""
    path = Path(folder)
    for number, part in enumerate(layout.parts(len(lines))):
        text = "".join(line + layout.line_end for line in lines[part])
        (path / f"part_{number}.txt").write_bytes(text.encode())
    return WrittenFiles("text_lines", path, list(lines), layout)


def write_table(
    format: Format,
    folder: str | Path,
    columns: Sequence[TableColumn],
    layout: FileLayout,
) -> WrittenFiles:
    """Write columns as CSV, as JSON lines, or as an Arrow or Parquet table."""
    path, count = Path(folder), len(columns[0].cells)
    for number, part in enumerate(layout.parts(count)):
        rows = range(part.start, part.stop)
        if format == "csv":
            (path / f"part_{number}.csv").write_bytes(_csv(columns, rows, layout).encode())
        elif format == "json_lines":
            lines = [{c.name: c.cells[row] for c in columns} for row in rows]
            text = "".join(json.dumps(line, ensure_ascii=layout.quoting) + layout.line_end for line in lines)
            (path / f"part_{number}.jsonl").write_bytes(text.encode())
        else:
            _write_arrow(format, path / f"part_{number}", columns, part, layout)
    found: list[object] = [{c.name: c.read(row) for c in columns} for row in range(count)]
    settings: dict[str, object] = {
        "nulls": {c.name: c.filler for c in columns if None in c.cells and c.filler is not None}
    }
    if format in ("csv", "json_lines"):
        settings["types"] = {c.name: c.kind for c in columns}
    if format == "csv":
        settings |= {"delimiter": layout.delimiter, "null_text": True}
    return WrittenFiles(format, path, found, layout, settings)


def _csv(columns: Sequence[TableColumn], rows: range, layout: FileLayout) -> str:
    """Return the text of a file; a missing value is written without quotes."""
    target = io.StringIO()
    writer = csv_module.writer(target, delimiter=layout.delimiter, lineterminator="")

    def written(cell: object) -> str:
        if cell is None:
            return "" if len(columns) > 1 else "NA"  # a line without anything is no record
        text = repr(cell) if isinstance(cell, float) else str(cell)
        if layout.quoting or not text or text == "NA":
            return '"' + text.replace('"', '""') + '"'
        target.seek(0)
        target.truncate()
        writer.writerow([text])
        return target.getvalue()

    lines: list[list[Cell]] = [[c.name for c in columns], *([c.cells[row] for c in columns] for row in rows)]
    return "".join(layout.delimiter.join(map(written, line)) + layout.line_end for line in lines)


def _write_arrow(
    kind: Format, path: Path, columns: Sequence[TableColumn], part: slice, layout: FileLayout
) -> None:
    pyarrow = arrow_package()
    types = {"bool": pyarrow.bool_(), "string": pyarrow.string()}
    types |= {"int64": pyarrow.int64(), "float64": pyarrow.float64()}
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    table = pyarrow.table({c.name: list(c.cells[part]) for c in columns}, schema=schema)
    if kind == "parquet":
        arrow_package("parquet").write_table(
            table,
            path.with_suffix(".parquet"),
            row_group_size=layout.block,
            compression="zstd" if layout.compressed else "none",
        )
        return
    with pyarrow.ipc.new_file(path.with_suffix(".arrow"), schema) as file:
        file.write_table(table, max_chunksize=layout.block)
