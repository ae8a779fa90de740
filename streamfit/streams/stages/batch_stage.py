"""`batch`: elements stacked to batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element, collate
from streamfit.streams.stages.layouts import with_samples
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Runs, Stage, known_size


class BatchStage(Stage):
    """Stack `batch_size` elements to one; the last batch of a pass may be smaller.

    Args:
        stage: Whose elements to stack.
        batch_size: Elements in a batch.
        drop_remainder: Whether a smaller last batch is left out.
    """

    def __init__(self, stage: Stage, batch_size: int, drop_remainder: bool = False) -> None:
        super().__init__((stage,), replace(stage.traits.counted, batched=True))
        self.batch_size = whole("batch_size", batch_size, 1)
        self.drop_remainder = truth("drop_remainder", drop_remainder)

    def __repr__(self) -> str:
        return f"batch({self.batch_size}{', drop_remainder=True' if self.drop_remainder else ''})"

    def specs(self) -> Element:
        """Return the specs of a batch, with None for its number of samples."""
        return None if self.input.traits.batched else with_samples(self.input.specs())

    def size(self, p: Pass) -> int | None:
        """Return the number of batches."""
        size = self.input.size(p)
        if size is None:
            return None
        return size // self.batch_size if self.drop_remainder else -(-size // self.batch_size)

    def space(self, p: Pass) -> int:
        """Return the number of batches, which their ids are below."""
        return known_size(self, p)

    def member_space(self, p: Pass) -> int:
        """Return a number that the ids of the samples are below."""
        return self.input.space(p)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of batches: their positions."""
        return positions

    def runs(self, p: Pass) -> Runs | None:
        """Return how many batches lie in the same blocks, which is about right."""
        runs = self.input.runs(p)
        if runs is None:
            return None
        count = self.space(p)
        ends = np.minimum(np.rint(np.cumsum(runs.lengths) / self.batch_size), count).astype(np.int64)
        ends[-1:] = count  # also where the last batch is smaller than half of the others
        lengths = np.diff(ends, prepend=0)
        return Runs(lengths[lengths > 0], runs.row_bytes * self.batch_size)

    def members(self, p: Pass, batch_ids: Array) -> list[Array]:
        """Return the ids of the samples in each of these batches."""
        size, total = self.batch_size, known_size(self.input, p)
        first = int(batch_ids[0]) if len(batch_ids) else 0
        if not bool((np.diff(batch_ids) == 1).all()):
            starts = batch_ids * size
            counts = np.clip(total - starts, 0, size)
            within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
            found = self.input.ids(p, np.repeat(starts, counts) + within)
            return np.split(found, np.cumsum(counts)[:-1])
        count = max(0, min(total, (first + len(batch_ids)) * size) - first * size)
        found = self.input.ids(p, np.arange(first * size, first * size + count))
        return [found[at * size : (at + 1) * size] for at in range(len(batch_ids))]

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch."""
        found = self.members(p, np.array([batch_id]))[0] if members is None else members
        return self.stack_by_id(p, found)

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load batches by number."""
        return [self.load(p, int(batch_id), None) for batch_id in ids]

    def stack_by_id(self, p: Pass, ids: Array) -> Element:
        """Return one batch of elements of a seekable input."""
        return self.input.stacked(p, ids)

    def stack(self, elements: Sequence[Element]) -> Element:
        """Return one batch of elements that were read in order."""
        return collate(elements)

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Stack elements as they come."""
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        waiting: list[Element] = []
        behind = place
        for element, behind in self.input.iterate(p, place, runner):
            waiting.append(element)
            if len(waiting) == self.batch_size:
                yield self.stack(waiting), behind
                waiting = []
        if waiting and not self.drop_remainder:
            yield self.stack(waiting), behind
