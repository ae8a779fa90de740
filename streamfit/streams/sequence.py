"""`Sequence`: batches by number, and the source that reads them.

Guarantees kept here: every index comes once per pass, with any workers; `on_epoch_end` runs in the main
process, once after each full pass and before any load of the next pass, and then the length is read again;
no hook runs before the first pass; `rng` gives the same draws for a batch on every worker and at every
attempt.
"""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import derive, generator, seed_from
from streamfit.streams import data_changes, rng_context
from streamfit.streams.items import Value, unpack
from streamfit.streams.shuffle import check_shuffle
from streamfit.streams.source import Identity, Source
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

_CHUNK = 1024  # indices of the order that are computed in one call


class Sequence(ABC):
    """Base class of data with numbered batches: define ``__len__`` and ``__getitem__``.

    Each call ``sequence[index]`` returns one batch: x, or (x, y), or (x, y, sample_weight). It may run in
    several threads or processes at once, and again after a crash, so it should change nothing. It may return
    the same buffers again if one load runs at a time (workers=0, one thread, processes): arrays to which it
    still refers are copied before they wait. A change between two epochs, by a callback or in
    `on_epoch_end`, takes effect with the next batch.
    In place of ``__len__``, the property `num_batches` may be overridden; None means endless.

    Args:
        workers: How many workers load batches; arguments of `fit` take precedence.
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

    def __setattr__(self, name: str, value: object) -> None:
        data_changes.assign(self, name, value)
        super().__setattr__(name, value)

    @abstractmethod
    def __getitem__(self, index: int) -> Any:
        """Return batch `index`."""

    @property
    def num_batches(self) -> int | None:
        """Count the batches of a pass; None means endless."""
        return cast("int | None", _length(self))

    def on_epoch_begin(self) -> None:
        """Called before each pass, in the main process."""
        return

    def on_epoch_end(self) -> None:
        """Called after each full pass, in the main process; the next pass sees its changes."""
        return

    def __iter__(self) -> Iterator[Any]:
        count = self.num_batches
        index = 0
        while count is None or index < count:
            yield self[index]
            index += 1

    def rng(self, index: int) -> np.random.Generator:
        """Return the random generator of batch (or sample) `index` in this pass.

        Its draws depend on the seed of the stream, the pass, the index, and the place of this object within
        the one that is read; not on the worker, the attempt, or the thread. In `on_epoch_begin` and
        `on_epoch_end` each pass has other draws. If no stream reads the object, seed and pass are 0.

        Raises:
            StreamfitError: Called in ``__init__``, where there is no seed yet, or in a thread in which the
                stream cannot be determined.
        """
        return generator(rng_context.key(self, index))


class SequenceSource(Source):
    """Feed the batches of a `Sequence`, or of anything with ``__getitem__`` and ``__len__``.

    Args:
        sequence: The object. Its methods count, not its class.
        shuffle: Whether the batches come in a new order in each pass; the samples of a batch stay together.
        seed: Seed of the orders.
        name: Name of the source in messages.
        targets: Whether the consumer wants targets; otherwise a list means several inputs.
        text: Whether x may hold text.

    Raises:
        ValueError: `shuffle` is neither True, False nor ``'batch'``.

    Example:
        >>> class Two(Sequence):
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, index):
        ...         return np.full((3, 1), index), np.zeros(3)
        >>> [int(batch.x[0, 0]) for batch in SequenceSource(Two(), shuffle=False).make_reader().read(0)]
        [0, 1]
    """

    traits = SourceTraits(in_workers=True, may_change=True)
    _planned: tuple[int, int | None] | None = None  # number and length of the pass that was begun last

    def __init__(
        self,
        sequence: Any,
        *,
        shuffle: bool | str = False,
        seed: int = 0,
        name: str = "data",
        targets: bool = True,
        text: bool = False,
    ) -> None:
        self.sequence, self.name, self.seed = sequence, name, seed_from(seed)
        self.shuffle = bool(check_shuffle(shuffle))
        self.targets, self.text = targets, text

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_planned"}

    def identity(self) -> Identity:
        """Return the properties of the data that a saved place belongs to, without loading a batch."""
        found: Identity = {"kind of source": "Sequence", "class": type(self.sequence).__name__}
        size = getattr(self.sequence, "batch_size", None)
        return found | {"shuffle": self.shuffle} | ({"batch_size": size} if type(size) is int else {})

    def state(self) -> object:
        """Return the sequence's own state if it has a ``state_dict``, else None."""
        return self.sequence.state_dict() if hasattr(self.sequence, "state_dict") else None

    def restore(self, state: object, data_epoch: int, number: int, *, replay: bool) -> None:
        """Restore the sequence's own state, or call `on_epoch_end` for each earlier pass."""
        if state is not None:
            self.sequence.load_state_dict(state)
            return
        for done in range(data_epoch):
            self.end_pass(done)

    def batches(self, data_epoch: int) -> int | None:
        """Ask the object for the number of batches in a pass."""
        kind = type(self.sequence)
        own = getattr(kind, "num_batches", None)
        asked = "num_batches" if own is not None and own is not Sequence.num_batches else "__len__"
        count = self.sequence.num_batches if asked == "num_batches" else _length(self.sequence)
        if count is None and asked == "num_batches":
            return None
        whole = _whole(count)
        if whole is None or whole < 1:
            hint = "; write for example int(np.ceil(n / batch_size))" if _is_real(count) else ""
            raise DataError(
                f"source {self.name!r}: the {kind.__name__} says it has {count!r} batches; "
                f"{asked} must return a whole number of at least 1{hint}"
            )
        return whole

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Yield the tickets of a pass, with the index of each batch.

        A pass that continues in its middle keeps the length that it began with.
        """
        if not start or self._planned is None or self._planned[0] != data_epoch:
            self._planned = data_epoch, self.batches(data_epoch)
        key, count = self.key(data_epoch), self._planned[1]
        indices = self._shuffled(data_epoch, count, start) if count is not None and self.shuffle else None
        number = start
        while count is None or number < count:
            yield Ticket(data_epoch, number, number if indices is None else next(indices), key)
            number += 1

    def _shuffled(self, data_epoch: int, count: int, start: int) -> Iterator[int]:
        # Imported here: a worker that only loads needs no compiler.
        from streamfit.streams.order import MOST, Order

        if count > MOST:
            raise DataError(
                f"source {self.name!r}: the {type(self.sequence).__name__} says it has {count} batches, "
                "which are too many to shuffle; pass shuffle=False, or return the number of one pass"
            )
        order = Order(count, derive(self.seed, data_epoch, "shuffle"))
        for first in range(start, count, _CHUNK):
            yield from order.ids(first, min(_CHUNK, count - first)).tolist()

    @property
    def producer(self) -> object:
        """The object that makes the batches."""
        return self.sequence

    def load(self, ticket: Ticket) -> Value:
        """Ask the object for one batch and split it."""
        return self.unpacked(ticket, self.item(ticket))

    def item(self, ticket: Ticket) -> object:
        """Ask the object for one batch."""
        with rng_context.RngContext(self.seed, ticket.data_epoch, self.sequence):
            return self.sequence[ticket.ids]

    def unpacked(self, ticket: Ticket, item: object) -> Value:
        """Split what the object has returned; exceptions name the batch."""
        try:
            maker = type(self.sequence).__name__
            return unpack(item, targets=self.targets, bare=True, maker=maker, text=self.text)
        except DataError as error:
            raise DataError(f"{self.describe(ticket)}: {error}") from None

    def begin_pass(self, data_epoch: int) -> None:
        """Call the object's `on_epoch_begin`, if it has one."""
        with rng_context.RngContext(self.seed, data_epoch, self.sequence, "begin"):
            _call_hook(self.sequence, "on_epoch_begin")

    def end_pass(self, data_epoch: int) -> None:
        """Call the object's `on_epoch_end`, if it has one."""
        with rng_context.RngContext(self.seed, data_epoch, self.sequence, "end"):
            _call_hook(self.sequence, "on_epoch_end")

    def describe(self, ticket: Ticket) -> str:
        """Name the batch of a ticket, with its index in the sequence."""
        return f"{super().describe(ticket)}, index {ticket.ids}"

    def make_reader(self) -> SourceReader:
        """Return a reader that sets items apart."""
        return SequenceReader(self)


class SequenceReader(SourceReader):
    """Read a sequence such that items are set apart from it before they are split."""

    def __init__(self, source: SequenceSource) -> None:
        super().__init__(source)
        self._sequence = source

    def load_apart(self, ticket: Ticket, *, threads: bool = False) -> Value:
        """Load one batch that shares no memory to which the object may write later."""
        sequence = self._sequence
        # A list of two is inputs and targets, as `unpack` reads it.
        item = self.apart(lambda: sequence.item(ticket), ticket, threads, listed=sequence.targets)
        return sequence.unpacked(ticket, item)


def _length(sequence: object) -> object:
    """Return the result of ``__len__``, even if `len` would refuse it: tutorials return a float."""
    kind = type(sequence)
    if not hasattr(kind, "__len__"):
        raise TypeError(
            f"{kind.__name__} has neither __len__ nor num_batches; define __len__, which returns the number "
            "of batches, or num_batches, which may return None for no end"
        )
    count = kind.__len__(sequence)
    whole = _whole(count)
    return count if whole is None else whole


def _whole(count: Any) -> int | None:
    """Return a count as an int, or None if it is not a whole number."""
    if isinstance(count, (bool, np.bool_)):
        return None
    if _is_real(count):
        return int(count) if math.isfinite(count) and count == int(count) else None
    try:
        return operator.index(count)
    except TypeError:
        return None


def _is_real(count: object) -> bool:
    return isinstance(count, (float, np.floating))


def _call_hook(sequence: object, name: str) -> None:
    hook = getattr(sequence, name, None)
    if hook is not None:
        hook()
