"""`PassStage`: the base of stages that leave elements as they are and read their input at another pass."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from streamfit._base.keys import seed_from
from streamfit._base.specs import Array
from streamfit.streams.sampling import Sampling
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage


class PassStage(Stage):
    """The elements of the input in another pass, or in the same pass with another seed."""

    @abstractmethod
    def inner(self, p: Pass) -> Pass:
        """Return the pass of the input."""

    def size(self, p: Pass) -> int | None:
        """Return the number of elements."""
        return self.input.size(self.inner(p))

    def space(self, p: Pass) -> int:
        """Return a number that all ids of a pass are below."""
        return self.input.space(self.inner(p))

    def member_space(self, p: Pass) -> int:
        """Return a number that the ids of the samples in all batches are below."""
        return self.input.member_space(self.inner(p))

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids at these positions."""
        return self.input.ids(self.inner(p), positions)

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id."""
        return self.input.fetch(self.inner(p), ids)

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        return self.input.stacked(self.inner(p), ids)

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return the ids of the samples in each of these batches."""
        return self.input.members(self.inner(p), batch_ids)

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch, or some of its samples."""
        return self.input.load(self.inner(p), batch_id, members)

    def samplings(self, p: Pass) -> Iterator[Sampling]:
        """Yield what the stages before draw in their pass."""
        return self.input.samplings(self.inner(p))

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of a pass from a place on, each with the place behind it."""
        return self.input.iterate(self.inner(p), place, runner)


class Seeded(PassStage):
    """A part of a pipeline that has a seed of its own, as it was made with one."""

    def __init__(self, stage: Stage, seed: int) -> None:
        super().__init__((stage,), stage.traits)
        self.own_seed = seed_from(seed)

    def __repr__(self) -> str:
        return f"seed({self.own_seed})"

    def inner(self, p: Pass) -> Pass:
        """Return the same pass with the seed of this part."""
        return Pass(self.own_seed, p.number)
