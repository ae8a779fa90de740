"""`empty`: memory for a batch where it will be sent from, handed out to the code that makes the batch.

A worker process sends a batch through shared memory. A load that writes straight into that memory saves the
copy. Anywhere else, and in other threads than that of the load, `empty` is `numpy.empty`.

Guarantee kept here: memory that was handed out belongs to the value under way; nothing else is written there
before the value has been packed.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numpy.typing import DTypeLike

from streamfit._base.config import floatx
from streamfit._base.specs import Array
from streamfit.workers.transport.slots import Slot, padded


class Scratch:
    """The memory of the slot that the value under way will be sent in; one for each process.

    Attributes:
        handed: What was handed out for this value, with its address and its offset in the slot.
        end: Where the memory that was handed out ends, in bytes from the beginning of the slot.
    """

    def __init__(self) -> None:
        self._slot: Slot | None = None
        self._thread = 0
        self.end = 0
        self.handed: list[tuple[Array, int, int]] = []

    def open(self, slot: Slot) -> None:
        """Offer the memory of a slot to this thread; before each load, `end` is set to where it is free."""
        self._slot, self._thread = slot, threading.get_ident()

    def close(self) -> None:
        """Offer nothing; forget what was handed out."""
        self._slot = None
        if self.handed:
            self.handed.clear()

    def take(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array | None:
        """Hand out memory, or None where there is none to offer."""
        size = math.prod(shape) * dtype.itemsize
        if self._slot is None or self._thread != threading.get_ident() or dtype.hasobject or not size:
            return None
        offset, self.end = self.end, self.end + padded(size)
        self._slot.reserve(self.end)
        array = self._slot.array(shape, dtype, offset)
        self.handed.append((array, _address(array), offset))
        return array

    def offset_of(self, array: Array) -> int | None:
        """Return where an array lies in the slot, or None if it lies elsewhere or not in one piece."""
        if not array.flags.c_contiguous:
            return None
        address = _address(array)
        for whole, begin, offset in self.handed:
            if begin <= address and address + array.nbytes <= begin + whole.nbytes:
                return offset + address - begin
        return None


SCRATCH = Scratch()


def empty(shape: int | tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
    """Return an array to fill, inside a load where the batch will be sent from.

    Use it in `Sequence.__getitem__`, in `Source.load` or in a function that maps batches, for the arrays that
    are returned: a large batch is then written once and not copied on its way out of a worker process. The
    memory belongs to the batch: do not keep the array for later loads.

    Args:
        shape: Shape of the array.
        dtype: Its dtype; None for the default float type.

    Returns:
        An array of that shape with arbitrary content.

    Example:
        >>> import numpy as np
        >>> batch = empty((4, 3), "float32")
        >>> np.multiply(np.ones((4, 3)), 2, out=batch, casting="same_kind")[0].tolist()
        [2.0, 2.0, 2.0]
    """
    wanted = np.dtype(floatx() if dtype is None else dtype)
    whole = (shape,) if isinstance(shape, int) else tuple(shape)
    found = SCRATCH.take(whole, wanted)
    return np.empty(whole, wanted) if found is None else found


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
