"""`Contents`: a checksum of the data that a model was trained on; `Digest` is one of the sample ids.

Guarantee kept here: the checksum depends on the dtype, shape and bytes of every array of every batch, in
their order, and on nothing else: not on the worker that loaded them, not on their place in memory.

The hash is BLAKE2b (RFC 7693) with 8 bytes, chained: the checksum after a batch is the hash of the checksum
before it and of the batch. So it is a small number that can be saved and continued later.
"""

from __future__ import annotations

import hashlib
from array import array as array_of

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.batch import ROLES, Batch
from streamfit.streams.leaves import leaves

_BYTES = 8


class Contents:
    """Compute a checksum over batches in their order.

    Args:
        state: The `value` of another checksum to continue; 0 to begin.

    Attributes:
        value: The checksum so far.
        trail: All values so far, the first one first.

    Example:
        >>> one, two = Contents(), Contents()
        >>> one.add(Batch(np.zeros((2, 3), "float32"), np.ones(2)))
        >>> two.add(Batch(np.asfortranarray(np.zeros((2, 3), "float32")), np.ones(2)))
        >>> one.text() == two.text()
        True
        >>> two.add(Batch(np.zeros((2, 3), "float32"), np.ones(2)))
        >>> one.text() == two.text()
        False
    """

    def __init__(self, state: int = 0) -> None:
        self.value = state
        self.trail = array_of("Q", [state])  # 8 bytes for each batch

    def add(self, batch: Batch) -> None:
        """Add x, y and weights of one batch."""
        mixed = hashlib.blake2b(self.value.to_bytes(_BYTES, "little"), digest_size=_BYTES)
        for role, part in zip(ROLES, batch.parts(), strict=True):
            for name, array in leaves(part, role):
                data = np.ascontiguousarray(array)
                mixed.update(f"{name} {array.dtype.str} {array.shape}".encode())
                mixed.update(_bytes_of(data))
        self.value = int.from_bytes(mixed.digest(), "little")
        self.trail.append(self.value)

    def text(self) -> str:
        """Return the checksum so far, in hexadecimal."""
        return f"{self.value:016x}"


def _bytes_of(data: Array) -> memoryview | bytes:
    return data.reshape(-1).view(np.uint8).data if data.size else b""
