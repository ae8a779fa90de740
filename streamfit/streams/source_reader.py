"""`SourceReader`: how the engine reads a source; the base of readers that read in a faster or another way.

Guarantees kept here: an exception of a load names its batch; a batch that waits shares no memory to which the
source may write later; a batch without samples is refused.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams import buffer_reuse
from streamfit.streams.batch import Batch, Part
from streamfit.streams.items import Value, as_item
from streamfit.streams.leaves import leaves
from streamfit.streams.ownership import detached
from streamfit.streams.pass_reader import PassReader
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits
from streamfit.workers import Pool


class TicketSource(Protocol):
    """What a reader needs of a source: its order, its loads, and their names."""

    name: str

    @property
    def traits(self) -> SourceTraits:
        """How it can be read."""
        ...

    @property
    def producer(self) -> object:
        """The user's object that makes the batches."""
        ...

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Yield the tickets of a pass."""
        ...

    def load(self, ticket: Ticket) -> Value:
        """Load one batch."""
        ...

    def parts(self, ticket: Ticket) -> list[Ticket]:
        """Return a ticket for each sample."""
        ...

    def merge(self, parts: Sequence[Ticket]) -> Ticket:
        """Return one ticket for some samples."""
        ...

    def describe(self, ticket: Ticket) -> str:
        """Name the batch of a ticket."""
        ...

    def open(self) -> None:
        """Open files and connections."""
        ...

    def close(self) -> None:
        """Close what `open` has opened."""
        ...

    def make_reader(self) -> SourceReader:
        """Return what reads the source."""
        ...


class SourceReader:
    """Read a source: in the caller's thread, in a thread that works ahead, or as the loader of a pool.

    A source that can be read faster, or in another way, than ticket by ticket has a reader of its own, which
    overrides `joined`, `pull`, `give_back`, `items`, `load_apart`, `in_pool` or `replayed`, and returns it
    from `Source.make_reader`.

    Args:
        source: The source.
    """

    def __init__(self, source: TicketSource) -> None:
        self.source = source

    # -- one batch ----------------------------------------------------------------------------------

    def batch(self, ticket: Ticket, value: Value) -> Batch:
        """Make a batch of a ticket and its loaded value.

        Raises:
            DataError: There are no samples in it.
        """
        x, y, sample_weight = value
        size = len(x) if type(x) is np.ndarray else _first_length(x)
        if not size:
            raise DataError(
                f"{self.source.describe(ticket)}: received an empty batch. Batches should contain at least "
                "one item."
            )
        return Batch(x, y, sample_weight, ticket.ids, ticket.number, ticket.data_epoch, size)

    def loaded(self, ticket: Ticket, load: Callable[[Ticket], Value]) -> Batch:
        """Return the batch that `load` makes of a ticket; its exceptions name the batch."""
        try:
            value = load(ticket)
        except Exception as error:
            error.add_note(f"while loading {self.source.describe(ticket)}")
            raise
        return self.batch(ticket, value)

    def replayed(self, data_epoch: int, number: int, skipped: frozenset[object] = frozenset()) -> Batch:
        """Load one batch once more, as it was delivered.

        Args:
            data_epoch: The pass.
            number: The batch.
            skipped: Ids of samples that were left out because they cannot be loaded.

        Raises:
            DataError: The pass has no such batch now.
        """
        source = copy.copy(self.source)  # what `tickets` notes of a pass is not for the run
        ticket = next(iter(source.tickets(data_epoch, number)), None)
        if ticket is None:
            raise DataError(f"source {source.name!r}: pass {data_epoch} has no batch {number} now")
        parts = source.parts(ticket) if skipped else []
        kept = [part for part in parts if not skipped.intersection(np.ravel(part.ids).tolist())]
        if 0 < len(kept) < len(parts):
            ticket = source.merge(kept)
        again = source.make_reader()
        return again.loaded(ticket, again.load_apart)

    # -- a pass, in this process --------------------------------------------------------------------

    def joined(self, data_epoch: int, start: int) -> Callable[[int], Batch] | None:
        """Return a function that loads the next batch in this thread, or None if `read` is as fast.

        Its argument is the largest number of batches to join; it raises StopIteration at the end.
        """
        return None

    def read(self, data_epoch: int, start: int = 0) -> Iterator[Batch]:
        """Load the batches of a pass in this thread, one at each request."""
        for ticket in self.source.tickets(data_epoch, start):
            yield self.loaded(ticket, self.source.load)

    def pull(
        self, data_epoch: int, start: int = 0, *, thread: bool = False
    ) -> Iterator[tuple[Ticket, Batch]]:
        """Load the batches of a pass, one at each request, for a consumer that keeps them.

        They share no memory to which the source may write when it continues.

        Args:
            data_epoch: Number of the pass.
            start: Number of the first batch.
            thread: Whether this runs in a thread of its own.
        """
        for ticket in self.source.tickets(data_epoch, start):
            yield ticket, self.loaded(ticket, self.load_apart)

    def items(self, data_epoch: int, start: int = 0) -> Iterator[tuple[Ticket, object]]:
        """Load the items of a pass as the source has them, for a consumer that keeps them."""
        for ticket in self.source.tickets(data_epoch, start):
            yield ticket, as_item(self.load_apart(ticket))

    def give_back(
        self,
        tickets: Sequence[Ticket],
        error: BaseException | None = None,
        thread: threading.Thread | None = None,
    ) -> None:
        """Take back tickets that were pulled and not used.

        Args:
            tickets: The tickets that were pulled last, in order.
            error: The exception that followed them and was not raised.
            thread: A thread that may still be pulling.
        """

    def in_pool(self, pool: Pool | None, place: tuple[int, int]) -> PassReader | None:
        """Return what reads a pass in a way of its own with the workers of a pool, or None.

        Args:
            pool: The workers; None for none.
            place: The pass and the number of the first batch.
        """
        return None

    # -- as the loader of a pool, see `workers.contract.Loader` -------------------------------------

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return self.source.name

    @property
    def may_change(self) -> bool:
        """Whether the content can change between two passes."""
        return self.source.traits.may_change

    def load(self, ticket: Ticket) -> Value:
        """Load one batch."""
        return self.source.load(ticket)

    def load_apart(self, ticket: Ticket, *, threads: bool = False) -> Value:
        """Load one batch that shares no memory to which the source may write later.

        Args:
            ticket: Which batch.
            threads: Whether several threads load from the source at once.

        Raises:
            DataError: Two threads got the same memory.
        """
        value: Value = self.apart(lambda: self.source.load(ticket), ticket, threads, listed=False)
        return value

    def apart(self, make: Callable[[], object], ticket: Ticket, threads: bool, *, listed: bool) -> Any:
        """Return the result of `make`, with a copy in place of memory that its producer can still reach.

        Args:
            make: Returns an item.
            ticket: What the item is of.
            threads: Whether several threads make items at once.
            listed: Whether a list of two or three is read like a tuple (x, y, sample_weight).
        """
        if not threads:
            return detached([make()], listed=listed)
        since, copied = time.monotonic_ns(), list[tuple[Array, Array]]()
        item = detached([make()], listed=listed, copied=copied)
        if copied:
            buffer_reuse.check(self.source.producer, ticket.ids, since, copied)
        return item

    def parts(self, ticket: Ticket) -> list[Ticket]:
        """Return a ticket for each sample of a batch."""
        return self.source.parts(ticket)

    def merge(self, parts: Sequence[Ticket]) -> Ticket:
        """Return one ticket for some of the samples of a batch."""
        return self.source.merge(parts)

    def open_in_worker(self) -> None:
        """Open the source in a worker process, before its first load."""
        self.source.open()

    def close_in_worker(self) -> None:
        """Close the source in a worker process that loads no more from it."""
        self.source.close()


def _first_length(x: Part) -> int:
    arrays = leaves(x)
    return len(arrays[0][1]) if arrays else 0
