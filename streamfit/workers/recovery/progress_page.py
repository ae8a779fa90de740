"""Which load a worker is at: a few words of memory that outlive it.

A worker notes here what it begins and that it has ended. When it dies, the parent reads which ticket it died
on, rather than guess: a worker that was killed while it started, or between two loads, says nothing against
any ticket.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

from streamfit.workers.transport import descriptors, slots

_LANE, _NUMBER, _ATTEMPT, _BEGUN, _PREPARES, _STRAY = range(6)


class Load(NamedTuple):
    """One load, as the scheduler counts them."""

    queue: int
    number: int
    attempt: int


class ProgressPage:
    """One worker's note; the worker writes, the parent reads.

    Args:
        fd: anonymous memory, taken over; made anew when absent.
    """

    def __init__(self, fd: int | None = None) -> None:
        ours = fd is None
        self.fd = slots.create("progress", mmap.PAGESIZE) if fd is None else fd
        self._identity = descriptors.identity(self.fd)
        # A worker could cut short, and kill who reads on, what is not sealed: that is read instead.
        self._reads = ours and slots.can_shrink(self.fd)
        self._memory: mmap.mmap | bytearray = bytearray(mmap.PAGESIZE)
        if not self._reads:
            self._memory = slots.mapping(self.fd, mmap.PAGESIZE)
        self._words = memoryview(self._memory).cast("Q")

    def begin(self, queue: int, number: int, attempt: int) -> None:
        """Note that a load begins."""
        words = self._words
        words[_LANE] = queue
        words[_NUMBER] = number
        words[_BEGUN] += 1
        words[_ATTEMPT] = attempt

    def end(self) -> None:
        """Note that the outcome of what was begun was sent."""
        self._words[_ATTEMPT] = 0

    def under_way(self) -> Load | None:
        """Return the load that was begun and not ended."""
        words = self._noted()
        load = Load(words[_LANE], words[_NUMBER], words[_ATTEMPT])
        return load if load.attempt else None

    def prepare(self, under_way: bool) -> None:
        """Note that a loader is being made ready, or that it is."""
        self._words[_PREPARES] = under_way

    def prepares(self) -> bool:
        """Return whether a loader is being made ready."""
        return bool(self._noted()[_PREPARES])

    def begun(self) -> int:
        """Return how many loads were begun."""
        return self._noted()[_BEGUN]

    def stray(self) -> None:
        """Note that the worker gives up because its socket is not its own any more."""
        self._words[_STRAY] = 1

    def strayed(self) -> bool:
        """Return whether the worker has given up for that reason."""
        return bool(self._noted()[_STRAY])

    def close(self) -> None:
        """Give back the memory."""
        self._words.release()
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()
        descriptors.close(self.fd, self._identity)
        self._identity = None

    def __del__(self) -> None:
        """Close what nobody refers to any more: of one that made it, and was interrupted."""
        descriptors.close(self.fd, self._identity)

    def _noted(self) -> memoryview:
        if self._reads:
            slots.read(self.fd, self._words.cast("B"), 0)
        return self._words
