"""Order: a keyed bijection on [0, n), computed position by position.

Guarantees kept here: the order of a pass depends only on its key; every id comes exactly once; there is no
table, so n = 10^12 needs as much memory as n = 10.

The bijection is a Feistel network on pairs (left, right) with position = right * width + left, where
width * height is the smallest such rectangle near a square that covers n, so that fewer than `width`
positions fall outside; for those the permutation is repeated until they are inside (cycle walking; J. Black
and P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). Each round adds a hash of one half to
the other half, modulo its range. The hash is Chris Wellons' `lowbias32` ("Prospecting for hash functions",
2018); a 32-bit hash h is mapped to [0, m) by (h * m) >> 32, which needs no division. Each round runs over
many positions, so that the compiler can use vector instructions.
"""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

ROUNDS = 8
MOST = 1 << 62
"""How many ids can be shuffled."""

_AT_ONCE = 1 << 14
"""How many ids are computed in one call: with their scratch they stay in the cache of a core."""

_LOW = 0xFFFFFFFF
_MULTIPLY_1 = 0x7FEB352D
_MULTIPLY_2 = 0x846CA68B


@kernel
def permute(start: int, sizes: Array, keys: Array, halves: Array, out: Array) -> None:
    """Write the ids at positions start, start + 1, ... to `out`.

    Args:
        start: First position.
        sizes: int64 (3,): n, width, height.
        keys: int64 (rounds,): an even number of round keys below 2**32.
        halves: int64 (2, m): scratch for at least as many positions as `out` holds.
        out: int64 (count,): the ids.
    """
    width, first = int(sizes[1]), int(start)
    left, right = halves[0], halves[1]
    for i in range(out.shape[0]):
        quotient = (first + i) // width
        right[i] = quotient
        left[i] = first + i - quotient * width
    _rounds(sizes, keys, halves, out)


@kernel
def permute_at(positions: Array, sizes: Array, keys: Array, halves: Array, out: Array) -> None:
    """Write the ids at any positions to `out`.

    Args:
        positions: int64 (count,).
        sizes: As for `permute`.
        keys: As for `permute`.
        halves: As for `permute`.
        out: int64 (count,): the ids.
    """
    width = int(sizes[1])
    left, right = halves[0], halves[1]
    for i in range(out.shape[0]):
        position = int(positions[i])
        quotient = position // width
        right[i] = quotient
        left[i] = position - quotient * width
    _rounds(sizes, keys, halves, out)


@kernel
def _rounds(sizes: Array, keys: Array, halves: Array, out: Array) -> None:
    n, width, height = int(sizes[0]), int(sizes[1]), int(sizes[2])
    count = out.shape[0]
    left, right = halves[0], halves[1]
    # Plain whole numbers throughout: masks remove the upper bits, in compiled code and in Python.
    for k in range(0, keys.shape[0], 2):
        key_1, key_2 = int(keys[k]), int(keys[k + 1])
        for i in range(count):
            h = int(right[i]) ^ key_1
            h = ((h ^ (h >> 16)) * _MULTIPLY_1) & _LOW
            h = ((h ^ (h >> 15)) * _MULTIPLY_2) & _LOW
            h = h ^ (h >> 16)
            total = int(left[i]) + ((h * width) >> 32)
            total = total - (width if total >= width else 0)
            left[i] = total
            h = total ^ key_2
            h = ((h ^ (h >> 16)) * _MULTIPLY_1) & _LOW
            h = ((h ^ (h >> 15)) * _MULTIPLY_2) & _LOW
            h = h ^ (h >> 16)
            total = int(right[i]) + ((h * height) >> 32)
            right[i] = total - (height if total >= height else 0)
    for i in range(count):
        out[i] = right[i] * width + left[i]
    for i in range(count):
        if out[i] >= n:
            _walk(sizes, keys, out[i : i + 1])


@kernel
def _walk(sizes: Array, keys: Array, place: Array) -> None:
    n, width, height = int(sizes[0]), int(sizes[1]), int(sizes[2])
    position = int(place[0])
    while position >= n:
        right = position // width
        left = position - right * width
        for k in range(0, keys.shape[0], 2):
            h = right ^ int(keys[k])
            h = ((h ^ (h >> 16)) * _MULTIPLY_1) & _LOW
            h = ((h ^ (h >> 15)) * _MULTIPLY_2) & _LOW
            h = h ^ (h >> 16)
            left = left + ((h * width) >> 32)
            left = left - (width if left >= width else 0)
            h = left ^ int(keys[k + 1])
            h = ((h ^ (h >> 16)) * _MULTIPLY_1) & _LOW
            h = ((h ^ (h >> 15)) * _MULTIPLY_2) & _LOW
            h = h ^ (h >> 16)
            right = right + ((h * height) >> 32)
            right = right - (height if right >= height else 0)
        position = right * width + left
    place[0] = position


class Order:
    """Shuffle [0, n) without a table.

    Args:
        n: How many ids there are, at most 2**62.
        key: Key of the shuffle, such as ``derive(seed, data_epoch, "shuffle")``.

    Raises:
        ValueError: `n` is negative or larger than 2**62.

    Example:
        >>> order = Order(10, key=1)
        >>> sorted(order.ids(0, 10).tolist())
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        >>> bool(order.ids(7, 2)[0] == order.ids(0, 10)[7])
        True
    """

    def __init__(self, n: int, key: int) -> None:
        if not 0 <= n <= MOST:
            raise ValueError(f"an order needs 0 to 2**62 ids, got {n}")
        self.n = n
        width = math.isqrt(max(n, 1) - 1) + 1
        height = -(-max(n, 1) // width)
        self._sizes = np.array([n, width, height], dtype=np.int64)
        self._keys = np.array([derive(key, index) & _LOW for index in range(ROUNDS)], dtype=np.int64)
        self._halves = np.empty((2, 0), dtype=np.int64)

    def ids(self, start: int, count: int) -> Array:
        """Return the ids at positions [start, start + count) as int64, in a fresh array.

        Raises:
            ValueError: The positions are not all in [0, n).
        """
        if not 0 <= start <= start + count <= self.n:
            raise ValueError(f"positions {start}..{start + count - 1} are not all in 0..{self.n - 1}")
        out = np.empty(count, np.int64)
        for done in range(0, count, _AT_ONCE):
            part = out[done : done + _AT_ONCE]
            permute(start + done, self._sizes, self._keys, self._scratch(len(part)), part)
        return out

    def at(self, positions: Array) -> Array:
        """Return the ids at any positions as int64, in a fresh array.

        Raises:
            ValueError: The positions are not all in [0, n).

        Example:
            >>> order = Order(10, key=1)
            >>> bool((order.at(np.array([7, 2])) == order.ids(0, 10)[[7, 2]]).all())
            True
        """
        if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < self.n:
            raise ValueError(f"positions {positions.min()}..{positions.max()} are not all in 0..{self.n - 1}")
        out = np.empty(len(positions), np.int64)
        wanted = np.ascontiguousarray(positions, dtype=np.int64)
        for done in range(0, len(wanted), _AT_ONCE):
            part = out[done : done + _AT_ONCE]
            some = wanted[done : done + _AT_ONCE]
            permute_at(some, self._sizes, self._keys, self._scratch(len(part)), part)
        return out

    def _scratch(self, count: int) -> Array:
        """Return scratch that is large enough for `count` ids."""
        if self._halves.shape[1] < count:
            self._halves = np.empty((2, count), dtype=np.int64)
        return self._halves
