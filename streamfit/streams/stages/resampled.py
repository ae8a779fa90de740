"""`Resampled`: the base of stages that draw elements of their input: some several times, others not at all.

Guarantee kept here: each draw has an id of its own, so that the copies of a sample get different random
numbers in a map behind this stage; and what a pass drew can be told exactly, for its receipt.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import derive, seed_or_none
from streamfit._base.specs import Array
from streamfit.streams.sampling import Sampling
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.recent import Recent
from streamfit.streams.stages.stage import OrderStage, Pass, Stage, known_size

_MOST_IDS = 1 << 63


class Resampled(OrderStage):
    """Elements of the input, drawn by number. The id of a draw is that of the element plus a multiple of the
    number that all ids of the input are below.

    Args:
        stage: What to draw from: single samples that can seek and come in the same order in every pass.
        caller: How the user calls this stage, for messages.
        count: How many elements the table of the subclass is for.
        seed: A seed for the draws; None follows the run.

    Raises:
        ValueError: The input has other properties, or another number of elements.
    """

    def __init__(self, stage: Stage, caller: str, count: int, seed: int | None = None) -> None:
        check_input(stage, caller)
        traits = replace(stage.traits, fixed_order=False, fixed_ids=False, has_gaps=True)
        super().__init__((stage,), traits)
        self.count, self.own_seed, self._what = count, seed_or_none(seed), caller.removesuffix("()")
        size = known_size(stage, Pass(0, 0))
        if not size:
            raise DataError(f"{caller}: {stage.text()} has no elements to draw from")
        if size != count:
            raise ValueError(f"{caller} of {size} elements was given values for {count}; write one for each")
        self._counted = Recent()

    @abstractmethod
    def draw(self, p: Pass, positions: Array) -> tuple[Array, Array]:
        """Return the number of the element that is drawn at each position, and the number of its copy."""

    @abstractmethod
    def copies(self, p: Pass) -> int:
        """Return a number that the numbers of all copies in a pass are below."""

    @abstractmethod
    def counts(self, p: Pass) -> tuple[int, int]:
        """Return how many different elements a pass draws, and how often one comes at most."""

    def key(self, p: Pass) -> int:
        """Return the key of the draws of a pass."""
        if self.own_seed is not None:
            return derive(self.own_seed, p.number, self._what)
        return p.key(self._what, self.salt)

    def space(self, p: Pass) -> int:
        """Return a number that all ids of a pass are below."""
        space = self.input.space(p) * self.copies(p)
        if space > _MOST_IDS:
            raise DataError(f"{self.text()} would need more than 2**63 ids; draw fewer elements")
        return space

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of the draws at these positions."""
        self.space(p)
        size = known_size(self.input, p)
        if size != self.count:
            raise DataError(
                f"{self.text()}: the input has {size} elements in pass {p.number}, and had {self.count} when "
                "the pipeline was made"
            )
        places, copies = self.draw(p, positions)
        found: Array = self.input.ids(p, places) + copies * self.input.space(p)
        return found

    def below(self, p: Pass, ids: Array) -> Array:
        """Return the ids of the elements of the input."""
        found: Array = ids % self.input.space(p)
        return found

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id."""
        return self.input.fetch(p, self.below(p, ids))

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        return self.input.stacked(p, self.below(p, ids))

    def samplings(self, p: Pass) -> Iterator[Sampling]:
        """Yield what the stages before have drawn, and what this one has."""
        yield from super().samplings(p)
        distinct, most = self._counted.get(p, lambda: self.counts(p))
        yield Sampling(repr(self), p.number, known_size(self, p), self.count, distinct, most)


def check_input(stage: Stage, caller: str) -> None:
    """Check that a stage has single samples, each with a number that stays.

    Raises:
        ValueError: It has not.
    """
    name = caller.removesuffix("()")
    if stage.traits.batched:
        raise ValueError(f"{caller} draws single samples; write .{name}(...) before .batch(...)")
    if not stage.traits.seekable:
        raise ValueError(
            f"{caller} needs an input whose elements have numbers; {stage.text()} is read in order. Write "
            f".{name}(...) before .filter(...) and .unbatch(), or pass arrays in place of an iterator"
        )
    if not stage.traits.fixed_order:
        raise ValueError(
            f"{caller} after {stage.text()}: the elements come in another order in each pass, and what is "
            f"given for each would go astray; write .{name}(...) before .shuffle() and .mix(...)"
        )


def checksum(*values: object) -> str:
    """Return 8 digits that stand for values: arrays by their bytes, others by what they are written as.

    A saved place is compared by how the stages are written, so a table must be seen there.

    Example:
        >>> checksum(np.arange(3)) == checksum(np.arange(3)) != checksum(np.arange(4))
        True
    """
    found = hashlib.blake2b(digest_size=4)
    for value in values:
        array = isinstance(value, np.ndarray)
        found.update(np.ascontiguousarray(value).data if array else repr(value).encode())
    return found.hexdigest()
