"""`zip`: the elements of several inputs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.stages.branches import Reading, set_apart
from streamfit.streams.stages.elements import Element, batch_size
from streamfit.streams.stages.stage import (
    ElementRunner,
    Pass,
    Place,
    Runs,
    Stage,
    known_size,
    parts_of,
)
from streamfit.streams.traits import common_traits


class Zip(Stage):
    """Tuples of the elements at the same position of each input.

    Args:
        stages: The inputs, all of the same number of elements.

    Raises:
        ValueError: Their numbers are known and differ, or some are batches and some are samples.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        traits = common_traits([stage.traits for stage in stages], "zip()").counted
        endless = all(stage.traits.endless for stage in stages)
        super().__init__(set_apart(stages), replace(traits, endless=endless))
        self.size(Pass(0, 0))

    def __repr__(self) -> str:
        return f"zip({', '.join(stage.text() for stage in self.inputs[1:])})"

    def size(self, p: Pass) -> int | None:
        """Return the number of elements.

        Raises:
            ValueError: The inputs differ in it.
        """
        sizes = [(stage.size(p), stage) for stage in self.inputs]
        known = [(size, stage) for size, stage in sizes if size is not None]
        for size, stage in known[1:]:
            if size != known[0][0]:
                raise ValueError(
                    f"zip() needs inputs of one length: {known[0][1].text()} has {known[0][0]} elements and "
                    f"{stage.text()} has {size}; write .take({min(size, known[0][0])}) after the longer one"
                )
        return known[0][0] if len(known) == len(sizes) else None

    def space(self, p: Pass) -> int:
        """Return the number of elements, which their ids are below."""
        return known_size(self, p)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of elements: their positions."""
        return positions

    def runs(self, p: Pass) -> Runs | None:
        """Return the runs of the first input that lies in blocks."""
        return next((runs for runs in (stage.runs(p) for stage in self.inputs) if runs is not None), None)

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id."""
        columns = [stage.fetch(p, stage.ids(p, ids)) for stage in self.inputs]
        return [self._checked(element) for element in zip(*columns, strict=True)]

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        if self.traits.batched:
            return super().stacked(p, ids)
        return tuple(stage.stacked(p, stage.ids(p, ids)) for stage in self.inputs)

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return None: a sample of a batch has an id in each input."""
        return None

    def _checked(self, element: Element) -> Element:
        if self.traits.batched:
            try:
                batch_size(element)
            except DataError as error:
                raise DataError(
                    f"zip() of batches that differ in their number of samples: {error}; give all inputs one "
                    "batch size, or zip samples and then write .batch(...)"
                ) from None
        return element

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Read all inputs in step; the place is how many elements were read, and the place of each input."""
        if self.traits.seekable:
            yield from super().iterate(p, place, runner)
            return
        count, places = parts_of(place, 0, None)
        reading = Reading([(stage, p) for stage in self.inputs], places, runner)
        try:
            while True:
                found = [reading.take(number) for number in range(len(self.inputs))]
                row = [each[0] for each in found if each is not None]
                if len(row) < len(found):
                    self._check_end(found, count)
                    return
                count += 1
                yield self._checked(tuple(row)), (count, tuple(reading.places))
        finally:
            reading.close()

    def _check_end(self, found: Sequence[tuple[Element] | None], count: int) -> None:
        ended = next(number for number, each in enumerate(found) if each is None)
        longer = next((number for number, each in enumerate(found) if each is not None), None)
        if longer is not None:
            raise DataError(
                f"zip() needs inputs of one length: {self.inputs[ended].text()} ended after {count} elements "
                f"and {self.inputs[longer].text()} has more; write .take({count}) after the longer one"
            )
