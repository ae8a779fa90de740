"""The pool of the standard library in the cost benchmark: order, and neither slots, receipts nor retries.

``multiprocessing.Pool.imap`` delivers the values in order. By default the pool pickles each array through a
pipe. With ``--shared 1`` each batch gets its own block of shared memory, the best that the library allows
without slots: the worker makes and fills it and sends its name through the pipe; the consumer maps and
unlinks it. Like the others, it works a given number of batches ahead; `imap` alone has no bound. A worker
that dies hangs the consumer.
"""

from __future__ import annotations

import functools
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker, shared_memory

import cost_common
import numpy as np
from cost_common import Batch

Named = tuple[str, tuple[int, ...], str]


def pickled(loader: str, size: str, number: int) -> Batch:
    """Load a batch in a worker; the pool pickles it."""
    return cost_common.LOADERS[loader](size, number)


def shared(loader: str, size: str, number: int) -> Named:
    """Load a batch in a worker into a block of shared memory; return what is needed to find it."""
    array = cost_common.LOADERS[loader](size, number)
    block = shared_memory.SharedMemory(create=True, size=array.nbytes)
    np.copyto(np.ndarray(array.shape, array.dtype, block.buf), array)
    name = block.name
    block.close()
    return name, array.shape, array.dtype.str


class Taken:
    """A block that the consumer has mapped and unlinked; it is unmapped with the last array on it."""

    def __init__(self, named: Named) -> None:
        name, shape, dtype = named
        self._block = shared_memory.SharedMemory(name)
        self._block.unlink()
        self.array: Batch = np.ndarray(shape, dtype, self._block.buf)

    def close(self) -> None:
        """Unmap the block."""
        del self.array
        self._block.close()


def main() -> None:
    """Serve epochs of a pool that lives from one to the next."""
    chosen = cost_common.options(ahead=cost_common.AHEAD, shared=0)
    resource_tracker.ensure_running()  # one for all: blocks are made in one process and unlinked in another
    context = multiprocessing.get_context("fork")
    load: Callable[[int], Batch | Named] = functools.partial(
        shared if chosen.shared else pickled, chosen.loader, chosen.size
    )
    with context.Pool(chosen.workers) as pool:

        def epoch(count: int) -> Iterator[Batch]:
            room = threading.Semaphore(chosen.ahead)

            def numbers() -> Iterator[int]:
                for number in range(count):
                    room.acquire()
                    yield number

            for value in pool.imap(load, numbers()):
                room.release()
                if isinstance(value, np.ndarray):
                    yield value
                else:
                    taken = Taken(value)
                    yield taken.array
                    taken.close()

        cost_common.serve(epoch, lambda: [child.pid or 0 for child in multiprocessing.active_children()])


if __name__ == "__main__":
    main()
