"""What stages with several inputs have in common: their inputs, and their places when read in order.

Guarantee kept here: a stage that several inputs share gives all of them the same elements; equal stages that
they do not share (two augmentations of the same images) draw different random numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from streamfit._base.keys import derive
from streamfit.streams.stages.bases import Items
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.pass_stage import Seeded
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage, filtered, filtered_in


def set_apart(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the inputs of a stage such that what they do not share draws random numbers of its own.

    Raises:
        ValueError: Two of them read the same iterator, which gives each item once.
    """
    shared: dict[int, Stage] = {}
    found = []
    for branch, stage in enumerate(stages):
        for below in _all_below(stage):
            if isinstance(below, Items) and not below.traits.rewinds and id(below) in shared:
                raise ValueError(
                    f"{below!r} is read by two inputs, but an iterator gives each item once; pass an object "
                    "that can be read again, such as a list or a Sequence"
                )
        copies = dict(shared)
        found.append(stage if branch == 0 else _salted(stage, branch, copies))
        shared |= {id(below): below for below in _all_below(stage)} | copies
    return tuple(found)


def _all_below(stage: Stage) -> Iterator[Stage]:
    yield stage
    for below in stage.inputs:
        yield from _all_below(below)


def _salted(stage: Stage, branch: int, copies: dict[int, Stage]) -> Stage:
    """Return a copy of a stage and of what is below it, except for those in `copies`."""
    if isinstance(stage, Seeded):  # its seed sets it apart
        return stage
    if id(stage) not in copies:
        inputs = tuple(_salted(below, branch, copies) for below in stage.inputs)
        copies[id(stage)] = stage.with_inputs(inputs, derive(stage.salt, "branch", branch))
    return copies[id(stage)]


class Reading:
    """The inputs of a stage while they are read in order, each from its own place.

    Args:
        parts: The inputs with their passes.
        places: For each input whether it has elements left (1 or 0) and its place; None for the beginning.
        runner: What computes.
    """

    def __init__(self, parts: Sequence[tuple[Stage, Pass]], places: Place, runner: ElementRunner) -> None:
        self._parts, self._runner = parts, runner
        self._open: dict[int, Iterator[tuple[Element, Place]]] = {}
        self.places: list[tuple[int, Place]] = [(1, None)] * len(parts)
        if isinstance(places, tuple):
            self.places = list(places)
        self._filtered = [0] * len(parts)
        # An input that has ended is not read again: what was filtered out of it is in its place alone.
        runner.filtered += sum(filtered_in(place) for alive, place in self.places if not alive)

    @property
    def left(self) -> list[int]:
        """The numbers of the inputs that have not ended."""
        return [number for number, (alive, _) in enumerate(self.places) if alive]

    def take(self, number: int) -> tuple[Element] | None:
        """Return the next element of an input in a tuple, or None at its end."""
        if number not in self._open:
            stage, p = self._parts[number]
            self._open[number] = stage.iterate(p, self.places[number][1], self._runner)
        before = self._runner.filtered
        found = next(self._open[number], None)
        self._filtered[number] += self._runner.filtered - before
        if found is None:
            self.places[number] = (0, filtered(self._filtered[number]))
            self._close(number)
            return None
        element, behind = found
        self.places[number] = (1, behind)
        return (element,)

    def close(self) -> None:
        """Give up what is read ahead."""
        for number in list(self._open):
            self._close(number)

    def _close(self, number: int) -> None:
        close = getattr(self._open.pop(number), "close", None)
        if close is not None:
            close()
