"""Kernels that find the blocks of samples and write columns side by side.

NumPy does the same in several passes over memory; these take one each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

_TABLE = 1 << 16


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
def find_slots(
    ids: Array, starts: Array, blocks: Array, bases: Array, cursors: Array, slots: Array, rows: Array
) -> None:
    """Write the slot of each id, and for blocks that are not kept whole the row that each slot takes.

    Args:
        ids: int64 (n,).
        starts: int64 (blocks + 1,): the first id of each block.
        blocks: int32 (n,): the block of each id.
        bases: int64 (blocks,): the slot of the first row, for blocks that are kept whole; else -1.
        cursors: int64 (blocks,): the first slot of each block that is not; it is moved on.
        slots: int64 (n,): the result.
        rows: int32 (slots,): the rows in their blocks.
    """
    for i in range(ids.shape[0]):
        block = int(blocks[i])
        row = int(ids[i] - starts[block])
        base = int(bases[block])
        if base >= 0:
            slots[i] = base + row
        else:
            at = int(cursors[block])
            cursors[block] = at + 1
            slots[i] = at
            rows[at] = row


@kernel
def pack_eight(
    a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, g: Array, h: Array, out: Array, at: int
) -> None:
    """Write eight columns side by side: ``out[:, at] = a``, ``out[:, at + 1] = b`` and so on.

    Args:
        a: (n,), as are the other seven, words of one width.
        out: (n, width), words of the same width.
        at: The column of `a`.
    """
    for i in range(a.shape[0]):
        out[i, at] = a[i]
        out[i, at + 1] = b[i]
        out[i, at + 2] = c[i]
        out[i, at + 3] = d[i]
        out[i, at + 4] = e[i]
        out[i, at + 5] = f[i]
        out[i, at + 6] = g[i]
        out[i, at + 7] = h[i]


@dataclass(frozen=True, slots=True)
class RowSlots:
    """Where the rows of some samples are kept, block by block.

    Attributes:
        blocks: The blocks that have any of them, ascending.
        counts: How many samples are in each of these blocks.
        whole: Whether all rows of the block are kept, as they lie: where most are wanted. Of other blocks
            only the rows that are wanted are kept.
        ends: Where the slots of each block end.
        slots: int64 (n,): the slot of each sample.
        rows: int32: the row that is in each slot, where the block is not kept whole.
    """

    blocks: Array
    counts: Array
    whole: Array
    ends: Array
    slots: Array
    rows: Array


class BlockFinder:
    """Find which rows of which blocks some samples are.

    Args:
        starts: int64 (blocks + 1,): the first id of each block, and the number of all.

    Example:
        >>> finder = BlockFinder(np.array([0, 2, 2, 5]))
        >>> found = finder.grouped(np.array([4, 0, 3, 3]))
        >>> found.blocks.tolist(), found.counts.tolist(), found.slots.tolist()
        ([0, 2], [1, 3], [3, 0, 2, 2])
    """

    def __init__(self, starts: Array) -> None:
        self._starts = np.ascontiguousarray(starts, np.int64)
        total = int(starts[-1])
        self._shift = max(0, (total // _TABLE).bit_length())
        firsts = np.arange((max(1, total) - 1 >> self._shift) + 1, dtype=np.int64) << self._shift
        self._table: Array = (np.searchsorted(self._starts, firsts, "right") - 1).astype(np.int64)

    def grouped(self, ids: Array) -> RowSlots:
        """Give the rows that some samples are a slot each, those of a block one after the other.

        Args:
            ids: int64 (n,), fewer than 2**31.
        """
        count = len(ids)
        ids = np.ascontiguousarray(ids, np.int64)
        of_each = np.empty(count, np.int32)
        counts = np.zeros(len(self._starts) - 1, np.int64)
        find_blocks(ids, self._starts, self._table, self._shift, of_each, counts)
        blocks = np.flatnonzero(counts)
        lengths, wanted = np.diff(self._starts)[blocks], counts[blocks]
        whole = wanted * 4 >= lengths * 3
        ends = np.cumsum(np.where(whole, lengths, wanted))
        cursors, bases = np.zeros_like(counts), np.full_like(counts, -1)
        cursors[blocks] = ends - np.where(whole, lengths, wanted)
        bases[blocks[whole]] = cursors[blocks[whole]]
        slots = np.empty(count, np.int64)
        rows = np.empty(int(ends[-1]) if len(ends) else 0, np.int32)
        find_slots(ids, self._starts, of_each, bases, cursors, slots, rows)
        return RowSlots(blocks, wanted, whole, ends, slots, rows)
