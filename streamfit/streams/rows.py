"""Rows: read the rows of one array in memory, of one in files, or of an object that can be sliced.

Guarantees kept here: dtypes never change; returned arrays are C-contiguous; an array in use is never written
to again; a mapped file that became shorter raises an error and does not kill the process; pages of a mapped
file do not accumulate in memory.
"""

from __future__ import annotations

import math
import mmap
import sys
import weakref

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams import bus_errors
from streamfit.streams.residency import FIRST_PASS, Residency
from streamfit.streams.sharded_rows import ShardedArray, ShardedRows, rows_of_stacks
from streamfit.streams.sliced import Sliced

_RESIDENT = FIRST_PASS  # bytes of a mapped file that may be resident until it was read once
_REUSE_FROM = 1 << 20  # bytes of a batch; below, a new array costs less than the search for a used one
_KEPT = 4


class MemoryRows:
    """Read rows of an array in memory.

    Args:
        array: The array; its first axis are the samples.
        name: Its name in messages.
    """

    in_workers = False

    def __init__(self, array: Array, name: str) -> None:
        self.array, self.name = array, name
        self.row_bytes = array.itemsize * array[:1].size
        self.straight = array.flags.c_contiguous and array.flags.aligned

    def span(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop), without a copy if the memory is contiguous."""
        rows = self.array[start:stop]
        return rows if self.straight else np.array(rows, order="C")

    def pick(self, ids: Array, out: Array | None = None) -> Array:
        """Copy the rows `ids` to `out`, or to a new array."""
        if self.straight:
            # "clip" only saves NumPy a second buffer: ids are in range by construction.
            return self.array.take(ids, 0, out, "clip")
        rows = np.empty((len(ids), *self.array.shape[1:]), self.array.dtype) if out is None else out
        rows[...] = self.array[ids]  # take would copy the whole array first
        return rows

    def stacks(self, starts: Array, length: int) -> Array:
        """Copy `length` rows from each of `starts` on: (n, length, ...), as one copy for each."""
        array = self.array
        if not self.straight or array.dtype.hasobject or not self.row_bytes:
            return self.pick(rows_of_stacks(starts, length)).reshape(len(starts), length, *array.shape[1:])
        wide = np.ndarray(
            (len(array) - length + 1,), f"V{length * self.row_bytes}", array, strides=(self.row_bytes,)
        )
        copied: Array = wide[starts].view(array.dtype)
        return copied.reshape(len(starts), length, *array.shape[1:])


class MappedRows:
    """Read rows of an array that is mapped from a file.

    Args:
        array: The array, a view of the memory map.
        name: Its name in messages.
        mapping: The memory map.
    """

    in_workers = True

    def __init__(self, array: Array, name: str, mapping: mmap.mmap) -> None:
        self._memory = MemoryRows(np.asarray(array), name)  # no memory map comes of a memory map then
        self.array, self.name, self._mapping = array, name, mapping
        self.row_bytes = self._memory.row_bytes
        self._length = len(mapping)
        self._droppable = self._length > _RESIDENT and _droppable(array)
        self._residency = Residency(array.nbytes, _RESIDENT)
        self._address = int(np.frombuffer(mapping, np.uint8).ctypes.data)
        bus_errors.guard(self._address, self._length)
        weakref.finalize(mapping, bus_errors.release, self._address).atexit = False

    def span(self, start: int, stop: int) -> Array:
        """Copy the rows [start, stop): a view would be read later than the check of the file."""
        self._check()
        faults = bus_errors.faults()
        rows = np.array(self.array[start:stop], order="C", subok=False)
        self._check_pages(faults)
        self._count(0, rows.nbytes)
        return rows

    def pick(self, ids: Array, out: Array | None = None) -> Array:
        """Copy the rows `ids` to `out` or to a new array."""
        self._check()
        faults = bus_errors.faults()
        rows = self._memory.pick(ids, out)
        self._check_pages(faults)
        self._count(len(ids), rows.nbytes)
        return rows

    def stacks(self, starts: Array, length: int) -> Array:
        """Copy `length` rows from each of `starts` on."""
        self._check()
        faults = bus_errors.faults()
        rows = self._memory.stacks(starts, length)
        self._check_pages(faults)
        self._count(len(starts), rows.nbytes)
        return rows

    def _check(self) -> None:
        try:
            size = self._mapping.size()
        except (OSError, ValueError):  # an anonymous map has no file
            return
        if size < self._length:
            raise DataError(
                f"the file behind {self.name} was {self._length} bytes long when it was mapped and has "
                f"{size} now; do not shorten a file that is mapped"
            )

    def _check_pages(self, faults: int) -> None:
        if bus_errors.faults() == faults:
            return
        self._check()
        if bus_errors.is_torn(self._address):
            raise DataError(
                f"the file behind {self.name} cannot be read: parts of it are missing on the device"
            )

    def _count(self, rows: int, nbytes: int) -> None:
        if self._droppable and self._residency.full(rows, nbytes):
            self._mapping.madvise(mmap.MADV_DONTNEED)


class SlicedRows:
    """Read rows of an object that can only be sliced.

    Args:
        rows: The rows.
        name: Their name in messages.
    """

    in_workers = True

    def __init__(self, rows: Sliced, name: str) -> None:
        self.array, self.name = rows, name
        self.row_bytes = rows.dtype.itemsize * math.prod(rows.shape[1:])

    def span(self, start: int, stop: int) -> Array:
        """Read the rows [start, stop)."""
        return self.array.rows(start, stop)

    def pick(self, ids: Array, out: Array | None = None) -> Array:
        """Read the rows `ids` in the order of the file, one slice for each run of neighbours."""
        order = ids.argsort()
        ordered = ids[order]
        ends = [*(np.flatnonzero(np.diff(ordered) != 1) + 1).tolist(), len(ordered)]
        rows = np.empty((len(ids), *self.array.shape[1:]), self.array.dtype) if out is None else out
        begin = 0
        for end in ends:
            rows[order[begin:end]] = self.span(int(ordered[begin]), int(ordered[end - 1]) + 1)
            begin = end
        return rows

    def stacks(self, starts: Array, length: int) -> Array:
        """Read `length` rows from each of `starts` on; a row of several of them is read once."""
        single, places = np.unique(rows_of_stacks(starts, length), return_inverse=True)
        return self.pick(single)[places.reshape(len(starts), length)]


Rows = MemoryRows | MappedRows | SlicedRows | ShardedRows
ROWS = (MemoryRows, MappedRows, SlicedRows, ShardedRows)


def rows_of(array: Array | Sliced | ShardedArray, name: str) -> Rows:
    """Return the reader for an array, for one in files, or for an object that can be sliced like one."""
    if isinstance(array, ShardedArray):
        return ShardedRows(array, name)
    if isinstance(array, Sliced):
        return SlicedRows(array, name)
    mapping = mapping_below(array)
    return MemoryRows(array, name) if mapping is None else MappedRows(array, name, mapping)


def mapping_below(array: Array) -> mmap.mmap | None:
    """Return the memory map that an array is a view of, or None."""
    base: object = array
    while isinstance(base, (np.ndarray, memoryview)):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    return base if isinstance(base, mmap.mmap) else None


def _droppable(array: Array) -> bool:
    """Return whether pages can be dropped without loss: a private map may hold data that the file lacks."""
    base: object = array
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and getattr(base, "mode", None) is not None:
            return base.mode in ("r", "r+", "w+") and hasattr(mmap, "MADV_DONTNEED")
        if not base.flags.writeable and not isinstance(base.base, np.ndarray):
            return hasattr(mmap, "MADV_DONTNEED")
        base = base.base
    return False


class Buffers:
    """Provide arrays for batches; an array is used again when nothing else refers to it.

    Large new arrays cause page faults, which cost more than the copy itself.

    Args:
        array: The array whose rows the batches hold, or an object with its shape and dtype.
        size: The usual number of rows.
    """

    def __init__(self, array: Array | Sliced | ShardedArray, size: int) -> None:
        self._shape, self._dtype, self._size = (size, *array.shape[1:]), array.dtype, size
        self._kept: list[Array] = []
        self.reuses = array.dtype.itemsize * math.prod(array.shape[1:]) * size >= _REUSE_FROM

    def lend(self, size: int) -> Array:
        """Return an array of `size` rows to which nothing else refers."""
        if size != self._size:
            return np.empty((size, *self._shape[1:]), self._dtype)
        if not self.reuses:
            return np.empty(self._shape, self._dtype)
        for index in range(len(self._kept)):
            if sys.getrefcount(self._kept[index]) == _ALONE:
                self._kept.append(self._kept.pop(index))
                return self._kept[-1]
        self._kept.append(np.empty(self._shape, self._dtype))
        if len(self._kept) > _KEPT:
            del self._kept[0]
        return self._kept[-1]


def _count_alone() -> int:
    kept = [np.empty(1)]
    return sys.getrefcount(kept[0])


_ALONE = _count_alone()  # the reference count of an array that only a list holds
