"""`repeat`: several passes over the input as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from streamfit._base.checks import whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.sampling import Sampling
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.joined import Joined
from streamfit.streams.stages.stage import (
    ElementRunner,
    Pass,
    Place,
    Stage,
    filtered,
    filtered_in,
    known_size,
    parts_of,
)

_MOST = 1 << 32  # repetitions of one endless pass


class Repeat(Joined):
    """Read the input `count` times in each pass; without end where it is None or -1.

    Each repetition is a pass of its own of the stages before: with its own order and random numbers. Hooks
    of a `Sequence` run once in a pass of the whole.
    """

    def __init__(self, stage: Stage, count: int | None = None) -> None:
        super().__init__((stage,), "repeat()")
        found = None if count is None else whole("count", count, -1)
        self.count = None if found == -1 else found
        if not stage.traits.rewinds and self.count != 1:
            raise ValueError(
                f"repeat({'' if count is None else count}): {stage.text()} can be read once only; write "
                ".cache() before .repeat(), or pass an object that can be read again"
            )
        seekable, endless = stage.traits.seekable and self.count is not None, self.count is None
        # The same sample has several ids.
        self.traits = replace(
            stage.traits, seekable=seekable, endless=endless or stage.traits.endless, fixed_ids=False
        )

    def __repr__(self) -> str:
        return f"repeat({'' if self.count is None else self.count})"

    def part(self, p: Pass, number: int) -> tuple[Stage, Pass]:
        """Return the input, with the pass of one repetition."""
        each = _MOST if self.count is None else self.count
        return self.input, Pass(p.seed, p.number * each + number)

    def checked(self, number: int, element: Element) -> Element:
        """Return the element: all repetitions are of one input."""
        return element

    def first_id(self, p: Pass, number: int) -> int:
        """Return the first id of one repetition."""
        return number * self.input.space(self.part(p, 0)[1])

    def first_member(self, p: Pass, number: int) -> int:
        """Return the first id of the samples in the batches of one repetition."""
        return number * self.input.member_space(self.part(p, 0)[1])

    def parts_of_ids(self, p: Pass, ids: Array) -> Array:
        """Return the number of the repetition of each id."""
        return ids // self.input.space(self.part(p, 0)[1])

    def locate(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the number of the repetition at each position, and the position in it."""
        size = known_size(self.input, self.part(p, 0)[1])
        return positions // size, positions % size

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        size = self.input.size(self.part(p, 0)[1])
        return None if size is None or self.count is None else size * self.count

    def space(self, p: Pass) -> int:
        """Return a number that all ids of a pass are below."""
        return self.first_id(p, self.count or 0)

    def member_space(self, p: Pass) -> int:
        """Return a number that the ids of the samples in all batches are below."""
        return self.first_member(p, self.count or 0)

    def samplings(self, p: Pass) -> Iterator[Sampling]:
        """Yield what each repetition draws; of endless ones the first stands for all."""
        for number in range(1 if self.count is None else self.count):
            yield from self.input.samplings(self.part(p, number)[1])

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of each repetition; the place is its number and the place in it."""
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        number, inner, before = parts_of(place, 0, None, filtered(0))
        runner.filtered += filtered_in(before)
        for at in itertools.count(number) if self.count is None else range(number, self.count):
            stage, q = self.part(p, at)
            empty, found = inner is None, filtered_in(before) - runner.filtered
            for element, behind in stage.iterate(q, inner, runner):
                empty = False
                yield element, (at, behind, before)
            if empty and self.count is None:
                raise DataError(
                    f"{self.text()}: repetition {at} has no elements, so there is nothing to repeat"
                )
            inner, before = None, filtered(found + runner.filtered)
