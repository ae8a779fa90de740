"""The parent's side of shared arrays: copies them once, for all workers.

While a loader is pickled, its arrays are gathered. Each is a range of memory (that of its view, not of its
elements: a window view of a short signal is as short as the signal). Ranges that overlap are one *block*.
The blocks that no worker has yet are copied together into one *segment* of anonymous memory. A view with
large gaps is copied without them.

Guarantees kept here: a segment holds the arrays as they were when they were gathered; nothing is copied
twice, neither because two arrays are views of one base nor because the loader is pickled again.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfit.workers.contract import fresh_id
from streamfit.workers.transport import descriptors, slots
from streamfit.workers.transport.slots import Array

Layout = tuple[tuple[int, ...], np.dtype[np.generic], tuple[int, ...] | None, bool]
"""Shape, dtype, strides (None in C order), and whether it can be written to."""

_CHUNK = 1 << 20
_MOST_GAPS = 2.0  # a view that spans more than this times its elements is copied without its gaps
_ALIGNMENT, _ELEMENT = 64, 16  # alignment of a block, where its elements allow it; of the largest element


class Segment:
    """Anonymous memory that holds the blocks copied in one go.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self.key = fresh_id()
        self.size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        self.fd = slots.create("data", self.size)
        self._finalizer = weakref.finalize(self, descriptors.close, self.fd, descriptors.identity(self.fd))
        self._finalizer.atexit = False  # daemon threads may still use it then

    def close(self) -> None:
        """Release the memory; processes that have mapped it keep it."""
        self._finalizer()


@dataclass(slots=True, eq=False, weakref_slot=True)
class Block:
    """The copy of a range of memory: where it lies in a segment."""

    segment: Segment
    offset: int
    size: int
    low: int


@dataclass(slots=True)
class _Range:
    """Memory to be copied: from `low` to `high`, or the elements of one array without their gaps."""

    low: int
    high: int
    compact: Array | None = None

    def pieces(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the bytes to be copied, in order, a limited number at a time."""
        if self.compact is not None:
            yield from _without_gaps(self.compact)
            return
        memory = np.frombuffer(memoryview((ctypes.c_ubyte * self.size).from_address(self.low)), np.uint8)
        for at in range(0, len(memory), _CHUNK):
            yield memory[at : at + _CHUNK]

    @property
    def size(self) -> int:
        """Return how many bytes will be copied."""
        return self.high - self.low if self.compact is None else self.compact.nbytes


class Gathering:
    """The arrays of one loader, each with a number; they are kept until `place` has copied them."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []
        self._ranges: list[_Range] = []
        self._firsts: list[int] = []

    def add(self, array: Array) -> tuple[int, Layout]:
        """Return the number of an array and how it lies in its block."""
        low, high = np.lib.array_utils.byte_bounds(array)
        first, layout = address_of(array), layout_of(array)
        compact = None
        if high - low > _MOST_GAPS * array.nbytes:
            compact, first, layout = array, low, (*layout[:2], None, layout[3])
        self._arrays.append(array)
        self._ranges.append(_Range(low, high, compact))
        self._firsts.append(first)
        return len(self._arrays) - 1, layout

    def place(
        self, known: Iterable[Block], before: Sequence[Block] = ()
    ) -> tuple[list[Block], list[tuple[int, int]]]:
        """Copy the memory that no block holds yet.

        Args:
            known: blocks of any loader.
            before: those of the same loader, when it was pickled last.

        Returns:
            the blocks, and for each array the key of its segment and the offset of its first element in it.
        """
        ranges, owner = _merge(self._ranges)
        found = {(block.low, block.size): block for block in known}
        blocks: list[Block | None] = []
        for number, item in enumerate(ranges):
            block = found.get((item.low, item.size))
            if block is None and number < len(before):  # an equal array, made anew by __getstate__
                block = before[number]
            blocks.append(block if block is not None and _holds(block, item) else None)
        placed = _copy(ranges, blocks)
        table: list[tuple[int, int]] = []
        for number, first in enumerate(self._firsts):
            item, home = ranges[owner[number]], placed[owner[number]]
            table.append((home.segment.key, home.offset + first - item.low))
        return placed, table


def layout_of(array: Array) -> Layout:
    """Return how an array lies in memory."""
    strides = None if array.flags.c_contiguous else array.strides
    return array.shape, array.dtype, strides, array.flags.writeable


def address_of(array: Array) -> int:
    """Return the address of the first element."""
    return int(array.__array_interface__["data"][0])


def _merge(ranges: list[_Range]) -> tuple[list[_Range], list[int]]:
    """Return ranges that do not overlap, and for each of `ranges` the index of the one that it is part of."""
    merged: list[_Range] = []
    owner = [0] * len(ranges)
    for number in sorted(range(len(ranges)), key=lambda n: (ranges[n].compact is not None, ranges[n].low)):
        item = ranges[number]
        last = merged[-1] if merged else None
        if last is None or item.compact is not None or item.low >= last.high:
            merged.append(_Range(item.low, item.high, item.compact))
        else:
            last.high = max(last.high, item.high)
        owner[number] = len(merged) - 1
    # In the order of the arrays, which is the same at every pickling; that of addresses is not.
    order = list(dict.fromkeys(owner))
    place = {old: new for new, old in enumerate(order)}
    return [merged[old] for old in order], [place[old] for old in owner]


def _copy(ranges: list[_Range], blocks: list[Block | None]) -> list[Block]:
    """Copy the ranges that have no block yet into one new block; return the blocks of all."""
    offsets: dict[int, int] = {}
    size = 0
    for place, (item, block) in enumerate(zip(ranges, blocks, strict=True)):
        if block is None:
            size = -(-size // _ALIGNMENT) * _ALIGNMENT
            if item.compact is None:
                size += item.low % _ELEMENT  # elements are aligned as they were
            offsets[place] = size
            size += item.size
    segment = Segment(size) if offsets else None
    placed: list[Block] = []
    for place, (item, block) in enumerate(zip(ranges, blocks, strict=True)):
        if block is None:
            assert segment is not None
            block = Block(segment, offsets[place], item.size, item.low)
            at = block.offset
            for piece in item.pieces():
                slots.write(segment.fd, piece.data, at)
                at += len(piece)
        placed.append(block)
    return placed


def _holds(block: Block, item: _Range) -> bool:
    """Return whether a block holds the bits of a range."""
    if block.size != item.size:
        return False
    memory, at = bytearray(), block.offset
    for piece in item.pieces():
        if len(memory) != len(piece):
            memory = bytearray(len(piece))
        # A bytearray is compared as memory: nothing is written for it, as NumPy does for each byte.
        if slots.read(block.segment.fd, memoryview(memory), at) < len(piece) or memory != piece.data:
            return False
        at += len(piece)
    return True


def _without_gaps(array: Array) -> Iterator[NDArray[np.uint8]]:
    """Yield the bytes of the elements in C order, about a chunk at a time."""
    if array.nbytes <= _CHUNK or array.ndim == 0:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return
    step = _CHUNK // max(array[:1].nbytes, 1)
    if step:
        for at in range(0, len(array), step):
            yield np.ascontiguousarray(array[at : at + step]).reshape(-1).view(np.uint8)
    else:
        for row in array:
            yield from _without_gaps(row)
