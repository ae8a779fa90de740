"""`Stage`: one step of a pipeline, an immutable description of elements and of how to load them.

A pipeline is a chain (or tree) of stages. A *seekable* stage knows its length and can load any element
alone: `ids` gives, in the main process, the id of the element at each position of a pass; `fetch` loads
elements by id, anywhere. A stage that is not seekable (behind a generator, a filter, `unbatch`) is read in
order by `iterate`, which yields with each element the place to continue from.

Guarantees kept here: a stage never changes; `ids` and `fetch` depend on their arguments alone, so a batch is
the same wherever and however often it is loaded.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamfit._base.errors import DataError, StreamfitError
from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams.sampling import Sampling
from streamfit.streams.stages.elements import Element, collate
from streamfit.streams.stages.recent import Recent
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

Place = object
"""Where the iteration of a stage goes on: numbers, texts and tuples of places; None for the beginning."""


def parts_of(place: Place, *beginning: Any) -> tuple[Any, ...]:
    """Return the parts of a place, or those of the beginning of a pass."""
    return beginning if place is None else tuple(place)  # type: ignore[arg-type]


_FILTERED = "filtered"


def filtered(count: int) -> Place:
    """Return the part of a place that says how many samples were filtered out before it."""
    return _FILTERED, count


def filtered_in(place: Place) -> int:
    """Return how many samples were filtered out before a place.

    Example:
        >>> filtered_in((7, (filtered(3), 0), filtered(2)))
        5
    """
    if not isinstance(place, tuple):
        return 0
    if len(place) == 2 and place[0] == _FILTERED:
        return int(place[1])
    return sum(map(filtered_in, place))


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a pipeline.

    Args:
        seed: The seed of the run.
        number: Number of the pass, from 0.

    Example:
        >>> Pass(1, 0).key("map", 2) == Pass(1, 0).key("map", 2)
        True
    """

    seed: int
    number: int

    def key(self, *words: int | str) -> int:
        """Derive the key of one kind of randomness in this pass."""
        return derive(self.seed, self.number, *words)


MOST_RUNS = 256

ORDER_BYTES = 24
"""What the order of a sample of a window takes: its id (kept twice), its place and its row in its block."""


@dataclass(frozen=True, slots=True)
class Runs:
    """How the elements of a stage lie in files that are read block by block.

    Args:
        lengths: int64 (runs,): how many elements, one after the other, lie in the same block or blocks.
        row_bytes: The bytes that an element takes in memory, roughly.
        mixed: Whether the elements of a run come from all of its blocks, so that it is read as a whole.
    """

    lengths: Array
    row_bytes: int
    mixed: bool = False

    @property
    def edges(self) -> Array:
        """The first position of each run, and behind them the number of elements, int64 (runs + 1,)."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths, dtype=np.int64)])

    def blocks_in(self, samples: int | None, most_bytes: int) -> int:
        """Return how many runs hold so many elements, at least 1.

        For None, how many fit into bytes with what orders them, and no more than `MOST_RUNS`: each may be a
        file of its own.
        """
        mean = max(1.0, float(self.lengths.mean())) if len(self.lengths) else 1.0
        if samples is not None:
            return max(1, math.ceil(samples / mean))
        return min(MOST_RUNS, max(1, int(most_bytes / (mean * (self.row_bytes + ORDER_BYTES)))))


class Returning(Protocol):
    """What iterators are pulled by: it takes back what was not used."""

    def give_back(self, tickets: Sequence[Ticket], /) -> None:
        """Keep items for the next reader."""
        ...


class ElementRunner(Protocol):
    """What `iterate` gets its computed elements from: workers, or this thread."""

    filtered: int
    """How many samples filters have left out, up to the place where reading is; see `filtered_in`."""

    pulled: list[tuple[Returning, Ticket]] | None
    """What was pulled from iterators, where that is to be given back; else None."""

    def compute(self, stage: Stage, p: Pass, place: Place) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of a stage that computes, from a place on, with the place behind each."""
        ...


class Stage(ABC):
    """Base of all stages.

    Args:
        inputs: The stages that this one reads.
        traits: How its elements can be read.

    A subclass either gives `size`, `ids` and `fetch` (seekable), or `iterate`.
    """

    computes = False
    """Whether `apply` turns an element of the input into elements; then it may run in workers."""

    def __init__(self, inputs: tuple[Stage, ...], traits: SourceTraits) -> None:
        self.inputs, self.traits = inputs, traits
        self.depth: int = 1 + max((stage.depth for stage in inputs), default=0)
        self.salt: int = self.depth
        """Sets the random numbers of this stage apart from those of equal stages in the same pipeline."""

    @property
    def input(self) -> Stage:
        """The only stage that this one reads."""
        (stage,) = self.inputs
        return stage

    # -- seekable -----------------------------------------------------------------------------------

    def size(self, p: Pass) -> int | None:
        """Return the number of elements of a pass, None where it is not known before the end."""
        return None

    def space(self, p: Pass) -> int:
        """Return a number that all ids of a pass are below."""
        return self.input.space(p)

    def member_space(self, p: Pass) -> int:
        """Return a number that the ids of the samples in all batches are below, where `members` has any."""
        return self.input.member_space(p)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of the elements at these positions, int64 (n,)."""
        raise self._not_seekable()

    def runs(self, p: Pass) -> Runs | None:
        """Return how the elements lie in blocks of files; None where each is as quick to reach as another."""
        return None

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id."""
        raise self._not_seekable()

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        return collate(self.fetch(p, ids), ids)

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return the ids of the samples in each of these batches; None where a batch is only loaded whole."""
        return None

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch: those of its samples that are named, or all."""
        return self.fetch(p, np.array([batch_id]))[0]

    # -- in order -----------------------------------------------------------------------------------

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of a pass from a place on, each with the place behind it."""
        if self.computes or self.traits.seekable:
            return runner.compute(self, p, place)
        raise self._not_seekable()

    def apply(self, p: Pass, element: Element, element_id: int) -> Iterable[Element]:
        """Return what becomes of one element of the input: none, one or several."""
        raise self._not_seekable()

    # -- everything else ----------------------------------------------------------------------------

    def with_inputs(self, inputs: tuple[Stage, ...], salt: int) -> Stage:
        """Return a copy that reads other stages and draws other random numbers."""
        other = copy.copy(self)
        other.inputs, other.salt = inputs, salt
        for name, value in vars(other).items():
            if isinstance(value, Recent):
                setattr(other, name, Recent())
        return other

    def specs(self) -> Element:
        """Return the structure of an element with a `Spec` for each array; None where only loading tells."""
        return None

    def notes(self, p: Pass) -> list[str]:
        """Return what else a summary says of this stage, a line each."""
        return []

    def seed_for(self, p: Pass) -> int:
        """Return the seed of what draws its own random numbers, such as a `Sequence`."""
        return p.seed if self.salt == self.depth else derive(p.seed, self.salt) >> 1

    def text(self) -> str:
        """Return the pipeline up to this stage, as it is written."""
        return f"{self.inputs[0].text()}.{self!r}" if self.inputs else repr(self)

    def bases(self) -> Iterator[Stage]:
        """Yield the stages that read nothing, from left to right."""
        if not self.inputs:
            yield self
        for stage in self.inputs:
            yield from stage.bases()

    def identity(self) -> dict[str, object]:
        """Return what makes the data of a base others than other data; empty where nothing is known."""
        return {}

    def samplings(self, p: Pass) -> Iterator[Sampling]:
        """Yield what the stages that draw elements draw in a pass; see `Resampled`."""
        for stage in self.inputs:
            yield from stage.samplings(p)

    def begin_pass(self, p: Pass) -> None:  # noqa: B027 - optional, like the three that follow
        """Get ready for a pass, in the main process; each base is told once."""

    def end_pass(self, p: Pass) -> None:  # noqa: B027
        """Note that a pass was delivered whole, in the main process; each base is told once."""

    def open(self) -> None:  # noqa: B027
        """Open files and connections: once in each process that loads, before its first load."""

    def close(self) -> None:  # noqa: B027
        """Close what `open` has opened."""

    @abstractmethod
    def __repr__(self) -> str:
        """Return the stage as it is written: ``batch(32)``."""

    def _not_seekable(self) -> StreamfitError:
        return StreamfitError(f"{self!r} is read in order and has no element by number")


class OrderStage(Stage):
    """A stage that chooses which elements come when, and leaves them as they are."""

    def specs(self) -> Element:
        """Return the specs of an element: those of the input."""
        return self.input.specs()

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Yield the elements of a pass from a place on, each with the place behind it."""
        if self.traits.seekable:
            return runner.compute(self, p, place)
        return self.choose(p, place, runner)

    def choose(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Do the same where the input is read in order."""
        raise self._not_seekable()

    def below(self, p: Pass, ids: Array) -> Array:
        """Return the ids that elements with these ids have in the input: the same."""
        return ids

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load elements by id: those of the input."""
        return self.input.fetch(p, ids)

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Load elements by id as one batch."""
        return self.input.stacked(p, ids)

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return the ids of the samples in each of these batches."""
        return self.input.members(p, batch_ids)

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch."""
        return self.input.load(p, batch_id, members)


def known_size(stage: Stage, p: Pass) -> int:
    """Return the number of elements of a seekable stage in a pass.

    Raises:
        DataError: It has none.
    """
    size = stage.size(p)
    if size is None:
        raise DataError(f"{stage!r} does not know its number of elements")
    return size
