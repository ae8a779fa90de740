"""Which load a worker is at: a few words of memory that outlive it.

A worker notes here what it begins and that it has ended. When it dies, the parent reads which ticket it died
on, rather than guess: a worker that was killed while it started, or between two loads, says nothing against
any ticket.
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

from streamfit.workers import slots

_LANE, _NUMBER, _ATTEMPT, _BEGUN, _PREPARES = range(5)


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
        self._words = memoryview(self._memory).cast("Q")

    def begin(self, lane: int, number: int, attempt: int) -> None:
        """Note that a load begins."""
        words = self._words
        words[_LANE] = lane
        words[_NUMBER] = number
        words[_BEGUN] += 1
        words[_ATTEMPT] = attempt

    def end(self) -> None:
        """Note that the outcome of what was begun was sent."""
        self._words[_ATTEMPT] = 0

    def under_way(self) -> Load | None:
        """Return the load that was begun and not ended."""
        words = self._words
        load = Load(words[_LANE], words[_NUMBER], words[_ATTEMPT])
        return load if load.attempt else None

    def prepare(self, under_way: bool) -> None:
        """Note that a loader is being made ready, or that it is."""
        self._words[_PREPARES] = under_way

    def prepares(self) -> bool:
        """Return whether a loader is being made ready."""
        return bool(self._words[_PREPARES])

    def begun(self) -> int:
        """Return how many loads were begun."""
        return self._words[_BEGUN]

    def close(self) -> None:
        """Give back the memory."""
        self._words.release()
        self._memory.close()
        os.close(self.fd)
