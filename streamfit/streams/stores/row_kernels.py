"""Kernels that find the blocks of samples and copy rows of blocks to their places.

NumPy does the same in several passes over memory; these take one each.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

_TABLE = 1 << 16
_WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


@kernel
def find_blocks(ids: Array, starts: Array, table: Array, shift: int, blocks: Array, counts: Array) -> None:
    """Write the block of each id, and count the ids of each block.

    Args:
        ids: int64 (n,).
        starts: int64 (blocks + 1,): the first id of each block, and the number of all.
        table: int64: the block that the id ``k << shift`` is in, for each k.
        shift: See `table`.
        blocks: int32 (n,): the result.
        counts: int64 (blocks,): zeros before.
    """
    for i in range(ids.shape[0]):
        name = int(ids[i])
        block = int(table[name >> shift])
        while name >= starts[block + 1]:
            block += 1
        blocks[i] = block
        counts[block] += 1


@kernel
def group_rows(ids: Array, starts: Array, blocks: Array, cursors: Array, places: Array, rows: Array) -> None:
    """Write for each block which places of `ids` it fills, and by which of its rows.

    Args:
        ids: int64 (n,).
        starts: int64 (blocks + 1,): the first id of each block.
        blocks: int32 (n,): the block of each id.
        cursors: int64 (blocks,): where the places of each block begin in the results; it is moved on.
        places: int32 (n,): places in `ids`, those of a block together and ascending.
        rows: int32 (n,): the rows in the block.
    """
    for i in range(ids.shape[0]):
        block = int(blocks[i])
        at = int(cursors[block])
        cursors[block] = at + 1
        places[at] = i
        rows[at] = ids[i] - starts[block]


@kernel
def place_values(values: Array, rows: Array, places: Array, out: Array) -> None:
    """Compute ``out[places] = values[rows]``.

    Args:
        values: (m,), words of 1, 2, 4 or 8 bytes.
        rows: int32 (n,).
        places: int32 (n,).
        out: (k,), of the same dtype.
    """
    for i in range(rows.shape[0]):
        out[int(places[i])] = values[int(rows[i])]


@kernel
def place_rows(values: Array, rows: Array, places: Array, out: Array) -> None:
    """Compute ``out[places] = values[rows]`` for arrays of two axes.

    Args:
        values: (m, width), words of 1, 2, 4 or 8 bytes.
        rows: int32 (n,).
        places: int32 (n,).
        out: (k, width), of the same dtype.
    """
    width = values.shape[1]
    for i in range(rows.shape[0]):
        row, place = int(rows[i]), int(places[i])
        for j in range(width):
            out[place, j] = values[row, j]


class BlockFinder:
    """Find which rows of which blocks some samples are.

    Args:
        starts: int64 (blocks + 1,): the first id of each block, and the number of all.

    Example:
        >>> finder = BlockFinder(np.array([0, 2, 2, 5]))
        >>> blocks, ends, places, rows = finder.grouped(np.array([4, 0, 3]))
        >>> blocks.tolist(), ends.tolist(), places.tolist(), rows.tolist()
        ([0, 2], [1, 3], [1, 0, 2], [0, 2, 1])
    """

    def __init__(self, starts: Array) -> None:
        self._starts = np.ascontiguousarray(starts, np.int64)
        total = int(starts[-1])
        self._shift = max(0, (total // _TABLE).bit_length())
        firsts = np.arange((max(1, total) - 1 >> self._shift) + 1, dtype=np.int64) << self._shift
        self._table: Array = (np.searchsorted(self._starts, firsts, "right") - 1).astype(np.int64)

    def grouped(self, ids: Array) -> tuple[Array, Array, Array, Array]:
        """Return blocks, ends, places and rows.

        Args:
            ids: int64 (n,), fewer than 2**31.

        Returns:
            The blocks that are needed, ascending; where the part of each ends in what follows; the places in
            `ids`, grouped by block; the row in its block of each.
        """
        count = len(ids)
        ids = np.ascontiguousarray(ids, np.int64)
        of_each = np.empty(count, np.int32)
        counts = np.zeros(len(self._starts) - 1, np.int64)
        find_blocks(ids, self._starts, self._table, self._shift, of_each, counts)
        blocks = np.flatnonzero(counts)
        ends = np.cumsum(counts[blocks])
        cursors = np.cumsum(counts) - counts
        places, rows = np.empty(count, np.int32), np.empty(count, np.int32)
        group_rows(ids, self._starts, of_each, cursors, places, rows)
        return blocks, ends, places, rows


def place(values: Array, rows: Array, places: Array, out: Array) -> None:
    """Compute ``out[places] = values[rows]`` for arrays of any dtype and number of axes.

    Args:
        values: (m, ...).
        rows: int32 (n,), below m.
        places: int32 (n,), below the length of `out`; each once.
        out: (k, ...), C-contiguous, with the shape of the rows and the dtype of `values`.

    Example:
        >>> out = np.zeros((3, 2))
        >>> place(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1], "int32"), np.array([2], "int32"), out)
        >>> out[2].tolist()
        [3.0, 4.0]
    """
    if values.dtype.hasobject or not values.size:
        out[places] = values[rows]
        return
    size = values[:1].nbytes
    word = next(width for width in (8, 4, 2, 1) if size % width == 0 and out.ctypes.data % width == 0)
    kind = _WORDS[word]
    flat = np.ascontiguousarray(values).reshape(len(values), -1).view(np.uint8)
    if flat.ctypes.data % word:
        flat = flat.copy()
    source, target = flat.view(kind), out.reshape(len(out), -1).view(np.uint8).view(kind)
    if source.shape[1] == 1:
        place_values(source.reshape(-1), rows, places, target.reshape(-1))
    else:
        place_rows(source, rows, places, target)
