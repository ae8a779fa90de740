"""`OpenShards`: the files of a sharded array that are open now, a bounded number of them.

Guarantees kept here: a file is the one that it was when the data were opened, of the same size and age, or an
error names it; a file that is in use by one thread is not closed by another; descriptors do not depend on the
number of files.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams import bus_errors
from streamfit.streams.stores.paths import FileMark
from streamfit.workers.transport.descriptors import above_standard

MOST_OPEN = 64
_GRANULARITY = mmap.ALLOCATIONGRANULARITY


@dataclass(frozen=True, slots=True)
class FileShard:
    """Where some rows lie.

    Args:
        path: The file.
        mark: What it is known by.
        offset: The first byte of the rows.
        length: Their bytes.
    """

    path: str
    mark: FileMark
    offset: int
    length: int


class OpenShard:
    """A shard that is open: its descriptor and, once rows are gathered from it, its memory map.

    Args:
        shard: The shard.

    Raises:
        DataError: The file cannot be opened, or is not the one that it was.
    """

    __slots__ = ("_address", "_changed", "_map", "_memory", "_size", "fd", "shard")

    def __init__(self, shard: FileShard) -> None:
        self.shard, self.fd = shard, -1
        try:
            self.fd = above_standard(os.open(shard.path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise DataError(f"{shard.path!r} cannot be opened any more: {error.strerror}") from error
        self._map: mmap.mmap | None = None
        self._address = 0
        self._memory: Array | None = None
        self._size, self._changed = (
            shard.mark.size,
            -1,
        )  # st_ctime_ns, which every change of a file changes too
        self.check()

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    def check(self) -> None:
        """Raise DataError unless the file is the one that it was, with the content that it had."""
        found = os.fstat(self.fd)
        # A file that is being cut off has its new size first, and its new time when its pages are gone.
        if found.st_ctime_ns != self._changed or found.st_size != self._size:
            self._examine(found.st_ctime_ns)

    def _examine(self, changed: int) -> None:
        path, mark = self.shard.path, self.shard.mark
        mark.check(path)
        if FileMark.of_stat(os.fstat(self.fd)) != mark:  # the name leads to the file, and our number does not
            raise DataError(f"the descriptor of {path!r} was closed by other code, and its number used again")
        self._changed = changed  # it was opened just now, or has another name or other permissions: no harm

    def check_pages(self) -> None:
        """Raise DataError if pages of the map were missing when they were copied."""
        self.check()
        if bus_errors.is_torn(self._address):
            raise DataError(f"{self.shard.path!r} cannot be read: parts of it are missing on the device")

    def read(self, start: int, into: memoryview) -> None:
        """Read bytes of the shard from `start` on, through the file.

        Raises:
            DataError: The file ends too early, or changed.
        """
        done, offset = 0, self.shard.offset + start
        while done < len(into):
            try:
                count = os.preadv(self.fd, [into[done:]], offset + done)
            except OSError as error:
                raise DataError(f"{self.shard.path!r} cannot be read: {error.strerror}") from error
            if not count:
                break
            done += count
        self.check()
        if done < len(into):
            raise DataError(f"{self.shard.path!r} ends at byte {offset + done:,}, before its last row")

    @property
    def memory(self) -> Array:
        """The bytes of the shard, mapped: uint8 (length,). What refers to them keeps them mapped."""
        memory = self._memory
        if memory is None:
            begin = self.shard.offset // _GRANULARITY * _GRANULARITY
            skipped = self.shard.offset - begin
            whole = skipped + self.shard.length
            try:
                mapping = mmap.mmap(self.fd, whole, access=mmap.ACCESS_READ, offset=begin)
            except (OSError, ValueError) as error:  # ValueError: it was cut off a moment ago
                self.check()
                raise DataError(f"{self.shard.path!r} cannot be mapped: {error}") from error
            memory = np.frombuffer(mapping, np.uint8, self.shard.length, skipped)
            self._address = int(memory.ctypes.data) - skipped
            bus_errors.guard(self._address, whole)
            weakref.finalize(mapping, bus_errors.release, self._address).atexit = False
            self._map, self._memory = mapping, memory
        return memory

    def release(self) -> None:
        """Give mapped pages back; they are mapped again when they are read."""
        if self._map is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)


class OpenShards:
    """Open shards when they are needed, and keep the ones that were used last.

    Args:
        shards: All shards.
        most: How many may be open.
    """

    def __init__(self, shards: list[FileShard], most: int = MOST_OPEN) -> None:
        self.shards, self.most = shards, most
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int) -> OpenShard:
        """Return a shard, opened if it is not open; it stays open while somebody refers to it."""
        with self._lock:
            found = self._open.get(number)
            if found is None:
                while len(self._open) >= self.most:
                    self._open.popitem(last=False)
                found = self._open[number] = OpenShard(self.shards[number])
            else:
                self._open.move_to_end(number)
            return found

    def apart(self, number: int) -> OpenShard:
        """Return a shard that is open, or one that is opened for the caller alone."""
        return self._open.get(number) or OpenShard(self.shards[number])

    def close(self) -> None:
        """Close all shards that nobody else refers to."""
        with self._lock:
            self._open.clear()

    def still_open(self, shards: Mapping[int, OpenShard]) -> dict[int, OpenShard]:
        """Return those of some shards that are open."""
        with self._lock:
            return {number: shard for number, shard in shards.items() if self._open.get(number) is shard}
