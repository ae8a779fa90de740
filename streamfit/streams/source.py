"""`Source`: the batches of a data set, their order, and how one of them is loaded.

Guarantee kept here: order and work are separate. `tickets` is pure and runs in the main process; `load`
depends only on its ticket, so it may run anywhere, any number of times.
"""

from __future__ import annotations

import copy
import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import derive
from streamfit._base.specs import Spec
from streamfit.streams import rng_context
from streamfit.streams.batch import Structure
from streamfit.streams.items import Value
from streamfit.streams.naming import name_batch, name_samples
from streamfit.streams.retired_flags import RetiredFlag, refuse_flags
from streamfit.streams.sampling import Sampling
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

Identity = dict[str, object]
"""The properties of the data that a saved place belongs to: values for JSON, by their names in messages."""


class Source(ABC):
    """Base of all sources of batches.

    A subclass defines `tickets` and `load`; its attributes define how it may be used.

    Attributes:
        name: Name of the source in messages.
        seed: Seed of its randomness.
        traits: How it can be read; a class attribute, an attribute of the object, or a property.
        filtered: How many samples its filters have left out, in all passes up to the batch delivered last.
    """

    name: str = "data"
    seed: int = 0
    traits: SourceTraits = SourceTraits()
    filtered: int = 0

    remote = RetiredFlag()
    may_change = RetiredFlag()
    pulled = RetiredFlag()
    rewinds = RetiredFlag()
    batch_layout = RetiredFlag()

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Run `load` of a subclass in an `RngContext`, so that `Sequence.rng` works wherever it is called."""
        super().__init_subclass__(**kwargs)
        refuse_flags(cls)
        load = cls.load
        if not _is_ours(load) and not getattr(load, "placed", False):
            setattr(cls, "load", _placed(load))  # noqa: B010 - a method is not to be assigned to

    @abstractmethod
    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Yield the tickets of pass `data_epoch` in order, from batch `start` on."""

    @abstractmethod
    def load(self, ticket: Ticket) -> Value:
        """Load x, y and sample_weight of one batch."""

    def batches(self, data_epoch: int) -> int | None:
        """Count the batches of pass `data_epoch`; None if that is not known."""
        return None

    def samples_in(self, data_epoch: int, batches: int | None = None) -> int | None:
        """Count the samples of a pass, or of its first `batches` batches; None if that is not known."""
        return None

    def spec(self) -> tuple[Structure[Spec], ...] | None:
        """Return the specs of (x, y, sample_weight), or None before the first batch has been seen."""
        return None

    def begin_pass(self, data_epoch: int) -> None:
        """Prepare a pass; called in the main process before any of its batches is loaded."""
        return

    def end_pass(self, data_epoch: int) -> None:
        """Called once in the main process, after every batch of a pass was delivered."""
        return

    def identity(self) -> Identity:
        """Return the properties of the data that a saved place belongs to: values for JSON by name.

        A run is resumed only if all of them are unchanged. By default they are the class and the first batch
        of pass 0: the number of its samples, and their ids. A source whose data can differ in other ways
        adds to them; seed and number of batches are checked elsewhere.
        """
        found: Identity = {"kind of source": type(self).__name__}
        if self.traits.seekable:
            first = next(iter(self.tickets(0)), None)
            ids = None if first is None else first.ids
            if isinstance(ids, np.ndarray):
                found["samples in a batch"] = len(ids)
                found["first samples"] = name_samples(ids)
            else:
                found["first batch"] = repr(ids)
        return found

    def sample_digest(self) -> str | None:
        """Return a digest of the present values of a few samples, or None if reading them is slow."""
        return None

    def samplings(self, data_epoch: int) -> list[Sampling]:
        """Return what is drawn in a pass, where it does not take every sample once."""
        return []

    def state(self) -> object:
        """Return what a resumed stream needs beside seed and place; a value for JSON, mostly None."""
        return None

    def restore(self, state: object, data_epoch: int, number: int, *, replay: bool) -> None:  # noqa: B027 - optional
        """Prepare to continue at batch `number` of pass `data_epoch`, in a process that has read nothing yet.

        Args:
            state: The result of `state`.
            data_epoch: The pass.
            number: The batch.
            replay: Whether a source that cannot jump may read and drop the batches before the place.
        """

    def open(self) -> None:  # noqa: B027 - optional
        """Open files and connections: once in each process that loads, before its first load."""

    def close(self) -> None:  # noqa: B027 - optional
        """Close what `open` has opened, when the process loads no more from this source."""

    def reseed(self, seed: int) -> None:
        """Start the randomness of this source, and of one that it wraps, from another seed."""
        self.seed = seed

    def with_seed(self, seed: int) -> Self:
        """Return a copy whose randomness starts from another seed; it shares the data with this one."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def key(self, data_epoch: int) -> int:
        """Return the key of the randomness of one pass."""
        return derive(self.seed, data_epoch)

    def describe(self, ticket: Ticket) -> str:
        """Name the batch of a ticket: source, pass, batch, samples."""
        ids = ticket.ids
        details = f"samples {name_samples(ids)}" if isinstance(ids, np.ndarray) and ids.ndim == 1 else ""
        return name_batch(self.name, ticket.data_epoch, ticket.number, details)

    def parts(self, ticket: Ticket) -> list[Ticket]:
        """Return a ticket for each sample, to find the bad samples of a batch that cannot be loaded.

        Empty if a batch can only be loaded as a whole, as that of a `Sequence`.
        """
        ids = ticket.ids
        if not isinstance(ids, np.ndarray) or ids.ndim != 1:
            return []
        return [replace(ticket, ids=ids[at : at + 1]) for at in range(len(ids))]

    def merge(self, parts: Sequence[Ticket]) -> Ticket:
        """Return one ticket for some of the samples of a batch, given their tickets from `parts`."""
        if len(parts) == 1:
            return parts[0]
        return replace(parts[0], ids=np.concatenate([part.ids for part in parts]))

    @property
    def producer(self) -> object:
        """The user's object that makes the batches."""
        return self

    def make_reader(self) -> SourceReader:
        """Return what reads this source for the engine.

        Override it where reading can be faster than ticket by ticket, or has to be another; see
        `SourceReader`.
        """
        return SourceReader(self)


def _is_ours(function: object) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == __name__.partition(".")[0]


def _placed(load: Callable[[Any, Ticket], Value]) -> Callable[[Any, Ticket], Value]:
    @functools.wraps(load)
    def placed(self: Source, ticket: Ticket) -> Value:
        here = rng_context.current()
        if here is not None and here.root is self:  # called by the `load` of a subclass
            return load(self, ticket)
        with rng_context.RngContext(self.seed, ticket.data_epoch, self):
            return load(self, ticket)

    placed.placed = True  # type: ignore[attr-defined]
    return placed


def not_empty(source: Source, size: int, data_epoch: int) -> int:
    """Return the number of batches of a pass.

    Raises:
        DataError: There are none.
    """
    if size < 1:
        raise DataError(
            f"source {source.name!r}: pass {data_epoch} has no batches; too few elements are left"
        )
    return size
