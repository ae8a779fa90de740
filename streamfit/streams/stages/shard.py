"""`shard`: each n-th element, for one of several programs that share the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import ElementRunner, OrderStage, Pass, Place, Runs, Stage, parts_of


class Shard(OrderStage):
    """The elements at positions index, index + num_shards, index + 2 * num_shards, ...

    Args:
        stage: Whose elements to share out.
        num_shards: How many programs share them.
        index: Which of these this one is, from 0.
    """

    def __init__(self, stage: Stage, num_shards: int, index: int) -> None:
        super().__init__((stage,), stage.traits)
        self.num_shards, self.index = whole("num_shards", num_shards, 1), whole("index", index, 0)
        if self.index >= self.num_shards:
            raise ValueError(f"index={index}: with num_shards={num_shards} write 0 to {self.num_shards - 1}")

    def __repr__(self) -> str:
        return f"shard({self.num_shards}, {self.index})"

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        size = self.input.size(p)
        return None if size is None else max(0, -(-(size - self.index) // self.num_shards))

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions."""
        return self.input.ids(p, self.index + self.num_shards * positions)

    def runs(self, p: Pass) -> Runs | None:
        """Return the runs of the input, as far as they are in this part."""
        runs = self.input.runs(p)
        if runs is None:
            return None
        lengths = np.diff(-(-np.maximum(runs.edges - self.index, 0) // self.num_shards))
        return replace(runs, lengths=lengths[lengths > 0])

    def choose(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read all elements and yield each n-th; the place holds how many are dropped first."""
        drop, inner = parts_of(place, self.index, None)
        for element, behind in self.input.iterate(p, inner, runner):
            if drop:
                drop -= 1
                continue
            drop = self.num_shards - 1
            yield element, (drop, behind)
