"""Large arrays of a loader, shared by all workers instead of copied to each.

An array of 256 KiB or more is copied once into an *arena* of anonymous memory, which each worker maps
privately: pages are shared until somebody writes to them. An array that is mapped from a file is not copied
at all; it travels as a path, an offset and a layout, and is mapped again, read-only.

Guarantees kept here: what a worker sees equals what the parent had when the loader was handed over; a file
that is missing, replaced or cut short is an error with its name, never other data.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfit._base.errors import DataError, PicklingError
from streamfit.workers import slots
from streamfit.workers.contract import fresh_id

Array = NDArray[Any]
Layout = tuple[tuple[int, ...], np.dtype[Any], Any]

MIN_SHARED_BYTES = 256 * 1024
_PAGE = mmap.PAGESIZE
_CHUNK = 1 << 20
_PROBE = 4096


class Arena:
    """Anonymous memory that holds the arrays shared in one go."""

    def __init__(self) -> None:
        self.key = fresh_id()
        self.fd = slots.create("data")
        self.size = 0
        self._finalizer = weakref.finalize(self, os.close, self.fd)

    def close(self) -> None:
        """Give back the memory; whoever has mapped it keeps it."""
        self._finalizer()

    def add(self, array: Array) -> int:
        """Copy an array to the end; return where it begins."""
        offset, length = self.size, -(-array.nbytes // _PAGE) * _PAGE
        slots.grow(self.fd, length, offset)
        self.size = offset + length
        np.copyto(self.view(array, offset), array)
        return offset

    def view(self, like: Array, offset: int) -> Array:
        """Return the shared copy of an array."""
        with slots.taking_descriptors():
            memory = mmap.mmap(self.fd, max(like.nbytes, 1), offset=offset)
        return np.ndarray(like.shape, like.dtype, memory, 0, None, _order(like))


@dataclass(slots=True)
class _Shared:
    """Where an array's copy is, and what it was a copy of."""

    array: weakref.ref[Array]
    arena: Arena
    offset: int


class ArrayStore:
    """The parent's side: remembers which arrays have been shared already."""

    def __init__(self) -> None:
        self._shared: dict[int, _Shared] = {}

    def place(self, array: Array, arena: Arena) -> tuple[Arena, int]:
        """Return where the array's shared copy is, copying it into `arena` if there is none that is equal."""
        known = self._shared.get(id(array))
        if (
            known is not None
            and known.array() is array
            and _same(known.arena.view(array, known.offset), array)
        ):
            return known.arena, known.offset
        offset = arena.add(array)
        self._shared[id(array)] = _Shared(weakref.ref(array), arena, offset)
        return arena, offset

    def prune(self) -> None:
        """Forget arrays that are gone."""
        self._shared = {key: entry for key, entry in self._shared.items() if entry.array() is not None}


class Receiver:
    """The worker's side: arenas and files that are mapped here."""

    def __init__(self) -> None:
        self._arenas: dict[int, mmap.mmap] = {}
        self._files: weakref.WeakValueDictionary[tuple[str, int, int], _FileMap] = (
            weakref.WeakValueDictionary()
        )

    def add_arena(self, key: int, fd: int) -> None:
        """Map an arena; takes over the descriptor."""
        size = os.fstat(fd).st_size
        self._arenas[key] = mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        os.close(fd)

    def keep_arenas(self, keys: set[int]) -> None:
        """Let go of all other arenas; arrays on them keep them mapped."""
        self._arenas = {key: memory for key, memory in self._arenas.items() if key in keys}

    def arena_array(self, key: int, offset: int, layout: Layout) -> Array:
        """Return an array on an arena."""
        shape, dtype, order = layout
        return np.ndarray(shape, dtype, self._arenas[key], offset, None, order)

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


RECEIVER = Receiver()
"""What this process has mapped; filled in worker processes only."""


def arena_array(key: int, offset: int, layout: Layout) -> Array:
    """Return an array on an arena of this process (called by pickle)."""
    return RECEIVER.arena_array(key, offset, layout)


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
    dtype: np.dtype[Any]
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
    offset = _address(array) + shift
    return FilePlace(path, found.st_ino, found.st_size, offset, array.shape, array.dtype, array.strides)


def _origin(array: Array) -> tuple[str, int] | None:
    """Return the file that an array is mapped from and what to add to an address to get a place in it."""
    item: Any = array
    while isinstance(item, np.ndarray):
        if isinstance(item, np.memmap) and isinstance(item.base, mmap.mmap):
            # A private map may have been written to, and an unnamed one cannot be opened again.
            named = item.filename is not None and item.mode != "c"
            return (os.fspath(item.filename), int(item.offset) - _address(item)) if named else None
        item = item.base
    if item is None or array.nbytes < MIN_SHARED_BYTES:
        return None
    return _mapping_at(_address(array))


def _mapping_at(address: int) -> tuple[str, int] | None:
    """Return the file mapped at an address, if the system tells and the mapping cannot differ from it."""
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
    """Compare both ends of a mapped range with the file, which catches a file that was replaced."""
    with open(path, "rb", buffering=0) as file:
        for at in (low, max(low, high - _PROBE)):
            length = min(_PROBE, high - at)
            file.seek(at + shift)
            if file.read(length) != ctypes.string_at(at, length):
                return False
    return True


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _moved(path: str, why: str) -> str:
    return (
        f"the data are mapped from the file {path!r}, which workers cannot map again: {why}. Keep the "
        "file in place while the data are in use."
    )


def _order(array: Array) -> Any:
    return "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"


def layout_of(array: Array) -> Layout:
    """Return the shape, dtype and memory order of an array's shared copy."""
    return array.shape, array.dtype, _order(array)


def _same(copy: Array, array: Array) -> bool:
    """Compare the bits of two arrays of the same layout, chunk by chunk."""
    if copy.shape != array.shape or copy.dtype != array.dtype:
        return False
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        array = np.ascontiguousarray(array)
    a, b = _bits(copy), _bits(array)
    return all(np.array_equal(a[at : at + _CHUNK], b[at : at + _CHUNK]) for at in range(0, len(a), _CHUNK))


def _bits(array: Array) -> NDArray[np.uint8]:
    return (array.T if _order(array) == "F" else array).reshape(-1).view(np.uint8)
