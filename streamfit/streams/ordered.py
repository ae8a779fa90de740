"""`OrderedSource`: a pipeline behind a generator, a filter or `unbatch`: read in order, computed by workers.

Guarantees kept here: elements come in their order, each once, whatever the workers; stages that compute run
on workers, in jobs of a few elements; behind each batch the place to continue from is known, so that a run
resumes at any batch and computes only the elements behind that place again.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from streamfit._base.errors import DataError, StreamfitError
from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams.batch import Batch
from streamfit.streams.items import Value
from streamfit.streams.pass_reader import PassReader
from streamfit.streams.pipeline_source import PipelineSource, distinct, in_order
from streamfit.streams.source import not_empty
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.stages.batch_stage import BatchStage
from streamfit.streams.stages.elements import Element, batch_size
from streamfit.streams.stages.filter import Filter
from streamfit.streams.stages.map import Map
from streamfit.streams.stages.shuffle_stage import Shuffle
from streamfit.streams.stages.stage import (
    Pass,
    Place,
    Returning,
    Stage,
    filtered,
    filtered_in,
    known_size,
    parts_of,
)
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits
from streamfit.workers import Pool, Run, make_pool

_SAMPLES_PER_JOB = 32


@dataclass(frozen=True, slots=True)
class ElementJob:
    """Elements that one load computes.

    Args:
        number: Number of the job in this reading.
        first: Id of the first element, where they come in order; the others follow.
        ids: Ids of the elements, where the stage below can seek.
        elements: The elements themselves, where it cannot.
        place: Place in front of the first element.
        behind: Place behind the last one.
    """

    number: int
    first: int
    ids: Array | None
    elements: list[Element] | None
    place: Place
    behind: Place

    def __reduce__(self) -> tuple[type[ElementJob], tuple[object, ...]]:
        return ElementJob, (self.number, self.first, self.ids, self.elements, None, None)


class Computation:
    """The loader that workers run: some stages that compute, on elements of what lies below them.

    Args:
        origin: The stage below, where workers load its elements by id; None where jobs hold them.
        stages: The stages, the first one first.
        p: The pass.
        name: What to call the source in messages.
    """

    may_change = False

    def __init__(self, origin: Stage | None, stages: list[Stage], p: Pass, name: str) -> None:
        self.origin, self.p, self.name = origin, p, name
        # Where jobs hold the elements, what made them is not asked for, and mostly cannot travel.
        self.stages = stages if origin is not None else [_alone(stage) for stage in stages]

    def open_in_worker(self) -> None:
        """Open the bases that workers load from."""
        for base in [] if self.origin is None else distinct(self.origin.bases()):
            base.open()

    def close_in_worker(self) -> None:
        """Close the bases."""
        for base in [] if self.origin is None else distinct(self.origin.bases()):
            base.close()

    def load(self, job: ElementJob) -> tuple[list[Element], int]:
        """Return what becomes of the elements of a job, and how many samples were filtered out."""
        if self.origin is not None:
            ids = cast(Array, job.ids)
            found = list(zip(self.origin.fetch(self.p, ids), ids.tolist(), strict=True))
        else:
            found = [(element, job.first + at) for at, element in enumerate(job.elements or ())]
        filtered = 0
        for stage in self.stages:
            made = []
            for element, name in found:
                results = list(stage.apply(self.p, element, name))
                if len(results) == 1:
                    made.append((results[0], name))
                    continue
                if isinstance(stage, Filter):
                    filtered += batch_size(element) if stage.traits.batched else 1
                # Several come of one: each has an id of its own.
                made += [(result, derive(name, at)) for at, result in enumerate(results)]
            found = made
        return [element for element, _ in found], filtered


def _alone(stage: Stage) -> Stage:
    """Return a copy of a stage without the stages that it reads."""
    other = copy.copy(stage)
    other.inputs = ()
    return other


class PoolRunner:
    """Computes elements on the workers of a pool.

    Args:
        pool: The workers.
        name: What to call the source in messages.
    """

    def __init__(self, pool: Pool, name: str) -> None:
        self.pool, self.name = pool, name
        self.filtered = 0
        self.pulled: list[tuple[Returning, Ticket]] | None = None
        self._past = [0, 0]
        self._open: list[Run[ElementJob, tuple[list[Element], int]]] = []

    def counts(self) -> tuple[int, int]:
        """Return how many loads were done again and how many workers were replaced so far."""
        retried = self._past[0] + sum(run.retried for run in self._open)
        return retried, self._past[1] + sum(run.restarts for run in self._open)

    def compute(self, stage: Stage, p: Pass, place: Place) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of a stage from a place on, with the place behind each."""
        stages: list[Stage] = []
        origin = stage
        while origin.computes:
            stages.insert(0, origin)
            origin = origin.input
        # The count belongs to the place: what is read again after a resume is not counted twice.
        inner, offset, count = parts_of(place, None, 0, filtered(0))
        before = filtered_in(count)
        self.filtered += before
        seekable = origin.traits.seekable
        jobs = self._by_id(origin, p, inner) if seekable else self._in_order(origin, p, inner)
        loader = Computation(origin if seekable else None, stages, p, self.name)
        run = self.pool.open(loader, jobs, describe=self._describe(p, origin.traits.batched))
        self._open.append(run)
        try:
            for loaded in run:
                job, (elements, left_out) = loaded.ticket, loaded.value
                for at in range(offset, len(elements) - 1):
                    yield elements[at], (job.place, at + 1, filtered(before))
                self.filtered += left_out
                before += left_out
                if len(elements) > offset:
                    yield elements[-1], (job.behind, 0, filtered(before))
                offset = 0
        finally:
            run.close()
            self._open.remove(run)
            self._past[0] += run.retried
            self._past[1] += run.restarts

    def _by_id(self, origin: Stage, p: Pass, place: Place) -> Iterator[ElementJob]:
        total = known_size(origin, p)
        size = 1 if origin.traits.batched else _SAMPLES_PER_JOB
        start = 0 if place is None else cast(int, place)
        for number, position in enumerate(range(start, total, size)):
            end = min(total, position + size)
            yield ElementJob(number, 0, origin.ids(p, np.arange(position, end)), None, position, end)

    def _in_order(self, origin: Stage, p: Pass, place: Place) -> Iterator[ElementJob]:
        # What an iterator has given cannot be given back, so nothing is pulled for later.
        one = origin.traits.batched or (self.pool.kind == "inline" and not origin.traits.rewinds)
        size = 1 if one else _SAMPLES_PER_JOB
        inner, count = (None, 0) if place is None else cast(tuple[Place, int], place)
        number = 0
        waiting: list[Element] = []
        front = inner
        for element, behind in origin.iterate(p, inner, self):
            waiting.append(element)
            if len(waiting) == size:
                yield ElementJob(number, count, None, waiting, (front, count), (behind, count + len(waiting)))
                number, count, waiting, front = number + 1, count + len(waiting), [], behind
            else:
                last = behind
        if waiting:
            yield ElementJob(number, count, None, waiting, (front, count), (last, count + len(waiting)))

    def _describe(self, p: Pass, batched: bool) -> Any:
        def describe(job: ElementJob) -> str:
            where = f"source {self.name!r}, pass {p.number}, {'batch' if batched else 'samples'}"
            if job.ids is not None:
                return f"{where} {', '.join(map(str, job.ids.tolist()))}"
            last = job.first + len(job.elements or ()) - 1
            return f"{where} {job.first}{'' if last == job.first else f'..{last}'} in order"

        return describe


class OrderedSource(PipelineSource):
    """Feed the batches of a stage that is read in order; for its arguments see `PipelineSource`."""

    def __init__(
        self, stage: Stage, *, seed: int = 0, name: str = "data", targets: bool = True, text: bool = False
    ) -> None:
        super().__init__(stage, seed=seed, name=name, targets=targets, text=text)
        # Pass, batch, place; samples filtered out in earlier passes, and delivered in this one.
        self._saved: tuple[int, int, Place, int, int] | None = None
        self.filtered = 0

    def traits_of(self, stage: Stage) -> SourceTraits:
        """Return how the batches of a stage can be read.

        Workers compute its stages, and not the whole of `load`. Behind an iterator that can be read once they
        do not: what they had ready at the end of a run could not be given back.
        """
        working = stage.traits.rewinds and any(each.computes for each in in_order(stage))
        return replace(super().traits_of(stage), in_workers=False, stages_in_workers=working)

    def batches(self, data_epoch: int) -> int | None:
        """Count the batches of a pass, where that is known before its end."""
        size = self.stage.size(self.at(data_epoch))
        return None if size is None else not_empty(self, size, data_epoch)

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Yield tickets that hold the batches of a pass, computed here."""
        runner = PoolRunner(make_pool("inline", 0), self.name)
        for batch in self.read_with(runner, data_epoch, start):
            yield Ticket(data_epoch, batch.number, batch.ids, self.key(data_epoch), batch.given())

    def load(self, ticket: Ticket) -> Value:
        """Return the batch that the ticket holds."""
        return self._unpack(ticket.payload)

    def read_with(self, runner: PoolRunner, data_epoch: int, start: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of a pass from one on, computed by a runner."""
        place, before, samples, number = self._place_of(data_epoch, start)
        for element, behind in self.stage.iterate(self.at(data_epoch), place, runner):
            batch = self._batch(element, data_epoch, number)
            number, samples = number + 1, samples + batch.size
            if number > start:
                self._saved = data_epoch, number, behind, before, samples
                self.filtered = before + filtered_in(behind)
                yield batch
            del batch
        self.filtered = before + runner.filtered
        self._check_count(data_epoch, samples, runner.filtered)
        if number == 0:
            why = f"; its filters left out all {runner.filtered} samples" if runner.filtered else ""
            raise DataError(f"source {self.name!r}: pass {data_epoch} has no batches{why}")

    def _place_of(self, data_epoch: int, start: int) -> tuple[Place, int, int, int]:
        """Return place, samples filtered out in earlier passes and delivered in this one, and the batch."""
        if self._saved is not None and self._saved[:2] == (data_epoch, start):
            return *self._saved[2:], start
        return None, self.filtered, 0, 0

    def _check_count(self, data_epoch: int, samples: int, filtered: int) -> None:
        """Check that every sample of a pass was delivered or filtered out, where their number is known."""
        stage, dropped = self.stage, False
        while isinstance(stage, (Filter, Map, Shuffle, BatchStage)):
            dropped = dropped or (isinstance(stage, BatchStage) and stage.drop_remainder)
            stage = stage.input
        planned = stage.size(self.at(data_epoch)) if not stage.traits.batched and not dropped else None
        if planned is not None and samples + filtered != planned:
            raise StreamfitError(
                f"source {self.name!r}: of the {planned} samples of pass {data_epoch}, {samples} were "
                f"delivered and {filtered} filtered out; {planned - samples - filtered} are missing"
            )

    def _batch(self, element: Element, data_epoch: int, number: int) -> Batch:
        try:
            value = self._unpack(element)
        except DataError as error:
            raise DataError(f"source {self.name!r}, pass {data_epoch}, batch {number}: {error}") from None
        return self.make_reader().batch(Ticket(data_epoch, number, number), value)

    def state(self) -> Any:
        """Return the place behind the batch that was delivered last, and what filters have dropped so far."""
        return None if self._saved is None else [*self._saved, self.filtered]

    def restore(self, state: Any, data_epoch: int, number: int, *, replay: bool) -> None:
        """Go on at a place."""
        if state is not None:
            saved_pass, batch, place, before, samples, self.filtered = state
            self._saved = saved_pass, batch, _as_place(place), before, samples

    def make_reader(self) -> SourceReader:
        """Return a reader that computes on the workers of a pool."""
        return OrderedReader(self)


class OrderedReader(SourceReader):
    """Read a pipeline in order, its stages computed by the workers of a pool."""

    def __init__(self, source: OrderedSource) -> None:
        super().__init__(source)
        self._ordered = source

    def in_pool(self, pool: Pool | None, place: tuple[int, int]) -> PassReader:
        """Read a pass in order; without workers in this thread."""
        source = self._ordered
        runner = PoolRunner(make_pool("inline", 0) if pool is None else pool, source.name)
        batches = source.read_with(runner, *place)

        def allow(most: int | None) -> None:
            if most is None and source.traits.endless:
                raise ValueError(
                    f"source {source.name!r}: {source.stage.text()} has no end; pass steps_per_epoch, or "
                    "write .repeat(count) or .take(count)"
                )

        return PassReader(lambda _: next(batches), batches.close, runner.counts, allow)

    def read(self, data_epoch: int, start: int = 0) -> Iterator[Batch]:
        """Read the batches of a pass here and now."""
        return self._ordered.read_with(PoolRunner(make_pool("inline", 0), self.name), data_epoch, start)

    def replayed(self, data_epoch: int, number: int, skipped: frozenset[object] = frozenset()) -> Batch:
        """Compute a pass again up to one of its batches, and return that."""
        source = self._ordered
        again = OrderedSource(
            source.stage, seed=source.seed, name=source.name, targets=source.targets, text=source.text
        )
        for batch in again.make_reader().read(data_epoch):
            if batch.number == number:
                return batch
        raise DataError(f"source {source.name!r}: pass {data_epoch} has no batch {number} now")


def _as_place(value: Any) -> Place:
    """Return a place as it was before JSON made lists of its tuples."""
    return tuple(map(_as_place, value)) if isinstance(value, list) else value


__all__ = ["Computation", "ElementJob", "OrderedSource", "PoolRunner"]
