"""`GeneratorSource`: iterators and other iterables, pulled in order by one owner.

Guarantees kept here: `next` is called exactly as often as batches are asked for; nothing is pulled by
two owners; nothing that was pulled is dropped while the stream goes on; an exception of the iterator comes
out at its place, with its own type; an end is an end and never a replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streamfit._base.errors import DataError
from streamfit.streams.items import Value, unpack
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket

_NOTHING = object()


class GeneratorSource(Source):
    """Feed the batches that an iterator yields.

    Args:
        batches: An iterator, which is read once, or an iterable without ``__next__`` (such as the data
            loader of another library), for which each pass calls ``iter`` anew.
        name: What to call the source in messages.
        seed: Where the randomness of its passes starts from.
        targets: Whether the consumer wants targets: then each item must be a tuple (x, y) or
            (x, y, sample_weight); else it may be x alone.

    Example:
        >>> import numpy as np
        >>> source = GeneratorSource((np.full(2, k), np.zeros(2)) for k in range(3))
        >>> [batch.x.tolist() for batch in source.read(0)]
        [[0, 0], [1, 1], [2, 2]]
    """

    pulled = True

    def __init__(self, batches: Any, *, name: str = "data", seed: int = 0, targets: bool = True) -> None:
        self.iterable, self.name, self.seed, self.targets = batches, name, seed, targets
        self.rewinds = not hasattr(batches, "__next__")
        self._has_state = hasattr(batches, "state_dict") and hasattr(batches, "load_state_dict")
        if self._has_state:
            self.pulled = False  # the state has to be that of the batch which was delivered last
        self._pulled = 0

    def batches(self, epoch: int) -> int | None:
        """Count the batches of a pass where the iterable knows it."""
        if not self.rewinds or not hasattr(self.iterable, "__len__"):
            return None
        try:
            return len(self.iterable)
        except TypeError:  # a data loader over an iterable has the method, and no answer
            return None

    def state(self) -> Any:
        """Return the iterable's own state where it has a ``state_dict``."""
        return self.iterable.state_dict() if self._has_state else None

    def restore(self, state: Any, epoch: int, number: int, *, replay: bool) -> None:
        """Restore the iterable's own state, or pull and drop what lies behind.

        Raises:
            DataError: A plain iterator, and `replay` was not asked for; or it ends too early.
        """
        if self._has_state and state is not None:
            self.iterable.load_state_dict(state)
        elif not self.rewinds:
            self._replay(number, replay)
        self._pulled = number

    def _replay(self, number: int, replay: bool) -> None:
        if not replay:
            raise DataError(
                f"source {self.name!r}: a plain generator cannot jump to batch {number}. Give it "
                "state_dict() and load_state_dict(state), use a Sequence, or ask for a replay (replay=True), "
                f"which pulls and drops its first {number} batches."
            )
        for pulled in range(number):
            if next(self.iterable, _NOTHING) is _NOTHING:
                raise DataError(
                    f"source {self.name!r}: the generator ended after {pulled} batches when its first "
                    f"{number} were replayed; it must be made anew, and equal, to resume"
                )

    def tickets(self, epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Pull the items of a pass, one at each request.

        An iterable that is begun anew pulls and drops what lies before `start`; an iterator is already there.
        """
        iterator = iter(self.iterable) if self.rewinds else self.iterable
        key, number = self.key(epoch), 0 if self.rewinds else start
        count = self.batches(epoch)
        for item in self._pull(iterator, epoch):
            if number + 1 == count:
                self._expect_end(iterator, count)
            if number >= start:
                ids, self._pulled = self._pulled, self._pulled + 1
                yield Ticket(epoch, number, ids, key, item)
            number += 1
        if number == 0 and (self.rewinds or self._pulled == 0):
            raise DataError(
                f"source {self.name!r}, epoch {epoch}: the generator must yield at least one batch. "
                "Received an empty generator."
            )

    def _expect_end(self, iterator: Iterator[Any], count: int) -> None:
        for _ in iterator:
            raise DataError(
                f"source {self.name!r}: the {type(self.iterable).__name__} says it has {count} batches and "
                "yields more; its __len__ must count what __iter__ yields"
            )

    def _pull(self, iterator: Iterator[Any], epoch: int) -> Iterator[Any]:
        # Neither "yield from" nor anything else that would close the user's generator along with this one.
        while True:
            try:
                item = next(iterator)
            except StopIteration:
                return
            except ValueError as error:
                if "already executing" not in str(error):
                    raise
                raise DataError(
                    f"source {self.name!r}, epoch {epoch}: the generator is being run by another thread at "
                    "this moment; give each consumer a generator of its own"
                ) from error
            yield item

    def load(self, ticket: Ticket) -> Value:
        """Take the pulled item apart."""
        try:
            return unpack(ticket.item, targets=self.targets, bare=not self.targets, maker="generator")
        except DataError as error:
            raise DataError(f"{self.describe(ticket)}: {error}") from None
