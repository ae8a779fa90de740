"""`Digest`: a checksum of 64 bits over the ids of all delivered samples in their order.

The digest is a number that is updated batch by batch, so it can be saved with the place of a stream and
continued later. Each id is mixed in by a multiplication with an odd number and a shift. Both can be inverted,
so one step never maps two different digests to the same one; it is a checksum, not a cryptographic hash.
"""

from __future__ import annotations

import hashlib

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

_MASK, _LEAST = (1 << 63) - 1, -(1 << 63)
_ODD = 0x1E3779B97F4A7C15
_START = 0x243F6A8885A308D3 & _MASK


@kernel
def mix_in(ids: Array, state: Array) -> None:
    """Mix ids, one after the other, into the one number of `state`; both int64."""
    digest = int(state[0])
    for i in range(ids.shape[0]):
        # The mask removes bits above 64, in compiled code and in Python.
        digest = ((digest ^ int(ids[i])) * _ODD) & _MASK
        digest = digest ^ (digest >> 32)
    state[0] = digest


def mixed(state: int, number: int) -> int:
    """Return the state after one id, as `mix_in` computes it.

    Example:
        >>> state = np.array([5])
        >>> mix_in(np.array([7]), state)
        >>> int(state[0]) == mixed(5, 7)
        True
    """
    state = ((state ^ number) * _ODD) & _MASK
    return state ^ (state >> 32)


class Digest:
    """Compute a digest over the ids of batches in their order.

    Args:
        state: The `value` of another digest to continue; None to begin.

    Example:
        >>> one, two = Digest(), Digest()
        >>> one.add(np.arange(4))
        >>> two.add(np.arange(2))
        >>> more = Digest(two.value)
        >>> more.add(np.arange(2, 4))
        >>> one.text() == more.text()
        True
    """

    def __init__(self, state: int | None = None) -> None:
        self._state = np.array([_START if state is None else state], dtype=np.int64)

    @property
    def value(self) -> int:
        """The digest so far, as a whole number below 2**63."""
        return int(self._state[0])

    def mark(self, data_epoch: int, number: int) -> None:
        """Add the start of a run of batches, its pass and number; within a run both follow from the order."""
        self._state[0] = mixed(mixed(self.value, data_epoch), number)

    def add(self, ids: object) -> None:
        """Add the ids of one batch: an array, a whole number, or any other value that a source uses."""
        # A plain number comes first: every batch of a `Sequence` has one, and each check costs time.
        if type(ids) is int and _LEAST <= ids <= _MASK:
            self._state[0] = mixed(self.value, ids)
        elif isinstance(ids, np.ndarray) and ids.dtype == np.int64:
            mix_in(np.ascontiguousarray(ids).reshape(-1), self._state)
        elif isinstance(ids, (int, np.integer)) and _LEAST <= ids <= _MASK:
            self._state[0] = mixed(self.value, int(ids))
        else:
            text = ids.tobytes() if isinstance(ids, np.ndarray) else repr(ids).encode()
            brief = hashlib.blake2b(text, digest_size=7).digest()
            self._state[0] = mixed(self.value, int.from_bytes(brief, "little"))

    def add_numbers(self, numbers: list[int]) -> None:
        """Add the ids of several batches, each a whole number, in their order."""
        # In Python: called between batches, with cold caches, a kernel takes five times as long (60 us).
        if min(numbers) < _LEAST or max(numbers) > _MASK:
            for number in numbers:
                self.add(number)
            return
        state = self.value
        for number in numbers:
            state = mixed(state, number)
        self._state[0] = state

    def text(self) -> str:
        """Return the digest so far, in hexadecimal."""
        return f"{self.value:016x}"
