"""Which load a worker is at: a few words of memory that outlive it.

A worker notes here what it begins and that it has ended. When it dies, the parent reads which ticket it died
on, rather than guess: a worker that was killed while it started, or between two loads, says nothing against
any ticket.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

from streamfit.workers import slots

_WORDS = struct.Struct("<QQQQ")


class Load(NamedTuple):
    """One load, as the scheduler counts them."""

    lane: int
    number: int
    attempt: int


class Marker:
    """One worker's note; the worker writes, the parent reads.

    Args:
        fd: anonymous memory, taken over; made anew when absent.
    """

    def __init__(self, fd: int | None = None) -> None:
        self.fd = slots.create("marker", mmap.PAGESIZE) if fd is None else fd
        with slots.taking_descriptors():
            self._memory = mmap.mmap(self.fd, mmap.PAGESIZE)
        self._begun = 0

    def begin(self, load: Load) -> None:
        """Note that a load begins."""
        self._begun += 1
        _WORDS.pack_into(self._memory, 0, *load, self._begun)

    def end(self) -> None:
        """Note that it has ended and that its outcome was sent."""
        _WORDS.pack_into(self._memory, 0, 0, 0, 0, self._begun)

    def under_way(self) -> Load | None:
        """Return the load that was begun and not ended."""
        load = Load(*_WORDS.unpack_from(self._memory)[:3])
        return load if load.attempt else None

    def begun(self) -> int:
        """Return how many loads were begun."""
        return int(_WORDS.unpack_from(self._memory)[3])

    def close(self) -> None:
        """Give back the memory."""
        self._memory.close()
        os.close(self.fd)
