"""`Sequence`: data that know their batches by number, and the source that reads them.

Guarantees kept here: every index once per pass, whatever the workers; `on_epoch_end` runs in the main
process, once after each full pass and before any load of the next, and the length is read again then;
no hook runs before the first pass; `rng` gives the same draws for a batch on every worker and at every
attempt.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sized
from typing import Any, cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import derive, generator
from streamfit.streams.items import Value, unpack
from streamfit.streams.source import Source
from streamfit.streams.ticket import Ticket

_CHUNK = 1024  # indices of the order that are computed in one call


class _Place(threading.local):
    """Where a load runs: the seed and the pass of the stream that asked for it."""

    seed = 0
    epoch = 0


_place = _Place()


class Sequence(ABC):
    """Give batches by number: define ``__len__`` and ``__getitem__``.

    Each call ``sequence[index]`` returns one batch: x, or (x, y), or (x, y, sample_weight). It may be
    called from several threads or processes at once, and again after a crash, so it should change nothing.
    In place of ``__len__``, the property `num_batches` may be overridden; None stands for no end.

    Args:
        workers: How many workers load batches; arguments of `fit` win.
        use_multiprocessing: Whether these are processes and not threads.
        max_queue_size: How many batches are loaded ahead.

    A subclass need not call ``super().__init__()``.

    Example:
        >>> class Squares(Sequence):
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def __getitem__(self, index):
        ...         x = np.arange(4.0) + 4 * index
        ...         return x, x**2
        >>> [y.tolist() for x, y in Squares()][1]
        [16.0, 25.0, 36.0, 49.0]
    """

    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = workers
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = max_queue_size

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """Return batch `index`."""

    @property
    def num_batches(self) -> int | None:
        """Count the batches of a pass; None stands for no end."""
        return len(cast(Sized, self))

    def on_epoch_begin(self) -> None:
        """Do something before each pass, in the main process."""
        return

    def on_epoch_end(self) -> None:
        """Do something after each full pass, in the main process; the next pass sees its effect."""
        return

    def __iter__(self) -> Iterator[Any]:
        count = self.num_batches
        index = 0
        while count is None or index < count:
            yield self[index]
            index += 1

    def rng(self, index: int) -> np.random.Generator:
        """Return the random generator of batch `index` in this pass.

        Its draws depend on the seed of the stream, the pass and the index, not on who loads the batch or
        how often. Outside a stream the seed and the pass are 0.
        """
        return generator(derive(_place.seed, _place.epoch, index, "sequence"))


class SequenceSource(Source):
    """Feed the batches of a `Sequence`, or of anything with ``__getitem__`` and ``__len__``.

    Args:
        sequence: The object. It is told apart by what it can do, not by its class.
        shuffle: Whether the batches come in a new order in each pass; what is in a batch stays together.
        seed: Where the orders start from.
        name: What to call the source in messages.
        targets: Whether the consumer wants targets; else a list is taken for several inputs.

    Raises:
        ValueError: `shuffle` is neither True, False nor ``'batch'``.

    Example:
        >>> class Two(Sequence):
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, index):
        ...         return np.full((3, 1), index), np.zeros(3)
        >>> [int(batch.x[0, 0]) for batch in SequenceSource(Two(), shuffle=False).read(0)]
        [0, 1]
    """

    remote = True
    may_change = True

    def __init__(
        self,
        sequence: Any,
        *,
        shuffle: bool | str = False,
        seed: int = 0,
        name: str = "data",
        targets: bool = True,
    ) -> None:
        if shuffle not in (True, False, "batch"):
            raise ValueError(f"shuffle must be True, False or 'batch', got {shuffle!r}")
        self.sequence, self.shuffle, self.seed, self.name = sequence, bool(shuffle), seed, name
        self.targets = targets

    def state(self) -> Any:
        """Return the sequence's own state where it has a ``state_dict``."""
        return self.sequence.state_dict() if hasattr(self.sequence, "state_dict") else None

    def restore(self, state: Any, epoch: int, number: int, *, replay: bool) -> None:
        """Restore the sequence's own state, or call `on_epoch_end` for each pass that lies behind."""
        if state is not None:
            self.sequence.load_state_dict(state)
            return
        for done in range(epoch):
            self.end_pass(done)

    def batches(self, epoch: int) -> int | None:
        """Count the batches of a pass, as the object says now."""
        has_property = hasattr(type(self.sequence), "num_batches")
        count = self.sequence.num_batches if has_property else len(self.sequence)
        if count is None:
            return None
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1:
            raise DataError(
                f"source {self.name!r}: the {type(self.sequence).__name__} says it has {count!r} batches; "
                "__len__ must return a whole number of at least 1"
            )
        return int(count)

    def tickets(self, epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of a pass: the index of each batch."""
        key, count = self.key(epoch), self.batches(epoch)
        indices = self._shuffled(epoch, count, start) if count is not None and self.shuffle else None
        number = start
        while count is None or number < count:
            yield Ticket(epoch, number, number if indices is None else next(indices), key)
            number += 1

    def _shuffled(self, epoch: int, count: int, start: int) -> Iterator[int]:
        # Imported here: a worker that only loads needs no compiler.
        from streamfit.streams.order import Order

        order = Order(count, derive(self.seed, epoch, "shuffle"))
        for first in range(start, count, _CHUNK):
            yield from order.ids(first, min(_CHUNK, count - first)).tolist()

    def load(self, ticket: Ticket) -> Value:
        """Ask the object for one batch and take it apart."""
        before = _place.seed, _place.epoch
        _place.seed, _place.epoch = self.seed, ticket.epoch
        try:
            item = self.sequence[ticket.ids]
        finally:
            _place.seed, _place.epoch = before
        try:
            return unpack(item, targets=self.targets, bare=True, maker=type(self.sequence).__name__)
        except DataError as error:
            raise DataError(f"{self.describe(ticket)}: {error}") from None

    def begin_pass(self, epoch: int) -> None:
        """Call the object's `on_epoch_begin`, if it has one."""
        _call_hook(self.sequence, "on_epoch_begin")

    def end_pass(self, epoch: int) -> None:
        """Call the object's `on_epoch_end`, if it has one."""
        _call_hook(self.sequence, "on_epoch_end")

    def describe(self, ticket: Ticket) -> str:
        """Say which batch a ticket is for, with its index in the sequence."""
        return f"{super().describe(ticket)}, index {ticket.ids}"


def _call_hook(sequence: Any, name: str) -> None:
    hook = getattr(sequence, name, None)
    if hook is not None:
        hook()
