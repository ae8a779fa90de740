"""`hdf5`: data sets in HDF5 files, read in runs of rows that follow their chunks.

An HDF5 file can refer to other files and declare arrays of any size. Data sets that are read here are stored
in the file itself: no links, no external storage, no virtual data sets.
"""

from __future__ import annotations

import itertools
import math
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.hdf5_package import h5py_package
from streamfit._base.specs import Array
from streamfit.streams.pipeline import Pipeline
from streamfit.streams.stores.array_store import ArrayForm, ArrayStore, MissingChunks
from streamfit.streams.stores.columns import Columns
from streamfit.streams.stores.inflating import inflated_size, may_burst
from streamfit.streams.stores.open_files import OpenFiles
from streamfit.streams.stores.paths import Paths, find_files
from streamfit.streams.stores.store_rows import StoreRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamfit._base.hdf5_package import h5py

_CACHE = 16 << 20  # bytes of decoded chunks that the HDF5 library keeps for each data set
_SLACK = 1 << 20
_DEFLATE, _CHECKSUM = 1, 3  # filters
_SHOWN = 100  # names in a message
_ERRORS = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError, AttributeError)


def hdf5(
    paths: Paths,
    x: Columns = "x",
    y: Columns | None = "y",
    sample_weight: str | None = None,
    *,
    missing_chunks: MissingChunks = "error",
    name: str = "hdf5",
) -> Pipeline:
    """Make a pipeline of the rows of data sets in HDF5 files.

    Rows are read in runs of whole chunks, about 2 MiB of them. `shuffle` permutes these runs and shuffles
    their rows within as many of them as fit into 64 MiB, or hold ``buffer_size`` rows, so each chunk is
    decoded once in a pass. The HDF5 library works for one thread at a time: for files with compression read
    with ``use_multiprocessing=True``. Text becomes `str` objects. Needs the extra ``hdf5``.

    Args:
        paths: A file, a glob, a folder (files that end in ``.h5``, ``.hdf5``, ``.he5``), or several of them.
        x: The data sets of x, by their paths in the file: a name; names, for a dictionary of them; or a
            dictionary from inputs to names, where several names for one input become a matrix.
        y: Those of y, likewise (several become a matrix), or None.
        sample_weight: The data set of sample_weight, or None.
        missing_chunks: What chunks mean that were never written: ``'error'``, or ``'fill'`` for the fill
            value of the data set, which is mostly 0.
        name: What to call the data in messages.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A data set is not there, or an argument is none of these.
        DataError: A file is no HDF5 file, is damaged, has links or external data, or data sets of one file
            differ in their number of rows.

    Example:
        >>> import pathlib, tempfile
        >>> import h5py
        >>> holder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(holder.name, "cells.h5")
        >>> with h5py.File(path, "w") as file:
        ...     file["x"], file["y"] = np.zeros((4, 2), "float32"), np.arange(4)
        >>> hdf5(path)
        hdf5('hdf5', 1 file, 4 rows)
        >>> next(iter(hdf5(path).batch(2)))
        (array([[0., 0.],
               [0., 0.]], dtype=float32), array([0, 1]))
        >>> holder.cleanup()
    """
    h5py_package()
    files = find_files(paths, (".h5", ".hdf5", ".he5"), "hdf5()")
    return Pipeline(StoreRows(Hdf5Store(files, x, y, sample_weight, missing_chunks, name)), name)


class Hdf5Store(ArrayStore):
    """Rows of data sets in HDF5 files; for its arguments see `hdf5`."""

    format = "hdf5"
    item = "data set"

    def __init__(
        self,
        files: Sequence[str],
        x: Columns,
        y: Columns | None,
        sample_weight: str | None,
        missing_chunks: MissingChunks,
        name: str,
    ) -> None:
        self._open_files = OpenFiles(_Hdf5File, per_thread=False)
        super().__init__(files, x, y, sample_weight, missing_chunks, name)
        self._open_files.clear()

    def _available(self, path: str) -> list[str]:
        return self._open_files.get(path).names()

    def _form_of(self, path: str, name: str) -> ArrayForm | None:
        return self._open_files.get(path).form(name, fills=self.fills)

    def _read(self, path: str, name: str, start: int, stop: int) -> Array:
        return self._open_files.get(path).rows(name, start, stop)

    def close(self) -> None:
        """Close the files."""
        self._open_files.clear()


class _Hdf5File:
    """An open file. h5py lets one thread at a time into the library."""

    def __init__(self, path: str, other: _Hdf5File | None) -> None:
        self._h5py: ModuleType = h5py_package()
        self._path = path
        try:
            self._file = self._h5py.File(path, "r", rdcc_nbytes=_CACHE)
        except _ERRORS as error:
            raise DataError(f"{path!r} is no HDF5 file that can be read: {error}") from None
        self._found: dict[str, h5py.Dataset] = {}

    def names(self) -> list[str]:
        """Return the names of data sets, up to a hundred."""
        found: list[str] = []
        waiting: list[tuple[str, h5py.Group, int]] = [("", self._file, 0)]
        try:
            while waiting and len(found) < _SHOWN:
                front, group, depth = waiting.pop()
                for key in sorted(group)[:_SHOWN]:
                    if self._link(group, key) != self._h5py.h5l.TYPE_HARD:
                        continue
                    item = group[key]
                    if isinstance(item, self._h5py.Dataset):
                        found.append(front + key)
                    elif isinstance(item, self._h5py.Group) and depth < 8:
                        waiting.append((f"{front}{key}/", item, depth + 1))
        except _ERRORS:  # it is damaged; this list is only for a message
            pass
        return found

    def form(self, name: str, *, fills: bool) -> ArrayForm | None:
        """Return the form of a data set, None without it; `fills` allows chunks that are not there."""
        try:
            item = self._item(name)
            return None if item is None else self._form(name, item, fills)
        except DataError:
            raise
        except _ERRORS as error:
            raise self._damaged(name, error) from None

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Read rows; text as objects."""
        try:
            if name not in self._found:
                item = self._item(name)
                if item is None:
                    raise DataError(f"{name!r} is not there any more")
                self._found[name] = item
            item = self._found[name]
            self._check_chunks(name, item, start, stop)
            read = item if self._h5py.check_string_dtype(item.dtype) is None else item.asstr("utf-8")
            return np.asarray(read[start:stop])
        except DataError:
            raise
        except _ERRORS as error:
            raise DataError(f"{name!r} cannot be read: {type(error).__name__}: {error}") from None

    def _damaged(self, name: str, error: BaseException) -> DataError:
        return DataError(f"{name!r} of {self._path!r} cannot be read: {type(error).__name__}: {error}")

    def _item(self, name: str) -> h5py.Dataset | None:
        """Return a data set, found without following a link to another place."""
        group = self._file
        parts = [part for part in name.split("/") if part]
        if not parts or "." in parts or ".." in parts:
            return None
        for at, part in enumerate(parts):
            link = self._link(group, part) if isinstance(group, self._h5py.Group) else None
            if link is None:
                return None
            if link != self._h5py.h5l.TYPE_HARD:
                raise DataError(
                    f"{'/'.join(parts[: at + 1])!r} of {self._path!r} is a link to "
                    f"{group.id.links.get_val(part.encode())!r}, which is not followed; name the data set "
                    "itself, or the file that it is in"
                )
            group = group[part]
        return group if isinstance(group, self._h5py.Dataset) else None

    def _link(self, group: h5py.Group, name: str) -> int | None:
        """Return the kind of an entry, None without it; nothing is opened."""
        links, key = group.id.links, name.encode()
        return links.get_info(key).type if links.exists(key) else None

    def _form(self, name: str, item: h5py.Dataset, fills: bool) -> ArrayForm:
        where = f"{name!r} of {self._path!r}"
        if item.is_virtual or item.external:
            raise DataError(
                f"{where} has its values in other files, which are not opened; write them into the file: "
                "h5repack, or file.create_dataset(name, data=...)"
            )
        text = self._h5py.check_string_dtype(item.dtype) is not None
        dtype = np.dtype(object) if text else item.dtype.newbyteorder("=")
        if item.shape is None or not (text or (dtype.kind in "biuf" and dtype.itemsize <= 8)):
            raise DataError(f"{where} holds {item.dtype}, which are no numbers and no text")
        self._check_filters(where, item)
        if not fills:
            self._check_stored(where, item)
        return ArrayForm(tuple(item.shape), dtype, item.chunks)

    def _check_chunks(self, name: str, item: h5py.Dataset, start: int, stop: int) -> None:
        """Refuse deflated chunks that take more than a chunk of this data set."""
        if item.compression != "gzip" or item.chunks is None:
            return
        most = math.prod(item.chunks) * item.id.get_type().get_size() + _SLACK
        counts = [range(0, length, chunk) for length, chunk in zip(item.shape, item.chunks, strict=True)]
        counts[0] = range(start // item.chunks[0] * item.chunks[0], stop, item.chunks[0])
        for place in itertools.product(*counts):
            size = item.id.get_chunk_info_by_coord(place).size
            if size <= most and may_burst(size):
                size = inflated_size(item.id.read_direct_chunk(place)[1], most)
            if size > most:
                raise DataError(
                    f"{name!r}: the chunk at {place} takes {size:,} bytes or more, where a "
                    f"chunk of {item.chunks} takes {most - _SLACK:,}"
                )

    def _check_filters(self, where: str, item: h5py.Dataset) -> None:
        settings = item.id.get_create_plist()
        codes = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
        if _DEFLATE in codes and not set(codes[codes.index(_DEFLATE) + 1 :]) <= {_CHECKSUM}:
            raise DataError(f"{where} is encoded by the filters {codes}: nothing is due behind deflate (1)")
        for number in range(settings.get_nfilters()):
            code, _, _, label = settings.get_filter(number)
            if not self._h5py.h5z.filter_avail(code):
                raise DataError(
                    f"{where} is encoded with filter {code} ({label.decode(errors='replace')}), which this "
                    "HDF5 library does not have; import hdf5plugin first, or write the file with gzip"
                )

    def _check_stored(self, where: str, item: h5py.Dataset) -> None:
        """Check that all chunks are there: those that are not would be read as zeros."""
        if item.chunks is None:
            wanted, found = item.size * item.id.get_type().get_size(), item.id.get_storage_size()
            what = "bytes"
        else:
            counts = (-(-length // chunk) for length, chunk in zip(item.shape, item.chunks, strict=True))
            wanted, found, what = math.prod(counts), item.id.get_num_chunks(), "chunks"
        if found < wanted:
            raise DataError(
                f"{where} has {found:,} of its {wanted:,} {what}; the others were never written. Write them, "
                "or pass missing_chunks='fill' for the fill value in their place"
            )
