"""`take` and `skip`: the first elements of each pass, or all but them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import (
    ElementRunner,
    OrderStage,
    Pass,
    Place,
    Runs,
    Stage,
    known_size,
    parts_of,
)


class TakeStage(OrderStage):
    """The first `count` elements; all, where there are fewer. -1 stands for all, as in tf.data."""

    def __init__(self, stage: Stage, count: int) -> None:
        self.count = whole("count", count, -1)
        endless = stage.traits.endless and self.count < 0
        super().__init__((stage,), replace(stage.traits, endless=endless))

    def __repr__(self) -> str:
        return f"take({self.count})"

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        size = self.input.size(p)
        if size is None and self.input.traits.endless and self.count >= 0:
            return self.count
        return size if size is None or self.count < 0 else min(size, self.count)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions."""
        return self.input.ids(p, positions)

    def runs(self, p: Pass) -> Runs | None:
        """Return the runs of the input, up to the last element that is taken."""
        return cut(self.input.runs(p), 0, known_size(self, p))

    def choose(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield the first elements; the place holds how many were taken."""
        done, inner = parts_of(place, 0, None)
        if self.count >= 0 and done >= self.count:
            return
        for element, behind in self.input.iterate(p, inner, runner):
            done += 1
            yield element, (done, behind)
            if done == self.count:  # so that nothing more is pulled
                return


class SkipStage(OrderStage):
    """All but the first `count` elements."""

    def __init__(self, stage: Stage, count: int) -> None:
        super().__init__((stage,), stage.traits)
        self.count = whole("count", count, 0)

    def __repr__(self) -> str:
        return f"skip({self.count})"

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        size = self.input.size(p)
        return None if size is None else max(0, size - self.count)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions."""
        return self.input.ids(p, positions + self.count)

    def runs(self, p: Pass) -> Runs | None:
        """Return the runs of the input, behind what is skipped."""
        return cut(self.input.runs(p), self.count, self.count + known_size(self, p))

    def choose(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read and drop the first elements, then yield the others."""
        left, inner = parts_of(place, self.count, None)
        for element, behind in self.input.iterate(p, inner, runner):
            if left:
                left -= 1
                continue
            yield element, (0, behind)


def cut(runs: Runs | None, start: int, stop: int) -> Runs | None:
    """Return the runs of the elements [start, stop)."""
    if runs is None:
        return None
    edges = np.clip(runs.edges, start, stop)
    lengths = np.diff(edges)
    return replace(runs, lengths=lengths[lengths > 0])
