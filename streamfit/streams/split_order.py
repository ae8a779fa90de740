"""`SplitOrder`: which positions a part of a split takes, by arithmetic: no table, however many there are.

The positions are cut into chunks of equal size (the last one is larger). How many positions of the first part
lie before a chunk is the fraction of what lies before it, rounded up or down at random, such that every
position has the same chance. In each chunk the smaller part gets a random subset of that size (R. Floyd's
algorithm: J. Bentley, "Programming Pearls: a sample of brilliance", CACM 30(9), 1987), and the other part
gets the rest. A chunk is as small as it can be while the smaller part gets two positions of it on average.

Guarantees kept here: the two parts share no position, together have all, and have the stated sizes; the
positions of a part ascend; each is computed alone, from the arguments of the order.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.kernels.decorator import exact, kernel

MOST = 1 << 50
"""How many positions can be split: whole numbers below are exact in floating point, with room for a draw."""

_SMALLEST_CHUNK = 64
_SUBSET = 80  # more positions than the smaller part gets of any chunk
_LOW = 0xFFFFFFFF
_MULTIPLY_1 = 0x7FEB352D
_MULTIPLY_2 = 0x846CA68B
_KEYS = 5


@exact
def _hashed(value: int, key: int) -> int:
    """Return 32 bits of 32 bits: `lowbias32`, as in `streams/order.py`."""
    h = (value ^ key) & _LOW
    h = ((h ^ (h >> 16)) * _MULTIPLY_1) & _LOW
    h = ((h ^ (h >> 15)) * _MULTIPLY_2) & _LOW
    return h ^ (h >> 16)


@exact
def _drawn(chunk: int, number: int, keys: Array) -> int:
    """Return 62 bits of the number of a chunk and another number."""
    h = _hashed(_hashed(chunk & _LOW, int(keys[0])) ^ (chunk >> 32), int(keys[1]))
    h = _hashed(_hashed(h ^ (number & _LOW), int(keys[2])) ^ (number >> 32), int(keys[3]))
    return (h << 30) ^ _hashed(h, int(keys[4]))


@exact
def _before(chunk: int, sizes: Array, share: Array, keys: Array) -> int:
    """Return how many positions of the first part lie before a chunk."""
    if chunk <= 0:
        return 0
    if chunk >= int(sizes[3]):
        return int(sizes[1])
    up = (_drawn(chunk, 0, keys) >> 30) * 2.0**-32
    return int(chunk * int(sizes[2]) * float(share[0]) + up)


@exact
def _before_of_part(chunk: int, sizes: Array, share: Array, keys: Array) -> int:
    """Return how many positions of this part lie before a chunk."""
    first = _before(chunk, sizes, share, keys)
    if int(sizes[4]) == 0:
        return first
    return (int(sizes[0]) if chunk >= int(sizes[3]) else chunk * int(sizes[2])) - first


@exact
def _draw_subset(chunk: int, length: int, count: int, keys: Array, subset: Array) -> None:
    """Draw `count` of the numbers below `length` for a chunk: ascending, at the beginning of `subset`."""
    for done in range(count):
        last = length - count + done
        drawn = _drawn(chunk, last + 1, keys) % (last + 1)
        for at in range(done):
            if int(subset[at]) == drawn:
                drawn = last
        at = done
        while at > 0 and int(subset[at - 1]) > drawn:
            subset[at] = subset[at - 1]
            at -= 1
        subset[at] = drawn


@kernel
def positions_of_part(
    wanted: Array, sizes: Array, share: Array, keys: Array, subset: Array, out: Array
) -> None:
    """Write the positions of the elements `wanted` of a part.

    Args:
        wanted: int64 (count,): numbers of elements of the part; one after the other is quickest.
        sizes: int64 (5,): positions in all, positions of the first part, positions of a chunk, number of
            chunks, and which part: 0 or 1.
        share: float64 (2,): the fraction of the first part, and of this part.
        keys: int64 (5,): each below 2**32.
        subset: int64 (80,): scratch.
        out: int64 (count,): the positions.
    """
    total, size, chunks, part = int(sizes[0]), int(sizes[2]), int(sizes[3]), int(sizes[4])
    smaller = 0 if float(share[0]) <= 0.5 else 1
    chunk, first, end, count = 0, 0, 0, 0
    for i in range(out.shape[0]):
        number = int(wanted[i])
        if number < first or number >= end:
            chunk = min(max(int(number / (size * float(share[1]))), 0), chunks - 1)
            first = _before_of_part(chunk, sizes, share, keys)
            while first > number:
                chunk -= 1
                first = _before_of_part(chunk, sizes, share, keys)
            end = _before_of_part(chunk + 1, sizes, share, keys)
            while end <= number:
                chunk += 1
                first, end = end, _before_of_part(chunk + 1, sizes, share, keys)
            length = size if chunk + 1 < chunks else total - chunk * size
            count = end - first if part == smaller else length - (end - first)
            _draw_subset(chunk, length, count, keys, subset)
        place = number - first
        if part == smaller:
            place = int(subset[place])
        else:
            for k in range(count):
                if int(subset[k]) <= place:
                    place += 1
        out[i] = chunk * size + place


class SplitOrder:
    """The positions of one part of [0, total), in their order.

    Args:
        total: How many positions there are, at most 2**50.
        fraction: The share of the first part, from 0 to 1.
        part: 0 for the first part, 1 for the second.
        key: What chooses them.

    Attributes:
        n: Number of positions of the part: ``round(total * fraction)`` in the first one.

    Raises:
        ValueError: `total` is negative or larger than 2**50.

    Example:
        >>> first, second = (SplitOrder(10, 0.7, part, key=1) for part in (0, 1))
        >>> first.n, second.n
        (7, 3)
        >>> sorted([*first.at(np.arange(7)).tolist(), *second.at(np.arange(3)).tolist()])
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    def __init__(self, total: int, fraction: float, part: int, key: int) -> None:
        if not 0 <= total <= MOST:
            raise ValueError(f"a split needs 0 to 2**50 positions, got {total}")
        first = round(total * fraction)
        self.n = total - first if part else first
        least, size = min(fraction, 1 - fraction), _SMALLEST_CHUNK
        while size * least < 2 and size < MOST:
            size *= 2
        self._sizes = np.array([total, first, size, max(1, total // size), part], np.int64)
        self._share = np.array([fraction, 1 - fraction if part else fraction], np.float64)
        self._keys = np.array([derive(key, "split", number) & _LOW for number in range(_KEYS)], np.int64)

    def at(self, places: Array) -> Array:
        """Return the positions of the elements at these places of the part, int64, in a fresh array.

        Raises:
            ValueError: The places are not all in [0, n).
        """
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < self.n:
            raise ValueError(f"places {places.min()}..{places.max()} are not all in 0..{self.n - 1}")
        wanted = np.ascontiguousarray(places, np.int64)
        out, subset = np.empty(len(places), np.int64), np.empty(_SUBSET, np.int64)
        positions_of_part(wanted, self._sizes, self._share, self._keys, subset, out)
        return out
