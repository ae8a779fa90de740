"""`Joined`: the base of stages whose elements are those of several inputs, or of several passes of one.

Guarantee kept here: an id names the input and the element in it, so each element of each input comes once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams.stages.branches import set_apart
from streamfit.streams.stages.elements import Element, collate, form_of, map_leaves, named_leaves
from streamfit.streams.stages.layouts import Layout, difference, layout_of
from streamfit.streams.stages.stage import Pass, Stage
from streamfit.streams.traits import common_traits


class Joined(Stage):
    """Elements of several inputs. The ids of each follow those of the inputs before it.

    Args:
        stages: The inputs, at least one.
        caller: How the user calls this stage, for messages.

    Raises:
        DataError: Elements of the inputs are known to differ in form, dtype or number of axes.
    """

    def __init__(self, stages: Sequence[Stage], caller: str) -> None:
        super().__init__(set_apart(stages), common_traits([stage.traits for stage in stages], caller))
        self.caller = caller
        self._have_members: bool | None = None
        self._layouts: dict[int, Layout] = {}  # of the inputs that have given an element in this process
        for number, stage in enumerate(stages):
            specs = stage.specs()
            if specs is not None:
                self._compare(number, layout_of(specs))

    def _compare(self, number: int, layout: Layout) -> None:
        """Check that the elements of an input are like those of the others, as far as these are known."""
        for other, known in list(self._layouts.items()):  # threads may add to it
            first, second = sorted([(other, known), (number, layout)])
            found = difference(first[1], second[1])
            if found is not None:
                raise DataError(
                    f"{self.caller} needs inputs with elements of one form: {found}. The first is "
                    f"{self.inputs[first[0]].text()}, the second is {self.inputs[second[0]].text()}"
                )
        self._layouts[number] = layout

    def checked(self, number: int, element: Element) -> Element:
        """Return an element of an input; the first one of each input is compared with those of the others.

        Raises:
            DataError: It differs in form, dtype or number of axes.
        """
        if number not in self._layouts:
            self._compare(number, layout_of(element))
        return element

    def specs(self) -> Element:
        """Return the specs of an element: those of the first input."""
        return self.inputs[0].specs()

    # -- which input --------------------------------------------------------------------------------

    def part(self, p: Pass, number: int) -> tuple[Stage, Pass]:
        """Return one of the inputs, with its pass."""
        return self.inputs[number], p

    def first_id(self, p: Pass, number: int) -> int:
        """Return the first id of one of the inputs."""
        return sum(stage.space(p) for stage in self.inputs[:number])

    def first_member(self, p: Pass, number: int) -> int:
        """Return the first id of the samples in the batches of one of the inputs."""
        return sum(stage.member_space(p) for stage in self.inputs[:number])

    def parts_of_ids(self, p: Pass, ids: Array) -> Array:
        """Return the number of the input of each id."""
        ends = np.cumsum([stage.space(p) for stage in self.inputs])
        return np.searchsorted(ends, ids, side="right")

    @abstractmethod
    def locate(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the number of the input at each position, and the position in it."""

    # -- seekable -----------------------------------------------------------------------------------

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        sizes = [stage.size(p) for stage in self.inputs]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def space(self, p: Pass) -> int:
        """Return a number that all ids of a pass are below."""
        return self.first_id(p, len(self.inputs))

    def member_space(self, p: Pass) -> int:
        """Return a number that the ids of the samples in all batches are below."""
        return self.first_member(p, len(self.inputs))

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of the elements at these positions."""
        numbers, within = self.locate(p, positions)
        ids = np.empty(len(positions), np.int64)
        for number in np.unique(numbers).tolist():
            chosen = numbers == number
            stage, q = self.part(p, number)
            ids[chosen] = stage.ids(q, within[chosen]) + self.first_id(p, number)
        return ids

    def _groups(self, p: Pass, ids: Array) -> list[tuple[int, Array]]:
        """Return for each input that is concerned the places of its ids among these."""
        numbers = self.parts_of_ids(p, ids)
        return [(number, np.flatnonzero(numbers == number)) for number in np.unique(numbers).tolist()]

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id."""
        found: list[Element] = [None] * len(ids)
        for number, places in self._groups(p, ids):
            stage, q = self.part(p, number)
            loaded = stage.fetch(q, ids[places] - self.first_id(p, number))
            for place, element in zip(places.tolist(), loaded, strict=True):
                found[place] = self.checked(number, element)
        return found

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        groups = self._groups(p, ids)
        batches = []
        for number, places in groups:
            stage, q = self.part(p, number)
            batches.append(stage.stacked(q, ids[places] - self.first_id(p, number)))
        if len(batches) == 1:
            return batches[0]
        joined = joined_batches(batches, np.concatenate([places for _, places in groups]))
        # What cannot be joined is loaded one by one, for the message that names the samples.
        return collate(self.fetch(p, ids), ids) if joined is None else joined[0]

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return the ids of the samples in each of these batches, set apart by input."""
        if not self._all_have_members(p):
            return None
        found: list[Array] = [batch_ids] * len(batch_ids)
        for number, places in self._groups(p, batch_ids):
            stage, q = self.part(p, number)
            members = stage.members(q, batch_ids[places] - self.first_id(p, number))
            if members is None:
                return None
            for place, ids in zip(places.tolist(), members, strict=True):
                found[place] = ids + self.first_member(p, number)
        return found

    def _all_have_members(self, p: Pass) -> bool:
        """Return whether the samples of all batches have ids: whichever batches are asked for together, the
        answer must be one, as random numbers depend on it.
        """
        if self._have_members is None:
            first = np.zeros(1, np.int64)
            inputs = self.inputs if len(self.inputs) > 1 else ()
            filled = [stage for stage in inputs if stage.size(p) != 0]
            self._have_members = all(s.members(p, s.ids(p, first)) is not None for s in filled)
        return self._have_members

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch, or some of its samples."""
        number = int(self.parts_of_ids(p, np.array([batch_id]))[0])
        stage, q = self.part(p, number)
        inner = None if members is None else members - self.first_member(p, number)
        return self.checked(number, stage.load(q, batch_id - self.first_id(p, number), inner))


def joined_batches(batches: Sequence[Element], places: Array) -> tuple[Element] | None:
    """Return one batch of several in a tuple: the sample at ``places[i]`` is number i of all these batches.

    Returns None where the batches differ in form, shape or dtype.

    Example:
        >>> joined_batches([np.array([1, 3]), np.array([2])], np.array([0, 2, 1]))
        (array([1, 2, 3]),)
    """
    if len({form_of(batch) for batch in batches}) > 1:
        return None
    columns = [[np.asarray(leaf) for _, leaf in named_leaves(batch)] for batch in batches]
    for column in zip(*columns, strict=True):
        if len({(leaf.shape[1:], leaf.dtype) for leaf in column}) > 1:
            return None
    order = np.argsort(places)
    leaves = iter([np.concatenate(column)[order] for column in zip(*columns, strict=True)])
    return (map_leaves(batches[0], lambda _: next(leaves)),)
