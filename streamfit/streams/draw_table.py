"""`DrawTable`: which element is drawn at which position, with probability in proportion to weights.

Guarantees kept here: a draw depends on key and position alone, so any position of a pass can be computed by
itself; an element of weight 0 is never drawn; even draws take each element its expected number of times,
rounded up or down, and exactly as many as were asked for in all.

Weights become whole numbers of *units*, of which all elements together have ``size`` times 2**shift: an
element whose units are a multiple of 2**shift comes the same number of times in every pass. Even draws are
systematic sampling (W. G. Madow and L. H. Madow, "On the theory of systematic sampling", Annals of
Mathematical Statistics, 1944): points at equal distances, with one offset for the pass, on the line on which
the stretches of all elements follow one another. The expected number of points in a stretch is its length,
whatever the order of the stretches. Each pass orders those of 32 neighbours anew, so that which ones are
drawn together changes from pass to pass, while a point is found with one search and at most 32 steps.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.keys import derive, uniforms
from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

BLOCK = 32
"""How many neighbours change places with each other."""

_SHIFT, _BITS = 32, 61  # of one draw, of all together
_ROUNDING = 64 * np.finfo(np.float64).eps  # of the sum of all weights, and of a product with it
_CHUNK = 1 << 16
_LOW = 0xFFFFFFFF
_STEP = 0x9E3779B9
_MULTIPLY_1 = 0x7FEB352D
_MULTIPLY_2 = 0x846CA68B


@kernel
def find_places(
    points: Array, units: Array, bounds: Array, key: Array, order: Array, places: Array, before: Array
) -> None:
    """Write for each point the place of the element whose stretch holds it, and where the stretch begins.

    Args:
        points: int64 (m,), each from 1 to the sum of `units`.
        units: int64 (n,): the length of the stretch of each element.
        bounds: int64 (blocks + 1,): the units before each block of elements, and of all.
        key: int64 (1,): the key of the orders within blocks, below 2**32; -1 leaves elements as they lie.
        order: int64 (BLOCK,): scratch.
        places: int64 (m,).
        before: int64 (m,): the units before the stretch.
    """
    n, blocks, seed = units.shape[0], bounds.shape[0] - 1, int(key[0])
    block, length, ordered, state = -1, 0, 0, 0
    for i in range(points.shape[0]):
        point = int(points[i])
        if block < 0 or point <= bounds[block] or point > bounds[block + 1]:
            low, high = 0, blocks - 1
            while low < high:
                middle = (low + high) // 2
                if bounds[middle + 1] < point:
                    low = middle + 1
                else:
                    high = middle
            block = low
            length = min(BLOCK, n - block * BLOCK)
            for j in range(length):
                order[j] = block * BLOCK + j
            ordered = length if seed < 0 else 0
            state = (block ^ (block >> 32) ^ seed) & _LOW
        reached, at = int(bounds[block]), 0
        while True:
            if at == ordered:  # as far as it is needed: the next of the shuffled block
                ordered = ordered + 1
                state = (state + _STEP) & _LOW
                h = ((state ^ (state >> 16)) * _MULTIPLY_1) & _LOW  # `lowbias32`, as in `order`
                h = ((h ^ (h >> 15)) * _MULTIPLY_2) & _LOW
                h = h ^ (h >> 16)
                other = at + ((h * (length - at)) >> 32)
                moved = order[at]
                order[at] = order[other]
                order[other] = moved
            stretch = int(units[order[at]])
            if point <= reached + stretch:
                break
            reached = reached + stretch
            at = at + 1
        places[i] = order[at]
        before[i] = reached


@kernel
def count_places(places: Array, counts: Array) -> None:
    """Add one to the count of each place."""
    for i in range(places.shape[0]):
        counts[places[i]] += 1


class DrawTable:
    """Draw elements in proportion to weights; 8 bytes for each element.

    Args:
        weights: float64 (n,), finite, not negative, not all zero. What is less than one part in 2**32 of a
            draw counts as 0.
        size: How many elements a pass draws.

    Example:
        >>> table = DrawTable(np.array([1.0, 0.0, 3.0]), 8)
        >>> places, copies = table.even(7, np.arange(8))
        >>> np.bincount(places).tolist(), copies[places == 0].tolist()
        ([2, 0, 6], [0, 1])
        >>> bool((table.even(7, np.array([5]))[0] == places[5]).all())
        True
    """

    def __init__(self, weights: Array, size: int) -> None:
        self.size = size
        self._shift = max(0, min(_SHIFT, _BITS - size.bit_length()))
        self._units = _as_units(weights, size, self._shift)
        starts = np.arange(0, len(weights), BLOCK)
        self._bounds = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(np.add.reduceat(self._units, starts), out=self._bounds[1:])

    @property
    def most(self) -> int:
        """How often even draws take one element at most."""
        return -(-int(self._units.max()) >> self._shift)

    def drawn_before(self, elements: Array) -> Array:
        """Return how many even draws come before these elements, give or take those of a few neighbours."""
        found: Array = self._bounds[np.minimum(elements // BLOCK, len(self._bounds) - 1)] >> self._shift
        found[elements >= len(self._units)] = self.size
        return found

    def even(self, key: int, positions: Array) -> tuple[Array, Array]:
        """Return the element at each position of a pass, and how often it came at positions before."""
        offset = derive(key, "offset") & ((1 << self._shift) - 1)
        points = ((positions + 1) << self._shift) - offset
        places, before = self._find(points, derive(key, "blocks") & _LOW)
        return places, positions - ((before + offset) >> self._shift)

    def independent(self, key: int, positions: Array) -> Array:
        """Return the element at each position, where no draw depends on another."""
        total = int(self._bounds[-1])
        points = (uniforms(key, positions) * total).astype(np.int64) + 1
        return self._find(np.minimum(points, total), -1)[0]

    def _find(self, points: Array, key: int) -> tuple[Array, Array]:
        places, before = np.empty(len(points), np.int64), np.empty(len(points), np.int64)
        order, keys = np.empty(BLOCK, np.int64), np.array([key], np.int64)
        wanted = np.ascontiguousarray(points, dtype=np.int64)
        find_places(wanted, self._units, self._bounds, keys, order, places, before)
        return places, before

    def counted(self, key: int, independent: bool) -> tuple[int, int]:
        """Return how many different elements a pass draws, and how often one comes at most."""
        counts = np.zeros(len(self._units), np.int32)
        for first in range(0, self.size, _CHUNK):
            positions = np.arange(first, min(self.size, first + _CHUNK))
            places = self.independent(key, positions) if independent else self.even(key, positions)[0]
            count_places(places, counts)
        return int(np.count_nonzero(counts)), int(counts.max())


def _as_units(weights: Array, size: int, shift: int) -> Array:
    """Return weights as whole numbers whose sum is ``size << shift``."""
    scaled = weights / weights.max()  # their sum must be finite
    expected = scaled * (size / scaled.sum())
    near = np.rint(expected)
    expected = np.where(np.abs(expected - near) <= _ROUNDING * near, near, expected)
    units: Array = np.rint(np.ldexp(expected, shift)).astype(np.int64)
    missing = (size << shift) - int(units.sum())
    while missing:  # what rounding has added or lost: less than a unit for each element
        # An element that is to come the same number of times in every pass keeps its units.
        chosen = np.flatnonzero(units & ((1 << shift) - 1))
        chosen = chosen if len(chosen) else np.flatnonzero(units)
        step = max(1, abs(missing) // len(chosen))
        if missing < 0:
            step = min(step, int(units[chosen].min()))
        chosen = chosen[: abs(missing) // step]
        change = step if missing > 0 else -step
        units[chosen] += change
        missing -= change * len(chosen)
    return units
