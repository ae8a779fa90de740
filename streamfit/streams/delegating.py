"""`DelegatingSource`: the base of sources that wrap another one and change a part of it.

Guarantee kept here: everything that a subclass does not define is that of the wrapped source: its hooks, its
length, its state, its randomness. So a wrapper loses nothing that it does not know of.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Self

from streamfit._base.specs import Spec
from streamfit.streams.batch import Batch, Structure
from streamfit.streams.items import Value
from streamfit.streams.pass_reader import PassReader
from streamfit.streams.sampling import Sampling
from streamfit.streams.source import Identity, Source
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits
from streamfit.workers import Pool


class DelegatingSource(Source):
    """Wrap a source; override what is to be different, mostly `load`.

    Args:
        source: The source to wrap.

    Example:
        >>> import numpy as np
        >>> from streamfit import source, stream
        >>> class Doubled(DelegatingSource):
        ...     def load(self, ticket):
        ...         x, y, sample_weight = super().load(ticket)
        ...         return x * 2, y, sample_weight
        >>> doubled = Doubled(source(np.arange(4)).batch(2).open_source())
        >>> [x.tolist() for x in stream(doubled)], doubled.batches(0)
        ([[0, 2], [4, 6]], 2)
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name, self.seed = source.name, source.seed
        if type(self).traits is Source.traits:  # else a subclass says itself how it can be read
            self.traits = self._traits()

    @property
    def _loads(self) -> bool:
        """Whether a subclass loads in a way of its own, so that what reads around `load` cannot be used."""
        own = type(self)
        return own.load is not DelegatingSource.load or own.tickets is not DelegatingSource.tickets

    def _traits(self) -> SourceTraits:
        traits = self.source.traits
        if not self._loads:
            return traits
        return replace(traits, in_workers=True, one_layout=False, copies_rows=False, only_reads=False)

    def reseed(self, seed: int) -> None:
        """Start the randomness of this source, and of the wrapped one, from another seed."""
        super().reseed(seed)
        self.source.reseed(seed)

    def with_seed(self, seed: int) -> Self:
        """Return a copy whose randomness, and that of the wrapped source, starts from another seed."""
        other = super().with_seed(seed)
        other.source = self.source.with_seed(seed)
        return other

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of a pass."""
        return self.source.tickets(data_epoch, start)

    def load(self, ticket: Ticket) -> Value:
        """Load one batch."""
        return self.source.load(ticket)

    def batches(self, data_epoch: int) -> int | None:
        """Count the batches of a pass."""
        return self.source.batches(data_epoch)

    def samples_in(self, data_epoch: int, batches: int | None = None) -> int | None:
        """Count the samples of a pass, where `load` is that of the wrapped source."""
        return None if self._loads else self.source.samples_in(data_epoch, batches)

    def spec(self) -> tuple[Structure[Spec], ...] | None:
        """Return the specs of a batch, where `load` is that of the wrapped source."""
        return None if self._loads else self.source.spec()

    def open(self) -> None:
        """Open files and connections."""
        self.source.open()

    def close(self) -> None:
        """Close what `open` has opened."""
        self.source.close()

    def begin_pass(self, data_epoch: int) -> None:
        """Get ready for a pass."""
        self.source.begin_pass(data_epoch)

    def end_pass(self, data_epoch: int) -> None:
        """Note that a pass was delivered whole."""
        self.source.end_pass(data_epoch)

    def identity(self) -> Identity:
        """Return what a saved place belongs to: the wrapped source, and the class of each wrapper."""
        found = self.source.identity()
        inner = found.get("wrapped in", ())
        return {**found, "wrapped in": [type(self).__name__, *(inner if isinstance(inner, list) else ())]}

    def sample_digest(self) -> str | None:
        """Return a digest of a few samples."""
        return self.source.sample_digest()

    def samplings(self, data_epoch: int) -> list[Sampling]:
        """Return what is drawn in a pass."""
        return self.source.samplings(data_epoch)

    def state(self) -> object:
        """Return what a resumed stream needs beside seed and place."""
        return self.source.state()

    def restore(self, state: object, data_epoch: int, number: int, *, replay: bool) -> None:
        """Get ready to go on at a place."""
        self.source.restore(state, data_epoch, number, replay=replay)

    def describe(self, ticket: Ticket) -> str:
        """Say which batch a ticket is for."""
        return self.source.describe(ticket).replace(repr(self.source.name), repr(self.name), 1)

    def parts(self, ticket: Ticket) -> list[Ticket]:
        """Return a ticket for each sample of a batch."""
        return self.source.parts(ticket)

    def merge(self, parts: Sequence[Ticket]) -> Ticket:
        """Return the ticket for some of the samples of a batch."""
        return self.source.merge(parts)

    @property
    def producer(self) -> object:
        """The object of the user's that makes the batches."""
        return self.source.producer

    def make_reader(self) -> SourceReader:
        """Return the reader of the wrapped source, as far as a subclass does not load in a way of its own."""
        return DelegatingReader(self, self.source.make_reader(), apart=self._loads)


class DelegatingReader(SourceReader):
    """Read a source that wraps another one.

    Args:
        source: The source.
        inner: The reader of the wrapped source.
        apart: Whether the source loads in a way of its own, so that what reads around `load` cannot be used.
    """

    def __init__(self, source: DelegatingSource, inner: SourceReader, *, apart: bool) -> None:
        super().__init__(source)
        self._inner, self._loads = inner, apart

    def joined(self, data_epoch: int, start: int) -> Callable[[int], Batch] | None:
        """Return what reads batches here and now."""
        return None if self._loads else self._inner.joined(data_epoch, start)

    def in_pool(self, pool: Pool | None, place: tuple[int, int]) -> PassReader | None:
        """Return what reads with the workers of a pool."""
        return None if self._loads else self._inner.in_pool(pool, place)

    def give_back(
        self,
        tickets: Sequence[Ticket],
        error: BaseException | None = None,
        thread: threading.Thread | None = None,
    ) -> None:
        """Take back what was pulled and not used."""
        self._inner.give_back(tickets, error, thread)

    def replayed(self, data_epoch: int, number: int, skipped: frozenset[object] = frozenset()) -> Batch:
        """Load one batch once more."""
        if self._loads:
            return super().replayed(data_epoch, number, skipped)
        return self._inner.replayed(data_epoch, number, skipped)
