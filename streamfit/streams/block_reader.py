"""`BlockReader`: a pipeline over files that are read block by block, as fast as they can be decoded.

Workers read blocks; this process puts their rows into the order of the pass. Stages that compute then run on
workers, on whole batches of rows.

Guarantees kept here: in a pass each block is read once (and once more where two windows share it), whatever
the number and the kind of the workers; batches are those that `SeekableSource` loads one by one; at most two
windows and the blocks of a third are in memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamfit._base.specs import Array
from streamfit.streams.batch import Batch
from streamfit.streams.block_windows import BlockLoader, BlockStream
from streamfit.streams.items import Value
from streamfit.streams.pass_reader import PassReader
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
        samples: A number that the ids of all rows of the store are below, for stages that count in it.
    """

    def __init__(self, rows: Element, samples: int) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.rows, self._samples = rows, samples

    def __repr__(self) -> str:
        return "rows"

    def space(self, p: Pass) -> int:
        """Return the number that the ids of the store are below."""
        return self._samples

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
        samples: The samples of the store.
    """

    may_change = True

    def __init__(self, source: PipelineSource, samples: int) -> None:
        self.name, self._samples = source.name, samples
        self._source = _with_base(source, HeldRows(None, samples))

    def load(self, wanted: RowsTicket) -> Value:
        """Make one batch."""
        return _with_base(self._source, HeldRows(wanted.rows, self._samples)).load(wanted.ticket)


class BlockReader(SourceReader):
    """Read the batches of a pipeline over a store.

    Args:
        source: The source of the batches.
        plan: How its pipeline is read.
    """

    def __init__(self, source: PipelineSource, plan: BlockPlan) -> None:
        super().__init__(source)
        self._pipeline, self._plan = source, plan
        samples = int(plan.base.store.lengths.sum())
        self._blocks, self._batches = BlockLoader(plan.base, source.name), RowsLoader(source, samples)

    def in_pool(self, pool: Pool | None, place: tuple[int, int]) -> PassReader:
        """Read a pass: blocks by the pool, then batches of their rows."""
        source, plan = self._pipeline, self._plan
        workers = make_pool("inline", 0) if pool is None else pool
        p, size = source.at(place[0]), plan.batch.batch_size
        rows = BlockStream(plan.base, plan.order, p, place[1] * size, workers, self._blocks)
        tickets = self._tickets(p, place, rows)
        if not plan.computes:
            return PassReader(self._direct(place, rows), rows.close, rows.counts, _allow_all)
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

        return PassReader(take, close, counts, _allow_all)

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
        """Return what makes batches where no stage computes anything: the arrays of the store are batches."""
        data_epoch, start = place
        batches = self._batches_of(self._pipeline.at(data_epoch), start, rows)

        def take(_: int) -> Batch:
            number, leaves, ids = next(batches)
            form = rows.form
            assert form is not None
            if number == start:  # all others have the same form
                self._pipeline.finished(Ticket(data_epoch, number, ids), form.build(leaves))
            x, y, sample_weight = form.parts(leaves)
            return Batch(x, y, sample_weight, ids, number, data_epoch, len(ids))

        return take


def _with_base(source: PipelineSource, base: HeldRows) -> PipelineSource:
    """Return a source whose pipeline reads other rows."""
    other = copy.copy(source)
    other.stage = _on_base(source.stage, base)
    return other


def _on_base(stage: Stage, base: Stage) -> Stage:
    if not stage.inputs:
        return base
    return stage.with_inputs((_on_base(stage.input, base),), stage.salt)


def _allow_all(_: int | None) -> None:
    pass
