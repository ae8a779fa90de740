"""Which load is under way in a worker: a few words of memory that outlive it.

A worker notes here the begin and the end of each load. When it dies, the parent reads on which ticket it
died, and need not guess: the death of a worker while it started, or between two loads, counts against no
ticket.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple

from streamfit.workers.transport import descriptors, slots

_QUEUE, _NUMBER, _ATTEMPT, _BEGUN, _PREPARING, _STRAY = range(6)


class Load(NamedTuple):
    """One load, as the scheduler counts them."""

    queue: int
    number: int
    attempt: int


class ProgressPage:
    """The progress of one worker; the worker writes, the parent reads.

    Args:
        fd: anonymous memory, taken over; made anew when absent.
    """

    def __init__(self, fd: int | None = None) -> None:
        ours = fd is None
        self.fd = slots.create("progress", mmap.PAGESIZE) if fd is None else fd
        self._identity = descriptors.identity(self.fd)
        # Memory that is not sealed is read, not mapped: a worker could truncate it, which kills its readers.
        self._reads = ours and slots.can_shrink(self.fd)
        self._memory: mmap.mmap | bytearray = bytearray(mmap.PAGESIZE)
        if not self._reads:
            self._memory = slots.mapping(self.fd, mmap.PAGESIZE)
        self._words = memoryview(self._memory).cast("Q")

    def begin(self, queue: int, number: int, attempt: int) -> None:
        """Note that a load begins."""
        words = self._words
        words[_QUEUE] = queue
        words[_NUMBER] = number
        words[_BEGUN] += 1
        words[_ATTEMPT] = attempt

    def end(self) -> None:
        """Note that the outcome of the load was sent."""
        self._words[_ATTEMPT] = 0

    def under_way(self) -> Load | None:
        """Return the load that has begun and not ended."""
        words = self._noted()
        load = Load(words[_QUEUE], words[_NUMBER], words[_ATTEMPT])
        return load if load.attempt else None

    def set_preparing(self, under_way: bool) -> None:
        """Note whether a loader is being made ready."""
        self._words[_PREPARING] = under_way

    def is_preparing(self) -> bool:
        """Return whether a loader is being made ready."""
        return bool(self._noted()[_PREPARING])

    def begun(self) -> int:
        """Return how many loads have begun."""
        return self._noted()[_BEGUN]

    def mark_stray(self) -> None:
        """Note that the worker ends because its socket is not its own any more."""
        self._words[_STRAY] = 1

    def is_stray(self) -> bool:
        """Return whether the worker has ended for that reason."""
        return bool(self._noted()[_STRAY])

    def close(self) -> None:
        """Release the memory."""
        self._words.release()
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()
        descriptors.close(self.fd, self._identity)
        self._identity = None

    def __del__(self) -> None:
        """Close a page that nobody refers to any more, because its maker was interrupted."""
        descriptors.close(self.fd, self._identity)

    def _noted(self) -> memoryview:
        if self._reads:
            slots.read(self.fd, self._words.cast("B"), 0)
        return self._words
