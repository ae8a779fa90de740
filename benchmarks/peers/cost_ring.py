"""The limit of the cost benchmark: the least code that delivers these batches from processes.

Workers are forked once. Each has a ring of buffers in anonymous shared memory, mapped before the fork, and
two pipes: one for the indices of filled buffers, one for requests and for returned buffers. Batches go to
workers round-robin; an array is copied once, into its buffer; the consumer gets a view that is overwritten
when it has taken the next. A dead worker hangs the consumer, an exception kills the worker, a batch of
another shape does not fit, nothing is counted, checked or cleaned up.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator

import cost_common
import numpy as np
from cost_common import Batch

ORDER = struct.Struct("<qqq")
READ_AT_MOST = 64
POPULATE = getattr(mmap, "MAP_POPULATE", 0)


class Worker:
    """The consumer's view of a forked worker and its ring."""

    def __init__(self, load: Callable[[int], Batch], like: Batch, depth: int) -> None:
        stride = -(-like.nbytes // mmap.PAGESIZE) * mmap.PAGESIZE
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | POPULATE
        memory = mmap.mmap(-1, stride * depth, flags=flags)
        places = [np.ndarray(like.shape, like.dtype, memory, stride * place) for place in range(depth)]
        filled, tell = os.pipe()
        orders, order = os.pipe()
        free, release = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for end in (filled, order, release):
                    os.close(end)
                work(load, places, orders, free, tell)
            finally:
                os._exit(0)
        for end in (tell, orders, free):
            os.close(end)
        self._places, self._filled, self._order, self._release = places, filled, order, release
        self._indices = b""
        self._taken = 0
        self._group = max(1, depth // 2)

    def begin(self, first: int, step: int, end: int) -> None:
        """Request batches ``first``, ``first + step``, ..., up to ``end``."""
        os.write(self._order, ORDER.pack(first, step, end))

    def take(self) -> Batch:
        """Wait for the next batch."""
        if not self._indices:
            self._indices = os.read(self._filled, READ_AT_MOST)
        index, self._indices = self._indices[0], self._indices[1:]
        return self._places[index]

    def give_back(self) -> None:
        """Let the worker fill the buffer again; buffers go back in groups, to wake the worker less often."""
        self._taken += 1
        if self._taken == self._group:
            os.write(self._release, b"\0" * self._taken)
            self._taken = 0


def work(load: Callable[[int], Batch], places: list[Batch], orders: int, free: int, tell: int) -> None:
    """Run as a worker until the pipe of requests is closed."""
    copy, read, write, depth = np.copyto, os.read, os.write, len(places)
    names = [bytes([index]) for index in range(depth)]
    empty, index = depth, 0
    while order := read(orders, ORDER.size):
        for number in range(*_as_range(order)):
            array = load(number)
            while not empty:
                empty += len(read(free, READ_AT_MOST))
            copy(places[index], array)
            write(tell, names[index])
            del array
            empty, index = empty - 1, (index + 1) % depth


def _as_range(order: bytes) -> tuple[int, int, int]:
    first, step, end = ORDER.unpack(order)
    return first, end, step


def main() -> None:
    """Serve epochs of a pool that lives from one to the next."""
    chosen = cost_common.options(depth=2)
    loader = cost_common.LOADERS[chosen.loader]

    def load(number: int) -> Batch:
        return loader(chosen.size, number)

    like = load(0)
    workers = [Worker(load, like, chosen.depth) for _ in range(chosen.workers)]

    def epoch(count: int) -> Iterator[Batch]:
        for first, worker in enumerate(workers):
            worker.begin(first, len(workers), count)
        for number in range(count):
            worker = workers[number % len(workers)]
            yield worker.take()
            worker.give_back()

    cost_common.serve(epoch, lambda: [worker.pid for worker in workers])


if __name__ == "__main__":
    main()
