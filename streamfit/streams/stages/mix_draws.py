"""`Draws`: which input of a `mix` gives the element at a position, and which of its elements that is.

Guarantee kept here: the draw at a position depends on key and position alone. What it stands for also depends
on how many elements the inputs have left, which is kept for every 4,096th position, up to the furthest one
that was asked for: a pass that is read from its beginning needs no table.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

from streamfit._base.keys import uniforms
from streamfit._base.specs import Array

_CHUNK = 4096
_CHUNKS_KEPT = 1024  # their draws: 9 bytes for each of 4 million positions


class Draws:
    """Draw for each position one of several inputs, until all have ended.

    Args:
        sizes: int64 (inputs,): how many elements each input has.
        weights: float64 (inputs,): how often each is drawn, relative to the others that have not ended.
        key: The key of the draws.

    Example:
        >>> draws = Draws(np.array([2, 3]), np.array([1.0, 2.0]), key=5)
        >>> numbers, within = draws.locate(np.arange(5))
        >>> sorted(zip(numbers.tolist(), within.tolist()))
        [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    """

    def __init__(self, sizes: Array, weights: Array, key: int) -> None:
        self._sizes, self._weights, self._key = sizes, weights, key
        self._total = int(sizes.sum())
        self._kind = np.uint8 if len(sizes) <= 256 else np.int64
        self._left = np.empty((16, len(sizes)), np.int64)  # what is left at the beginning of each chunk
        self._left[0] = sizes
        self._known = 1
        self._kept: OrderedDict[int, tuple[Array, Array]] = OrderedDict()
        self._lock = threading.Lock()

    def locate(self, positions: Array) -> tuple[Array, Array]:
        """Return the number of the input at each position, and the position in that input."""
        chunks = positions // _CHUNK
        numbers, within = np.empty(len(positions), np.int64), np.empty(len(positions), np.int64)
        with self._lock:
            for chunk in np.unique(chunks).tolist():
                places = np.flatnonzero(chunks == chunk)
                found = self._chunk(chunk)
                inside = positions[places] - chunk * _CHUNK
                numbers[places], within[places] = found[0][inside], found[1][inside]
        return numbers, within

    def _chunk(self, chunk: int) -> tuple[Array, Array]:
        while self._known <= chunk:
            self._draw(self._known - 1)
        found = self._kept.get(chunk)
        return self._draw(chunk) if found is None else found

    def _draw(self, chunk: int) -> tuple[Array, Array]:
        """Draw the inputs of a chunk: between two ends of inputs, all at once."""
        left = self._left[chunk].copy()
        first = chunk * _CHUNK
        draws = uniforms(self._key, np.arange(first, min(first + _CHUNK, self._total)))
        numbers = np.empty(len(draws), self._kind)
        within = np.empty(len(draws), np.int64)
        start = 0
        while start < len(draws):
            chosen = choose(self._weights, draws[start:], np.flatnonzero(left))
            # Up to the position at which the first input gives its last element.
            counts = np.bincount(chosen, minlength=len(left))
            ended = np.flatnonzero((left > 0) & (counts >= left))
            ends = [int(np.flatnonzero(chosen == at)[left[at] - 1]) for at in ended]
            count = min(ends, default=len(chosen) - 1) + 1
            numbers[start : start + count] = chosen[:count]
            left -= np.bincount(chosen[:count], minlength=len(left))
            start += count
        for at in np.unique(numbers).tolist():
            places = np.flatnonzero(numbers == at)
            within[places] = self._sizes[at] - self._left[chunk, at] + np.arange(len(places))
        if self._known == chunk + 1:
            if self._known == len(self._left):
                self._left = np.concatenate([self._left, np.empty_like(self._left)])
            self._left[self._known] = left
            self._known += 1
        self._kept[chunk] = numbers, within
        while len(self._kept) > _CHUNKS_KEPT:
            self._kept.popitem(last=False)
        return numbers, within


def choose(weights: Array, draws: Array, left: Array) -> Array:
    """Return the input for each draw, among those that have elements left."""
    bounds = np.cumsum(weights[left])
    places = np.searchsorted(bounds / bounds[-1], draws, side="right").clip(max=len(left) - 1)
    chosen: Array = left[places]
    return chosen
