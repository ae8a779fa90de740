"""`BlockCache`: the blocks of a store that were read last, for whoever asks for single samples.

Guarantee kept here: it holds no more than its bytes, or one block. In another process it is empty.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from streamfit._base.errors import DataError
from streamfit.streams.stages.elements import named_leaves
from streamfit.streams.stores.store import BYTES_OF_TEXT, StoreBlock

CACHE_BYTES = 64 << 20


class BlockCache:
    """Keep blocks that were read, up to a number of bytes; the one that was used longest ago goes first.

    Args:
        most: How many bytes; at least one block is kept.

    A block that cannot be read is kept too, as the exception that says so: each of its samples is asked for
    when bad samples are to be left out.
    """

    def __init__(self, most: int = CACHE_BYTES) -> None:
        self.most = most
        self._found: OrderedDict[int, tuple[StoreBlock | DataError, int]] = OrderedDict()
        self._reading: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[BlockCache], tuple[int]]:
        return BlockCache, (self.most,)

    def get(self, number: int, read: Callable[[int], StoreBlock]) -> StoreBlock:
        """Return a block, read if it is not there; two threads never read one block at once.

        Raises:
            DataError: It cannot be read.
        """
        found = self._kept(number)
        if found is None:
            with self._lock:
                reading = self._reading.setdefault(number, threading.Lock())
            with reading:
                found = self._kept(number)
                if found is None:
                    found = _outcome(number, read)
                    self._keep(number, found)
            with self._lock:
                self._reading.pop(number, None)
        if isinstance(found, DataError):
            raise type(found)(*found.args)
        return found

    def clear(self) -> None:
        """Forget all blocks."""
        with self._lock:
            self._found.clear()

    def _kept(self, number: int) -> StoreBlock | DataError | None:
        with self._lock:
            found = self._found.get(number)
            if found is None:
                return None
            self._found.move_to_end(number)
            return found[0]

    def _keep(self, number: int, found: StoreBlock | DataError) -> None:
        with self._lock:
            self._found[number] = found, 0 if isinstance(found, DataError) else bytes_of(found)
            held = sum(size for _, size in self._found.values())
            while held > self.most and len(self._found) > 1:
                held -= self._found.popitem(last=False)[1][1]


def _outcome(number: int, read: Callable[[int], StoreBlock]) -> StoreBlock | DataError:
    try:
        return read(number)
    except DataError as error:
        return error


def bytes_of(block: StoreBlock) -> int:
    """Return the bytes of a block, roughly where it holds objects.

    Example:
        >>> bytes_of(StoreBlock({"a": np.zeros(3, "float32"), "b": np.array(["x", "y", "z"], object)}))
        252
    """
    total = 0
    for _, leaf in named_leaves(block.rows):
        array = np.asarray(leaf)
        total += array.nbytes if array.dtype != object else array.size * BYTES_OF_TEXT
    return total
