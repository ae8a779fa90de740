"""`Source`: what exists, in which order, and how one batch of it is loaded.

Guarantee kept here: order is apart from work. `tickets` is pure and runs in the main process; `load`
depends on its ticket alone, so it may run anywhere, any number of times.
"""

from __future__ import annotations

import functools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import derive
from streamfit._base.specs import Array, Spec
from streamfit.streams import buffer_reuse, rng_context
from streamfit.streams.batch import Batch, Part, Structure
from streamfit.streams.items import Value
from streamfit.streams.leaves import leaves
from streamfit.streams.naming import name_batch, name_samples
from streamfit.streams.ownership import detached
from streamfit.streams.ticket import Ticket

Identity = dict[str, object]
"""What a saved place belongs to: values for JSON, by the words of an error."""


class Source(ABC):
    """Base of all sources of batches.

    A subclass gives `tickets` and `load`, and says by its attributes how it may be used.

    Attributes:
        name: What to call the source in messages.
        seed: Where its randomness starts from.
        remote: Whether `load` may run in workers.
        may_change: Whether its content can change between two passes.
        pulled: Whether its batches come from an iterator that a thread may pull ahead.
        rewinds: Whether a pass can be started anew; a generator cannot.
        batch_layout: Whether its batches are known to be alike, so that they need no check.
    """

    name: str = "data"
    seed: int = 0
    remote: bool = False
    may_change: bool = False
    pulled: bool = False
    rewinds: bool = True
    batch_layout: bool = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Have `load` of a subclass know where it runs, so that `Sequence.rng` does wherever it is called."""
        super().__init_subclass__(**kwargs)
        load = cls.load
        if not _is_ours(load) and not getattr(load, "placed", False):
            setattr(cls, "load", _placed(load))  # noqa: B010 - a method is not to be assigned to

    @abstractmethod
    def tickets(self, epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of pass `epoch` in order, from batch `start` on."""

    @abstractmethod
    def load(self, ticket: Ticket) -> Value:
        """Load x, y and sample_weight of one batch."""

    def batches(self, epoch: int) -> int | None:
        """Count the batches of pass `epoch`; None when that is not known."""
        return None

    def spec(self) -> tuple[Structure[Spec], ...] | None:
        """Return the specs of (x, y, sample_weight), or None before the first batch has been seen."""
        return None

    def begin_pass(self, epoch: int) -> None:
        """Get ready for a pass; called in the main process before any of its batches is loaded."""
        return

    def end_pass(self, epoch: int) -> None:
        """Take note that every batch of a pass was delivered; called once, in the main process."""
        return

    def identity(self) -> Identity:
        """Return what a saved place in these data belongs to: values for JSON, by the words of an error.

        A run is resumed only where all of them are as they were. As it is, they are the class and the first
        batch of pass 0: how many samples it has, and which. A source whose data can differ otherwise adds to
        them; seed and number of batches are looked after elsewhere.
        """
        found: Identity = {"kind of source": type(self).__name__}
        if not self.pulled:
            first = next(iter(self.tickets(0)), None)
            ids = None if first is None else first.ids
            if isinstance(ids, np.ndarray):
                found["samples in a batch"] = len(ids)
                found["first samples"] = name_samples(ids)
            else:
                found["first batch"] = repr(ids)
        return found

    def sample_digest(self) -> str | None:
        """Return a digest of a few samples as they are now, or None where reading them is not cheap."""
        return None

    def state(self) -> object:
        """Return what else, beside seed and place, a resumed stream needs; a value for JSON, mostly None."""
        return None

    def restore(self, state: object, epoch: int, number: int, *, replay: bool) -> None:  # noqa: B027 - optional
        """Get ready to go on at batch `number` of pass `epoch`, in a process that read nothing so far.

        Args:
            state: What `state` returned.
            epoch: The pass.
            number: The batch.
            replay: Whether what cannot jump there may be read and dropped up to there.
        """

    def key(self, epoch: int) -> int:
        """Return the key of the randomness of one pass."""
        return derive(self.seed, epoch)

    def describe(self, ticket: Ticket) -> str:
        """Say which batch a ticket is for: source, epoch (pass), batch, samples."""
        ids = ticket.ids
        details = f"samples {name_samples(ids)}" if isinstance(ids, np.ndarray) and ids.ndim == 1 else ""
        return name_batch(self.name, ticket.epoch, ticket.number, details)

    def parts(self, ticket: Ticket) -> list[Ticket]:
        """Return a ticket for each sample, to find the bad ones of a batch that cannot be loaded.

        Empty where a batch can only be loaded whole, as that of a `Sequence`.
        """
        ids = ticket.ids
        if not isinstance(ids, np.ndarray) or ids.ndim != 1:
            return []
        return [replace(ticket, ids=ids[at : at + 1]) for at in range(len(ids))]

    def merge(self, parts: Sequence[Ticket]) -> Ticket:
        """Return the ticket for some of the samples of a batch, given those of `parts`."""
        if len(parts) == 1:
            return parts[0]
        return replace(parts[0], ids=np.concatenate([part.ids for part in parts]))

    def batch(self, ticket: Ticket, value: Value) -> Batch:
        """Make a batch of a ticket and what was loaded for it."""
        x, y, sample_weight = value
        size = len(x) if type(x) is np.ndarray else _first_length(x)
        if not size:
            raise DataError(
                f"{self.describe(ticket)}: received an empty batch. Batches should contain at least one item."
            )
        return Batch(x, y, sample_weight, ticket.ids, ticket.number, ticket.epoch, size)

    def reader(self, epoch: int, start: int) -> Callable[[int], Batch] | None:
        """Return a function that loads the next batch here and now, or None where `read` does as well.

        Its argument is how many batches may come joined into one; it raises StopIteration at the end.
        """
        return None

    def read(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Load the batches of a pass here and now, one at each request."""
        for ticket in self.tickets(epoch, start):
            yield self.loaded(ticket, self.load)

    def pull(self, epoch: int, start: int = 0, *, thread: bool = False) -> Iterator[tuple[Ticket, Batch]]:
        """Load the batches of a pass, one at each request, for a consumer that keeps them.

        They share no memory with anything that the source may write to when it goes on.

        Args:
            epoch: Number of the pass.
            start: Number of the first batch.
            thread: Whether this runs in a thread of its own.
        """
        for ticket in self.tickets(epoch, start):
            yield ticket, self.loaded(ticket, self.load_apart)

    def give_back(  # noqa: B027 - optional
        self,
        tickets: Sequence[Ticket],
        error: BaseException | None = None,
        thread: threading.Thread | None = None,
    ) -> None:
        """Take back what was pulled and not used.

        Args:
            tickets: What was pulled last, in order.
            error: What came after them and was not raised.
            thread: One that may still be pulling.
        """

    @property
    def producer(self) -> object:
        """The object of the user's that makes the batches."""
        return self

    def load_apart(self, ticket: Ticket, *, threads: bool = False) -> Value:
        """Load one batch that shares no memory with anything that the source may write to later.

        Args:
            ticket: Which batch.
            threads: Whether several threads load from the source at once.

        Raises:
            DataError: Two of them got the same memory.
        """
        value: Value = self._apart(lambda: self.load(ticket), ticket, threads, listed=False)
        return value

    def _apart(self, make: Callable[[], object], ticket: Ticket, threads: bool, *, listed: bool) -> Any:
        """Return what `make` returns without the memory that is still its maker's."""
        if not threads:
            return detached([make()], listed=listed)
        since, copied = time.monotonic_ns(), list[tuple[Array, Array]]()
        item = detached([make()], listed=listed, copied=copied)
        if copied:
            buffer_reuse.check(self.producer, ticket.ids, since, copied)
        return item

    def loaded(self, ticket: Ticket, load: Callable[[Ticket], Value]) -> Batch:
        """Return the batch that `load` makes of a ticket; what it raises says for which."""
        try:
            value = load(ticket)
        except Exception as error:
            error.add_note(f"while loading {self.describe(ticket)}")
            raise
        return self.batch(ticket, value)


def _is_ours(function: object) -> bool:
    return str(getattr(function, "__module__", "")).partition(".")[0] == __name__.partition(".")[0]


def _placed(load: Callable[[Any, Ticket], Value]) -> Callable[[Any, Ticket], Value]:
    @functools.wraps(load)
    def placed(self: Source, ticket: Ticket) -> Value:
        here = rng_context.current()
        if here is not None and here.root is self:  # called by the `load` of a subclass
            return load(self, ticket)
        with rng_context.RngContext(self.seed, ticket.epoch, self):
            return load(self, ticket)

    placed.placed = True  # type: ignore[attr-defined]
    return placed


def _first_length(x: Part) -> int:
    arrays = leaves(x)
    return len(arrays[0][1]) if arrays else 0
