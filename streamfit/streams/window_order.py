"""`WindowOrder`: blocks of rows in a new order, their samples shuffled within windows of blocks.

For stores that read whole blocks (row groups, chunks, runs of lines): a window of blocks fits in memory, so
each block is read once in a pass.

Guarantees kept here: every id comes exactly once; the id at a position depends on the arguments alone, and
can be computed without those before it; memory grows with the number of blocks, not of samples.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams.order import Order

MOST_KEPT = 1 << 22
"""The most samples of a window whose ids are kept (32 MiB; two windows are kept)."""

_CHUNK = 1 << 16  # ids of a window that are computed in one go: they stay in the cache of a core
_DENSE = 64  # positions this far apart, or nearer, are read one after the other


class WindowOrder:
    """The order of the samples of blocks of any lengths.

    The blocks are permuted; each run of `window` blocks of this permutation is a window, in which the samples
    are permuted. Ids number the samples as they lie in the store: those of block b follow those of block
    b - 1.

    Args:
        lengths: int64 (blocks,): rows in each block; 0 is allowed.
        window: How many blocks are shuffled among each other; the last window may have fewer.
        key: Key of the order, such as ``derive(seed, data_epoch, "shuffle")``.

    Attributes:
        n: Number of samples.
        windows: Number of windows.
        starts: int64 (windows + 1,): the first position of each window, and `n`.

    Raises:
        TypeError: `lengths` are not whole numbers.
        ValueError: A length is negative, or `window` is less than 1.

    Example:
        >>> order = WindowOrder(np.array([3, 0, 2, 4]), window=2, key=1)
        >>> sorted(order.at(np.arange(9)).tolist())
        [0, 1, 2, 3, 4, 5, 6, 7, 8]
        >>> order.at(np.array([7, 2])).tolist() == order.at(np.arange(9))[[7, 2]].tolist()
        True
        >>> order.windows, sorted(order.blocks(0).tolist() + order.blocks(1).tolist())
        (2, [0, 1, 2, 3])
    """

    def __init__(self, lengths: Array, window: int, key: int) -> None:
        lengths = np.asarray(lengths)
        if lengths.ndim != 1 or (lengths.size and lengths.dtype.kind not in "iu"):
            raise TypeError(
                f"lengths must be whole numbers, one for each block; got {lengths.dtype} {lengths.shape}"
            )
        if lengths.size and int(lengths.min()) < 0:
            raise ValueError(f"block {int(lengths.argmin())} has {int(lengths.min())} rows; write 0 or more")
        lengths = lengths.astype(np.int64)
        self.window = whole("window", window, 1)
        self.windows = -(-len(lengths) // self.window)
        self._key = key
        self._order = Order(len(lengths), derive(key, "blocks")).ids(0, len(lengths))
        self._first = np.concatenate(([0], np.cumsum(lengths)))  # the first id of each block
        ends = np.concatenate(([0], np.cumsum(lengths[self._order])))  # in their new order
        self._ends = ends
        self.starts: Array = np.append(ends[: len(lengths) : self.window], ends[-1])
        self.n = int(ends[-1])
        self._kept: tuple[tuple[int, Array], ...] = ()  # window and ids; replaced whole, so threads may read

    def blocks(self, window: int) -> Array:
        """Return the numbers of the blocks of a window in their order, int64.

        Raises:
            ValueError: There is no window of this number.
        """
        if not 0 <= window < self.windows:
            raise ValueError(f"there is no window {window}; there are {self.windows}")
        return self._order[window * self.window : (window + 1) * self.window].copy()

    def at(self, positions: Array) -> Array:
        """Return the ids at any positions as int64, in a fresh array.

        Positions near each other are quick: the ids of the last two windows are kept, if they are not many.

        Raises:
            ValueError: The positions are not all in [0, n).
        """
        positions = np.asarray(positions, np.int64)
        if not positions.size:
            return np.empty(0, np.int64)
        low, high = int(positions.min()), int(positions.max())
        if not 0 <= low <= high < self.n:
            raise ValueError(f"positions {low}..{high} are not all in 0..{self.n - 1}")
        dense = high - low < _DENSE * len(positions)
        first, last = (int(found) for found in np.searchsorted(self.starts, [low, high], "right") - 1)
        if first == last:
            return self._within(first, positions - self.starts[first], dense)
        numbers = np.searchsorted(self.starts, positions, "right") - 1
        by_window = np.argsort(numbers, kind="stable")
        out = np.empty(len(positions), np.int64)
        asked, begins = np.unique(numbers[by_window], return_index=True)
        for number, places in zip(asked.tolist(), np.split(by_window, begins[1:]), strict=True):
            out[places] = self._within(number, positions[places] - self.starts[number], dense)
        return out

    def _within(self, window: int, places: Array, dense: bool) -> Array:
        """Return the ids at places of a window, counted from its beginning."""
        for number, ids in self._kept:
            if number == window:
                return ids[places]
        size = int(self.starts[window + 1] - self.starts[window])
        order = Order(size, derive(self._key, "window", window))
        if not dense or size > MOST_KEPT:
            return self._ids(window, order.at(places))
        self._kept = self._kept[-1:]  # before there is another one, so that there are never three
        ids, found = self._stored(window, size), np.empty(size, np.int64)
        for start in range(0, size, _CHUNK):
            count = min(_CHUNK, size - start)
            found[start : start + count] = ids[order.ids(start, count)]
        self._kept = (*self._kept[-1:], (window, found))
        return found[places]

    def _stored(self, window: int, size: int) -> Array:
        """Return the ids of all rows of a window, through its blocks in their order."""
        begin = window * self.window
        made, stop = np.empty(size, np.int64), 0
        for block in self._order[begin : begin + self.window].tolist():
            first, end = int(self._first[block]), int(self._first[block + 1])
            start, stop = stop, stop + end - first
            made[start:stop] = np.arange(first, end)
        return made

    def _ids(self, window: int, rows: Array) -> Array:
        """Return the ids of rows of a window, counted through its blocks in their order."""
        begin = window * self.window
        ends = self._ends[begin : begin + self.window + 1]
        offsets = self._first[self._order[begin : begin + self.window]] - ends[:-1]
        rows = rows + ends[0]
        found: Array = rows + offsets[np.searchsorted(ends[1:], rows, "right")]
        return found
