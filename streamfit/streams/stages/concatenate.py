"""`concatenate`: the elements of one input, then those of the next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.joined import Joined
from streamfit.streams.stages.stage import (
    ElementRunner,
    Pass,
    Place,
    Runs,
    Stage,
    filtered,
    filtered_in,
    known_size,
    parts_of,
)


class Concatenated(Joined):
    """The elements of each input in turn."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__(stages, "concatenate()")

    def __repr__(self) -> str:
        return f"concatenate({', '.join(stage.text() for stage in self.inputs[1:])})"

    def locate(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the number of the input at each position, and the position in it."""
        ends = np.cumsum([known_size(stage, p) for stage in self.inputs])
        numbers = np.searchsorted(ends, positions, side="right")
        return numbers, positions - np.concatenate([[0], ends])[numbers]

    def runs(self, p: Pass) -> Runs | None:
        """Return the runs of all inputs; an input that lies in no blocks is one run."""
        found = [stage.runs(p) for stage in self.inputs]
        given = [runs for runs in found if runs is not None]
        if not given:
            return None
        lengths = [
            np.array([known_size(stage, p)]) if runs is None else runs.lengths
            for stage, runs in zip(self.inputs, found, strict=True)
        ]
        return Runs(np.concatenate(lengths), max(runs.row_bytes for runs in given))

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of each input; the place is the number of the input and the place in it."""
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        number, inner, before = parts_of(place, 0, None, filtered(0))
        runner.filtered += filtered_in(before)
        for at in range(number, len(self.inputs)):
            found = filtered_in(before) - runner.filtered
            for element, behind in self.inputs[at].iterate(p, inner, runner):
                yield self.checked(at, element), (at, behind, before)
            inner, before = None, filtered(found + runner.filtered)
