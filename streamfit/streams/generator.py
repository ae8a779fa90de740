"""`GeneratorSource`: iterators and other iterables, pulled in order by one owner.

Guarantees kept here: `next` is called exactly once for each requested batch; no item is pulled by two owners;
no pulled item is dropped: the next stream that reads the same iterator gets the items that a stream did not
use; an exception of the iterator is raised at its place, with its own type; an exhausted iterator is never
begun again; items that wait while the iterator continues share no memory with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from streamfit._base.errors import DataError, NoArrayError
from streamfit._base.keys import seed_from
from streamfit.streams import backlog, rng_context
from streamfit.streams.batch import Batch
from streamfit.streams.items import Value, unpack
from streamfit.streams.ownership import detached
from streamfit.streams.puller import await_pull
from streamfit.streams.source import Identity, Source
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

_NOTHING = object()
_IN_A_THREAD = (
    "The generator ran in a thread of its own, so that it works ahead. If it must run in the thread that "
    "calls (a database connection, an event loop, a window, a context), pass workers=0."
)


class GeneratorSource(Source):
    """Feed the batches that an iterator yields.

    Args:
        batches: An iterator, which is read once, or an iterable without ``__next__`` (such as the data
            loader of another library), for which each pass calls ``iter`` anew.
        name: Name of the source in messages.
        seed: Seed of the randomness of its passes.
        targets: Whether the consumer wants targets: then each item must be a tuple (x, y) or
            (x, y, sample_weight); else it may be x alone.
        text: Whether x may hold text.

    Example:
        >>> import numpy as np
        >>> source = GeneratorSource((np.full(2, k), np.zeros(2)) for k in range(3))
        >>> [batch.x.tolist() for batch in source.make_reader().read(0)]
        [[0, 0], [1, 1], [2, 2]]
    """

    def __init__(
        self, batches: Any, *, name: str = "data", seed: int = 0, targets: bool = True, text: bool = False
    ) -> None:
        self.iterable, self.name, self.seed = batches, name, seed_from(seed)
        self.targets, self.text = targets, text
        self._has_state = hasattr(batches, "state_dict") and hasattr(batches, "load_state_dict")
        self.traits = SourceTraits(
            pulled_ahead=not self._has_state,  # a saved state must be that of the last delivered batch
            seekable=False,
            rewinds=not hasattr(batches, "__next__"),
        )
        self._pulled = 0
        self._ended = False

    @property
    def used_up(self) -> bool:
        """Whether this is an iterator that is known to have ended, with nothing kept for its next reader."""
        if self.traits.rewinds or backlog.of(self.iterable) is not None:
            return False
        frame: object = getattr(
            self.iterable, "gi_frame", self.iterable
        )  # None for a generator that has ended
        return self._ended or frame is None

    def batches(self, data_epoch: int) -> int | None:
        """Count the batches of a pass; None if the iterable does not know its length."""
        if not self.traits.rewinds or not hasattr(self.iterable, "__len__"):
            return None
        try:
            return len(self.iterable)
        except TypeError:  # a data loader over an iterable has the method but no length
            return None

    def identity(self) -> Identity:
        """Return the properties of the data that a saved place belongs to."""
        kind = "iterable" if self.traits.rewinds else "iterator"
        return {"kind of source": kind, "class": type(self.iterable).__name__}

    def state(self) -> object:
        """Return the iterable's own state if it has a ``state_dict``, else None."""
        return self.iterable.state_dict() if self._has_state else None

    def restore(self, state: object, data_epoch: int, number: int, *, replay: bool) -> None:
        """Restore the iterable's own state, or pull and drop the items before the place.

        Raises:
            DataError: The iterator has no state and `replay` is False; or it ends too early.
        """
        if self._has_state and state is not None:
            self.iterable.load_state_dict(state)
        elif not self.traits.rewinds:
            self._replay(number, replay)
        self._pulled = number

    def _replay(self, number: int, replay: bool) -> None:
        if not replay:
            raise DataError(
                f"source {self.name!r}: a plain generator cannot jump to batch {number}. Give it "
                "state_dict() and load_state_dict(state), use a Sequence, or ask for a replay (replay=True), "
                f"which pulls and drops its first {number} batches."
            )
        items = self._pull(self.iterable, 0)
        for pulled in range(number):
            if next(items, _NOTHING) is _NOTHING:
                raise DataError(
                    f"source {self.name!r}: the generator ended after {pulled} batches when its first "
                    f"{number} were replayed; it must be made anew, and equal, to resume"
                )

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Pull the items of a pass, one at each request.

        Of an iterable, items before `start` are pulled and dropped; an iterator is already at `start`.
        """
        return self.pulled_tickets(data_epoch, start)

    def give_back(
        self,
        tickets: Sequence[Ticket],
        error: BaseException | None = None,
        thread: threading.Thread | None = None,
    ) -> None:
        """Keep unused items for the next reader of the iterator.

        Of an iterable, which begins again for each pass, nothing needs to be kept.
        """
        if not self.traits.rewinds:
            self._pulled -= len(tickets)
            backlog.give_back(self.iterable, [ticket.payload for ticket in tickets], error, thread)

    def pulled_tickets(
        self, data_epoch: int, start: int, *, apart: bool = False, thread: bool = False
    ) -> Iterator[Ticket]:
        """Pull the items of a pass, one at each request.

        Args:
            data_epoch: Number of the pass.
            start: Number of the first item.
            apart: Whether items must not share memory that the iterator may overwrite.
            thread: Whether this runs in a thread of its own.
        """
        iterator = iter(self.iterable) if self.traits.rewinds else self.iterable
        key, number = self.key(data_epoch), 0 if self.traits.rewinds else start
        ended = self.used_up
        count = self.batches(data_epoch)
        for item in self._pull(iterator, data_epoch, number, apart=apart, thread=thread):
            if number + 1 == count:
                self._expect_end(iterator, count)
            if number >= start:
                # If the pass can begin again, the place in the pass: so a resumed run gives the same id.
                ids, self._pulled = number if self.traits.rewinds else self._pulled, self._pulled + 1
                yield Ticket(data_epoch, number, ids, key, item)
            number += 1
        if number < start:
            raise DataError(
                f"source {self.name!r}, pass {data_epoch}: the place to go on at is batch {start}, but the "
                f"{type(self.iterable).__name__} ends after {number} batches; resume with the data of the "
                "interrupted run, or begin anew with another backup folder"
            )
        if number == 0 and ended:
            raise DataError(
                f"source {self.name!r}, pass {data_epoch}: the generator is used up: it was read to its end "
                "before. Make a new one, or pass an object that can be read again: a list of batches, a "
                "Sequence, or a class whose __iter__ begins anew"
            )
        if number == 0 and (self.traits.rewinds or self._pulled == 0):
            raise DataError(
                f"source {self.name!r}, pass {data_epoch}: the generator must yield at least one batch. "
                "Received an empty generator."
            )

    def _expect_end(self, iterator: Iterator[object], count: int) -> None:
        for _ in iterator:
            raise DataError(
                f"source {self.name!r}: the {type(self.iterable).__name__} says it has {count} batches and "
                "yields more; its __len__ must count what __iter__ yields"
            )

    def _pull(
        self,
        iterator: Iterator[object],
        data_epoch: int,
        number: int = 0,
        *,
        apart: bool = False,
        thread: bool = False,
    ) -> Iterator[object]:
        """Yield the items of an iterator, first those that another stream has not used.

        Args:
            iterator: The iterator.
            data_epoch: Number of the pass.
            number: Number of the next item in that pass.
            apart: Whether items must not share memory that the iterator may overwrite.
            thread: Whether this runs in a thread of its own.
        """
        for item in self._left_over(iterator):
            yield item
            number += 1
        # No "yield from", which would close the user's generator together with this one.
        while True:
            try:
                with rng_context.RngContext(self.seed, data_epoch, self.iterable, "item", number):
                    box = [next(iterator)]
            except StopIteration:
                self._ended = not self.traits.rewinds
                return
            except ValueError as error:
                if "already executing" not in str(error):
                    self._note(error, data_epoch, number, thread)
                    raise
                raise DataError(
                    f"source {self.name!r}, pass {data_epoch}: the generator is being run by another thread "
                    "at this moment; give each consumer a generator of its own"
                ) from error
            except Exception as error:
                self._note(error, data_epoch, number, thread)
                raise
            item = detached(box, listed=self.targets) if apart else box.pop()
            del box
            yield item
            del item
            number += 1

    def _note(self, error: Exception, data_epoch: int, number: int, thread: bool) -> None:
        """Say where in the data an exception of the user's code was raised."""
        kind = type(self.iterable).__name__
        notes = [f"while the {kind} made item {number} of source {self.name!r}, pass {data_epoch}"]
        for note in notes + [_IN_A_THREAD] * thread:
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)

    def _left_over(self, iterator: Iterator[object]) -> Iterator[object]:
        left = None if self.traits.rewinds else backlog.of(iterator)
        if left is None:
            return
        if left.thread is not None:
            await_pull(left.thread, self.name)
        while left.items:
            yield left.items.popleft()
        backlog.settle(iterator)
        if left.error is not None:
            raise left.error

    def load(self, ticket: Ticket) -> Value:
        """Split the pulled item into x, y and sample_weight."""
        try:
            return unpack(
                ticket.payload,
                targets=self.targets,
                bare=not self.targets,
                maker="generator",
                text=self.text,
            )
        except DataError as error:
            kind = NoArrayError if isinstance(error, NoArrayError) else DataError
            raise kind(f"{self.describe(ticket)}: {error}") from None

    def make_reader(self) -> SourceReader:
        """Return a reader that keeps unused items for the next one."""
        return GeneratorReader(self)


class GeneratorReader(SourceReader):
    """Pull the items of an iterator, set them apart from it, and give back what was not used."""

    def __init__(self, source: GeneratorSource) -> None:
        super().__init__(source)
        self._generator = source

    def pull(
        self, data_epoch: int, start: int = 0, *, thread: bool = False
    ) -> Iterator[tuple[Ticket, Batch]]:
        """Pull and load the items of a pass; they share no memory that the iterator may overwrite."""
        for ticket in self._generator.pulled_tickets(data_epoch, start, apart=True, thread=thread):
            yield ticket, self.loaded(ticket, self.load)

    def items(self, data_epoch: int, start: int = 0) -> Iterator[tuple[Ticket, object]]:
        """Pull the items of a pass whole."""
        for ticket in self._generator.pulled_tickets(data_epoch, start, apart=True):
            yield ticket, ticket.payload

    def give_back(
        self,
        tickets: Sequence[Ticket],
        error: BaseException | None = None,
        thread: threading.Thread | None = None,
    ) -> None:
        """Keep unused items for the next reader of the iterator."""
        self._generator.give_back(tickets, error, thread)
