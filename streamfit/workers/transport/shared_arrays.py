"""The worker's side of shared arrays: on memory that all workers map, or on a file, never a copy for each.

Large arrays lie in *segments* of anonymous memory, where `segments` has put them. Each worker maps those
privately, so pages are shared until a worker writes to them. An array that is mapped from a file is not
copied at all: it travels as a path, an offset and a layout, and is mapped again, read-only.

Guarantees kept here: a worker has the same arrays as the parent had when the loader was pickled; a file
that is missing, replaced or cut short is an error with its name, never other data.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfit._base.errors import DataError, PicklingError
from streamfit.workers.transport import descriptors, slots
from streamfit.workers.transport.segments import Layout, address_of
from streamfit.workers.transport.slots import Array

Places = NDArray[np.int64]
"""A row for each array: the key of a segment and the offset in it."""

MIN_MAPPED_BYTES = 256 * 1024
"""Arrays without a known base are looked up among the mappings of this process from this size on."""
_PROBE = 4096


class SharedArrayReceiver:
    """The segments and files that are mapped in this process."""

    def __init__(self) -> None:
        self._segments: dict[int, mmap.mmap] = {}
        self._places: Places = np.empty((0, 2), np.int64)
        self._files: weakref.WeakValueDictionary[tuple[str, int, int], _FileMap] = (
            weakref.WeakValueDictionary()
        )

    def add_segment(self, key: int, fd: int) -> None:
        """Map a segment; takes over the descriptor."""
        size = os.fstat(fd).st_size
        both = mmap.PROT_READ | mmap.PROT_WRITE
        self._segments[key] = slots.mapping(fd, size, flags=mmap.MAP_PRIVATE, prot=both)
        os.close(fd)

    def keep_segments(self, keys: set[int]) -> None:
        """Forget all other segments; arrays on them keep them mapped."""
        self._segments = {key: memory for key, memory in self._segments.items() if key in keys}

    @contextmanager
    def placing(self, places: Places) -> Iterator[None]:
        """Give arrays their places in the block, by number."""
        before, self._places = self._places, places
        try:
            yield
        finally:
            self._places = before

    def shared_array(self, number: int, layout: Layout) -> Array:
        """Return an array on a segment."""
        shape, dtype, strides, writeable = layout
        key, offset = self._places[number]
        array = np.ndarray(shape, dtype, self._segments[int(key)], int(offset), strides)
        array.flags.writeable = writeable
        return array

    def file_array(self, place: FilePlace) -> Array:
        """Return an array on a file."""
        key = (place.path, place.inode, place.size)
        mapped = self._files.get(key)
        if mapped is None:
            mapped = self._files[key] = _FileMap(place)
        return np.ndarray(place.shape, place.dtype, mapped, place.offset, place.strides)

    def drop_pages(self) -> None:
        """Give the pages of mapped files back to the system; they are read again when touched."""
        for mapped in list(self._files.values()):
            if hasattr(mapped, "madvise"):
                mapped.madvise(mmap.MADV_DONTNEED)

    def has_files(self) -> bool:
        """Return whether any array here is mapped from a file."""
        return len(self._files) > 0


RECEIVER = SharedArrayReceiver()
"""The segments and files that this process has mapped; filled in worker processes only."""


def shared_array(number: int, layout: Layout) -> Array:
    """Return an array on a segment of this process (called by pickle)."""
    return RECEIVER.shared_array(number, layout)


def read_only(array: Array) -> Array:
    """Return an array that cannot be written to (called by pickle)."""
    array.flags.writeable = False
    return array


def of_records(array: Array) -> np.recarray:
    """Return an array as an array of records (called by pickle)."""
    return array.view(np.recarray)


def file_array(place: FilePlace) -> Array:
    """Return an array on a file (called by pickle)."""
    return RECEIVER.file_array(place)


@dataclass(frozen=True, slots=True)
class FilePlace:
    """An array on a file: `offset` and `strides` in bytes, the file as it was found in the parent."""

    path: str
    inode: int
    size: int
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    strides: tuple[int, ...]


class _FileMap(mmap.mmap):
    """The whole of one file, read-only."""

    def __new__(cls, place: FilePlace) -> _FileMap:
        try:
            fd = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise DataError(
                f"the file {place.path!r}, which the data are mapped from, cannot be opened in a worker "
                f"({error.strerror}). Keep it in place while the data are in use."
            ) from error
        try:
            found = os.fstat(fd)
            if (found.st_ino, found.st_size) != (place.inode, place.size):
                raise DataError(
                    f"the file {place.path!r}, which the data are mapped from, was replaced or its size "
                    f"changed ({place.size:,} bytes then, {found.st_size:,} now). Map it anew."
                )
            descriptors.fill_standard()
            return super().__new__(cls, fd, place.size, access=mmap.ACCESS_READ)
        finally:
            os.close(fd)


def file_place(array: Array) -> FilePlace | None:
    """Return where on a file an array lies, or None if it is ordinary memory.

    Raises:
        PicklingError: it is mapped from a file that is not there any more, or that was replaced.
    """
    origin = _origin(array) if array.size else None
    if origin is None:
        return None
    path, shift = origin
    low, high = np.lib.array_utils.byte_bounds(array)
    try:
        found = os.stat(path)
    except OSError as error:
        raise PicklingError(_moved(path, error.strerror or "")) from error
    if found.st_size < high + shift or not _agrees(path, shift, low, high):
        raise PicklingError(_moved(path, "it holds other data now"))
    offset = address_of(array) + shift
    return FilePlace(path, found.st_ino, found.st_size, offset, array.shape, array.dtype, array.strides)


def _origin(array: Array) -> tuple[str, int] | None:
    """Return the file that an array is mapped from and what to add to an address to get an offset in it."""
    item: object = array
    while isinstance(item, np.ndarray) or hasattr(item, "__array_interface__"):
        if isinstance(item, np.memmap) and isinstance(item.base, mmap.mmap):
            # A private map may have been written to, and an unnamed one cannot be opened again.
            named = item.filename is not None and item.mode != "c"
            return (os.fspath(item.filename), int(item.offset) - address_of(item)) if named else None
        item = getattr(item, "base", None)  # NumPy's window views have a base that is no array, but has one
    if item is None or array.nbytes < MIN_MAPPED_BYTES:
        return None
    return _mapping_at(address_of(array))


def _mapping_at(address: int) -> tuple[str, int] | None:
    """Return the file mapped at an address, if the system shows it and the mapping cannot differ from it."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                bounds, access, offset, _, inode, *path = line.rstrip("\n").split(maxsplit=5)
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                if start <= address < end:
                    private = access[1] == "w" and access[3] == "p"
                    if inode == "0" or private or not path or not os.path.isfile(path[0]):
                        return None
                    return path[0], int(offset, 16) - start
    except OSError:
        return None
    return None


def _agrees(path: str, shift: int, low: int, high: int) -> bool:
    """Return whether both ends of a mapped range equal the file, which detects a replaced file."""
    with open(path, "rb", buffering=0) as file:
        for at in (low, max(low, high - _PROBE)):
            length = min(_PROBE, high - at)
            file.seek(at + shift)
            if file.read(length) != ctypes.string_at(at, length):
                return False
    return True


def _moved(path: str, why: str) -> str:
    return (
        f"the data are mapped from the file {path!r}, which workers cannot map again: {why}. Keep the "
        "file in place while the data are in use."
    )
