"""`BlockStream`: the rows of a pass over a store, block by block, put into the order of the pass.

Guarantees kept here: rows come in the order of the stage's ids; each block is read once for each window that
it has rows in; at most two windows are in memory, and as many blocks as `blocks_ahead` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.errors import SampleError
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import MOST_RUNS, ORDER_BYTES, OrderStage, Pass, Runs, Stage
from streamfit.streams.stores.converted_rows import ConvertedRows
from streamfit.streams.stores.row_form import RowForm
from streamfit.streams.stores.row_pack import RowPack, SpareMemory
from streamfit.streams.stores.store import Store
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.workers import Pool, Run

AHEAD_BYTES = 32 << 20
"""How many bytes of blocks are read ahead, if that is more than a block for each worker and one that waits.

Where the samples come as they lie, as many bytes of them are ordered together.
"""

_GLANCE = 64  # samples by which most orders that do not ascend are told

Rows = tuple[Element, dict[int, str]]
"""The rows of a block, and why some of them are bad."""


class BlockLoader:
    """The loader of blocks, for a pool.

    Args:
        base: The samples of a store.
        name: What to call the source in messages.
    """

    def __init__(self, base: StoreRows, name: str) -> None:
        self.base, self.name = base, name
        self.may_change = isinstance(base, ConvertedRows)  # what its function holds

    def load(self, number: int) -> Rows:
        """Read a block: its rows, and why some of them are bad."""
        block = self.base.read(number)
        return block.rows, dict(block.bad)

    def open_in_worker(self) -> None:
        """Open the store in a worker process."""
        self.base.open()

    def close_in_worker(self) -> None:
        """Close the store."""
        self.base.close()


class ReadWindow:
    """Some consecutive positions of a pass, and their rows, as far as they were read.

    Args:
        base: The samples of the store.
        start: The first position.
        ids: The ids of the elements at the positions.
        names: The ids of the samples in the store.
        spare: Memory of windows before.
    """

    def __init__(self, base: StoreRows, start: int, ids: Array, names: Array, spare: SpareMemory) -> None:
        self.base, self.start, self.ids = base, start, ids
        self.stop = start + len(ids)
        self.ordered = _ascends(names[:_GLANCE]) and _ascends(names)
        self._names, self._spare = names, spare
        self._found = base.finder.grouped(names)
        self._ends = np.cumsum(self._found.counts)
        self.blocks: list[int] = self._found.blocks.tolist()
        self.received = 0
        self._pack: RowPack | None = None
        self._pieces: list[list[Array]] = []

    def put(self, form: RowForm, rows: Element, bad: dict[int, str]) -> None:
        """Take in the next block.

        Raises:
            SampleError: A sample that is wanted is bad.
            DataError: The rows differ in form from those before.
        """
        found, at = self._found, self.received
        number, first = self.blocks[at], self.base.first(self.blocks[at])
        for row in bad if len(bad) else ():
            if bool((self._names == first + row).any()):
                raise SampleError(
                    f"{self.base.store.where(number, row)} (sample {first + row}): {bad[row]}", 0
                )
        leaves = form.leaves(rows, lambda: self.base.store.where(number))
        slot = int(found.ends[at - 1]) if at else 0
        if self.ordered:
            stop = int(self._ends[at])
            taken = self._names[stop - int(found.counts[at]) : stop] - first
            whole = int(taken[-1]) - int(taken[0]) == len(taken) - 1
            chosen = slice(int(taken[0]), int(taken[-1]) + 1) if whole else taken
            self._pieces.append([leaf[chosen] for leaf in leaves])
        else:
            if self._pack is None:
                self._pack = RowPack(form, int(found.ends[-1]), self._spare)
            if not found.whole[at]:
                taken = found.rows[slot : int(found.ends[at])]
                leaves = [leaf[taken] for leaf in leaves]
            self._pack.put(leaves, slot)
        self.received += 1
        if self.received == len(self.blocks):  # from now on only slots are looked up
            self._names = self._names[:0].copy()
            self._found = replace(found, rows=found.rows[:0].copy())

    def needed(self, position: int) -> int:
        """Return how many blocks must be there before the rows up to a position can be taken."""
        if not self.ordered:
            return len(self.blocks)
        return int(np.searchsorted(self._ends, position - self.start, "left")) + 1

    def rows(self, start: int, stop: int) -> list[list[Array]]:
        """Return the rows at positions [start, stop), in pieces of one array for each leaf."""
        first, last = start - self.start, stop - self.start
        if self._pack is not None:
            return [self._pack.take(self._found.slots[first:last])]
        pieces = []
        at = int(np.searchsorted(self._ends, first, "right"))
        while first < last:
            begin, end = int(self._ends[at - 1]) if at else 0, int(self._ends[at])
            low, high = first - begin, min(last, end) - begin
            pieces.append([leaf[low:high] for leaf in self._pieces[at]])
            first, at = min(last, end), at + 1
        return pieces

    def room(self, position: int) -> int:
        """Return how many rows from a position on lie one behind the other."""
        if not self.ordered:
            return self.stop - position
        first = position - self.start
        return int(self._ends[np.searchsorted(self._ends, first, "right")]) - first

    def release(self, position: int) -> None:
        """Let go of the blocks in front of a position, where they are held one by one."""
        if self.ordered:
            for at in range(int(np.searchsorted(self._ends, position - self.start, "right"))):
                if at < len(self._pieces):
                    self._pieces[at] = []

    def close(self) -> None:
        """Let go of all rows; those that were taken are not in this memory."""
        if self._pack is not None:
            self._pack.release()
        self._pack, self._pieces = None, []


class BlockStream:
    """The rows of a pass in order, from a position on.

    Args:
        base: The samples of the store.
        order: The stage that orders them.
        p: The pass.
        position: The first position.
        pool: What reads blocks.
        loader: The loader of blocks.
    """

    def __init__(
        self, base: StoreRows, order: Stage, p: Pass, position: int, pool: Pool, loader: BlockLoader
    ) -> None:
        self._base, self._order, self._p = base, order, p
        runs = order.runs(p)
        assert runs is not None  # the base lies in blocks, and all stages between pass that on
        self._edges = window_edges(runs)
        self._begin = self._position = position
        self.form: RowForm | None = None  # of all rows; that of the first block
        self._spare = SpareMemory()
        self._number = int(np.searchsorted(self._edges, position, "right")) - 1
        self._windows: dict[int, ReadWindow] = {}  # those of which blocks were asked for, by number
        store, name = base.store, loader.name

        def describe(block: int) -> str:
            return f"source {name!r}, pass {p.number}, {store.where(block)}"

        ahead = blocks_ahead(store, pool.workers)
        self._run: Run[int, Rows] = pool.open(loader, self._blocks(), describe=describe, ahead=ahead)

    def take(self, count: int) -> tuple[list[Array], Array]:
        """Return the arrays of the next rows, which make one batch in `form`, and their ids."""
        pieces: list[list[Array]] = []
        ids: list[Array] = []
        while count:
            window = self._current()
            stop = min(self._position + count, window.stop)
            self._receive(window, window.needed(stop))
            pieces += window.rows(self._position, stop)
            ids.append(window.ids[self._position - window.start : stop - window.start])
            count -= stop - self._position
            self._position = stop
            window.release(stop)
            self._keep_pace(window)
        if len(pieces) == 1:
            return pieces[0], ids[0]
        return [np.concatenate(leaf) for leaf in zip(*pieces, strict=True)], np.concatenate(ids)

    def room(self) -> int:
        """Return how many rows can be taken next without being copied."""
        return self._current().room(self._position)

    def counts(self) -> tuple[int, int]:
        """Return how many loads were done again and how many workers were replaced so far."""
        return self._run.retried, self._run.restarts

    def close(self) -> None:
        """Stop reading."""
        self._run.close()
        self._windows.clear()
        self._spare.clear()

    def _current(self) -> ReadWindow:
        while self._position >= self._edges[self._number + 1]:
            done = self._windows.pop(self._number, None)
            if done is not None:
                done.close()
            self._number += 1
        return self._window(self._number)

    def _blocks(self) -> Iterator[int]:
        """Yield the blocks to read: those of one window after the other."""
        for number in range(self._number, len(self._edges) - 1):
            yield from self._window(number).blocks

    def _window(self, number: int) -> ReadWindow:
        """Return a window, which is made when the first of its blocks is asked for."""
        found = self._windows.get(number)
        if found is None:
            start = max(int(self._edges[number]), self._begin)
            ids = self._order.ids(self._p, np.arange(start, int(self._edges[number + 1])))
            found = self._windows[number] = ReadWindow(self._base, start, ids, self._names(ids), self._spare)
        return found

    def _names(self, ids: Array) -> Array:
        """Return the ids in the store: stages that draw samples give each draw an id of its own."""
        stage = self._order
        while stage is not self._base:
            ids = stage.below(self._p, ids) if isinstance(stage, OrderStage) else ids
            stage = stage.input
        return ids

    def _receive(self, window: ReadWindow, wanted: int) -> None:
        while window.received < wanted:
            rows, bad = next(self._run).value
            if self.form is None:
                self.form = RowForm(rows)
            window.put(self.form, rows, bad)
            del rows  # it holds memory that the next block may come in

    def _keep_pace(self, window: ReadWindow) -> None:
        """Take in blocks of the next window at the pace at which this one is used."""
        following = self._windows.get(self._number + 1)
        if following is None or following.ordered or window.received < len(window.blocks):
            return
        done = (self._position - window.start) / max(1, window.stop - window.start)
        self._receive(following, int(done * len(following.blocks)))


def blocks_ahead(store: Store, workers: int) -> int:
    """Return how many blocks are read ahead: one for each worker and one that waits, or what is few bytes."""
    largest = int(store.lengths.max(initial=1)) * max(1, store.row_bytes)
    return max(workers + 1, AHEAD_BYTES // largest)


def window_edges(runs: Runs) -> Array:
    """Return the first position of each window, and behind them the number of elements.

    Runs are taken together as long as they hold few bytes, if their elements come as they lie.

    Example:
        >>> window_edges(Runs(np.array([3, 3, 3]), AHEAD_BYTES // 5)).tolist()
        [0, 6, 9]
    """
    lengths = runs.lengths[runs.lengths > 0]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    if runs.mixed:
        return starts
    by_bytes = starts[:-1] * (runs.row_bytes + ORDER_BYTES) // AHEAD_BYTES
    groups = by_bytes + np.arange(len(lengths)) // MOST_RUNS  # ascends with each of both
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.concatenate([starts[begins], starts[-1:]])


def _ascends(names: Array) -> bool:
    return bool((np.diff(names) > 0).all())
