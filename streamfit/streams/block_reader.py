"""`BlockReader`: a pipeline over files that are read block by block, as fast as they can be decoded.

Workers read blocks; this process puts their rows into the order of the pass. Stages that compute then run on
workers, on whole batches of rows.

Guarantees kept here: in a pass each block is read once (and once more where two windows share it), whatever
the number and the kind of the workers; batches are those that `SeekableSource` loads one by one; at most two
windows are in memory, and the blocks that are read ahead.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamfit._base.specs import Array
from streamfit.streams.batch import Batch
from streamfit.streams.block_windows import BlockLoader, BlockStream
from streamfit.streams.items import Value
from streamfit.streams.pass_reader import PassReader, allow_all
from streamfit.streams.pipeline_source import PipelineSource
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.stages.batch_stage import BatchStage
from streamfit.streams.stages.elements import Element, split
from streamfit.streams.stages.map import Map
from streamfit.streams.stages.stage import OrderStage, Pass, Stage, known_size
from streamfit.streams.stores.store_rows import StoreRows
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits
from streamfit.workers import Pool, make_pool

JOINED_BYTES = 1 << 20
"""How many bytes of batches come joined, at most: callbacks and signals wait for them."""


@dataclass(frozen=True)
class BlockPlan:
    """A pipeline that can be read block by block.

    Args:
        base: The samples of the store.
        order: The last stage before samples become batches.
        batch: The stage that makes batches.
        computes: Whether a stage does anything else than choosing, ordering and stacking samples.
    """

    base: StoreRows
    order: Stage
    batch: BatchStage
    computes: bool


def block_plan(stage: Stage) -> BlockPlan | None:
    """Return how a pipeline is read block by block, or None if it is not of that form."""
    computes = False
    while isinstance(stage, Map):
        computes, stage = True, stage.input
    if not isinstance(stage, BatchStage):
        return None
    batch, order = stage, stage.input
    computes = computes or type(batch) is not BatchStage
    stage = order
    while isinstance(stage, (OrderStage, Map)):
        computes, stage = computes or isinstance(stage, Map), stage.input
    if not isinstance(stage, StoreRows) or order.runs(Pass(0, 0)) is None:
        return None
    return BlockPlan(stage, order, batch, computes)


class HeldRows(Stage):
    """Rows that were read already, in the place of the store.

    Args:
        rows: The rows of one batch; they are the answer to all questions.
        most: What all ids of the store are below.
    """

    def __init__(self, rows: Element, most: int) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.rows, self.most = rows, most

    def __repr__(self) -> str:
        return "rows"

    def space(self, p: Pass) -> int:
        """Return what all ids are below, by which stages that draw tell the draws of a sample."""
        return self.most

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Return the rows."""
        return self.rows

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Return the rows one by one."""
        return split(self.rows)


@dataclass(frozen=True, slots=True)
class RowsTicket:
    """The request for one batch, with the rows that it is made of."""

    ticket: Ticket
    rows: Element

    def __reduce__(self) -> tuple[type[RowsTicket], tuple[Ticket, Element]]:
        return RowsTicket, (self.ticket, self.rows)


class RowsLoader:
    """The loader of batches whose rows were read already: it runs the stages behind the store.

    Args:
        source: The source of the batches.
        most: What all ids of the store are below.
    """

    may_change = True

    def __init__(self, source: PipelineSource, most: int) -> None:
        self.name, self._most = source.name, most
        self._source = _with_base(source, HeldRows(None, most))

    def load(self, wanted: RowsTicket) -> Value:
        """Make one batch."""
        return _with_base(self._source, HeldRows(wanted.rows, self._most)).load(wanted.ticket)


class BlockReader(SourceReader):
    """Read the batches of a pipeline over a store.

    Args:
        source: The source of the batches.
        plan: How its pipeline is read.
    """

    def __init__(self, source: PipelineSource, plan: BlockPlan) -> None:
        super().__init__(source)
        self._pipeline, self._plan = source, plan
        self._blocks, self._batches = (
            BlockLoader(plan.base, source.name),
            RowsLoader(source, plan.base.space(Pass(0, 0))),
        )

    def in_pool(self, pool: Pool | None, place: tuple[int, int]) -> PassReader:
        """Read a pass: blocks by the pool, then batches of their rows."""
        source, plan = self._pipeline, self._plan
        workers = make_pool("inline", 0) if pool is None else pool
        p, size = source.at(place[0]), plan.batch.batch_size
        rows = BlockStream(plan.base, plan.order, p, place[1] * size, workers, self._blocks)
        tickets = self._tickets(p, place, rows)
        if not plan.computes:
            return PassReader(self._direct(place, rows), rows.close, rows.counts, allow_all)
        run = workers.open(self._batches, tickets, describe=lambda wanted: source.describe(wanted.ticket))

        def take(_: int) -> Batch:
            loaded = next(run)
            return self.batch(loaded.ticket.ticket, loaded.value)

        def close() -> None:
            run.close()
            rows.close()

        def counts() -> tuple[int, int]:
            retried, restarts = rows.counts()
            return retried + run.retried, max(restarts, run.restarts)

        return PassReader(take, close, counts, allow_all)

    def _batches_of(self, p: Pass, start: int, rows: BlockStream) -> Iterator[tuple[int, list[Array], Array]]:
        """Yield number, arrays and ids of each batch."""
        size, total = self._plan.batch.batch_size, known_size(self._plan.order, p)
        for number in range(start, known_size(self._plan.batch, p)):
            yield number, *rows.take(min(size, total - number * size))

    def _tickets(self, p: Pass, place: tuple[int, int], rows: BlockStream) -> Iterator[RowsTicket]:
        data_epoch, start = place
        key = self._pipeline.key(data_epoch)
        for number, leaves, ids in self._batches_of(p, start, rows):
            assert rows.form is not None
            yield RowsTicket(Ticket(data_epoch, number, ids, key, number), rows.form.build(leaves))

    def _direct(self, place: tuple[int, int], rows: BlockStream) -> Callable[[int], Batch]:
        """Return what makes batches where no stage computes anything: the arrays of the store are batches.

        Several batches come joined where their rows lie one behind the other in memory.
        """
        data_epoch, start = place
        size, p = self._plan.batch.batch_size, self._pipeline.at(data_epoch)
        samples, batches = known_size(self._plan.order, p), known_size(self._plan.batch, p)
        most_joined = max(1, JOINED_BYTES // max(1, self._plan.base.store.row_bytes * size))
        number = start

        def take(most: int) -> Batch:
            nonlocal number
            if number >= batches:
                raise StopIteration
            steps = 1
            if most > 1 and number > start:
                steps = max(1, min(most, most_joined, rows.room() // size))
            leaves, ids = rows.take(min(steps * size, samples - number * size))
            form = rows.form
            assert form is not None
            if number == start:  # all others have the same form
                self._pipeline.finished(Ticket(data_epoch, number, ids), form.build(leaves))
            x, y, sample_weight = form.parts(leaves)
            batch = Batch(x, y, sample_weight, ids, number, data_epoch, len(ids), steps)
            number += steps
            return batch

        return take


def _with_base(source: PipelineSource, base: HeldRows) -> PipelineSource:
    """Return a source whose pipeline reads other rows."""
    other = copy.copy(source)
    other.stage = on_base(source.stage, base)
    return other


def on_base(stage: Stage, base: Stage) -> Stage:
    """Return a copy of a pipeline of one input that reads another base."""
    if not stage.inputs:
        return base
    return stage.with_inputs((on_base(stage.input, base),), stage.salt)
