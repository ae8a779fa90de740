"""The stages that read nothing: arrays, single samples by number, batches of other sources, iterators."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.streams import rng_context
from streamfit.streams.arrays import ArraySource
from streamfit.streams.items import as_item
from streamfit.streams.source import Source
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.stages.elements import Element, own, split
from streamfit.streams.stages.layouts import without_samples
from streamfit.streams.stages.stage import ElementRunner, Pass, Place, Stage
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

_MANY = 1 << 40


class ArrayRows(Stage):
    """The samples of arrays: element i is row i of each array.

    Args:
        source: The arrays, as `ArraySource` holds them; its batches and their order do not matter here.
    """

    def __init__(self, source: ArraySource) -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.source = source

    def __repr__(self) -> str:
        return f"source({self.source.name!r}, {self.source.samples:,} samples)"

    def specs(self) -> Element:
        """Return the specs of a sample: those of a row of each array."""
        return without_samples(as_item(self.source.spec()))

    def size(self, p: Pass) -> int:
        """Return the number of samples."""
        return self.source.samples

    def space(self, p: Pass) -> int:
        """Return the number of samples, which their ids are below."""
        return self.source.samples

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of samples: their positions."""
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Copy rows."""
        return split(self.stacked(p, ids)) if len(ids) else []

    def stacked(self, p: Pass, ids: Array) -> Element:
        """Copy rows to fresh arrays."""
        return as_item(self.source.load(Ticket(p.number, 0, ids)))

    def stacks(self, starts: Array, length: int) -> Element:
        """Copy `length` rows from each of `starts` on, as stacks: arrays (n, length, ...)."""
        return as_item(self.source.stacks(starts, length))

    def close(self) -> None:
        """Close the files that rows were read from."""
        self.source.close()


class IndexedData(Protocol):
    """An object with single samples by number, such as a data set of PyTorch."""

    def __getitem__(self, index: int, /) -> Element:
        """Return one sample."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...


class IndexedSamples(Stage):
    """The samples that an object returns by number."""

    def __init__(self, samples: IndexedData, name: str = "data") -> None:
        super().__init__((), SourceTraits(in_workers=True, batched=False))
        self.samples, self.name = samples, name

    def __repr__(self) -> str:
        return f"source({self.name!r}, samples of a {type(self.samples).__name__})"

    def size(self, p: Pass) -> int:
        """Return the number of samples, as the object says now."""
        return len(self.samples)

    def space(self, p: Pass) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of samples: their positions."""
        return positions

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Ask the object for samples."""
        with rng_context.RngContext(self.seed_for(p), p.number, self.samples):
            return [own([self.samples[int(name)]]) for name in ids]


class Batches(Stage):
    """The batches of a `Sequence` or of a source that knows their number; an id is the batch's number.

    Args:
        source: What gives the batches.
    """

    def __init__(self, source: Source) -> None:
        fixed = not getattr(source, "shuffle", False)
        super().__init__((), SourceTraits(in_workers=True, fixed_order=fixed, fixed_ids=fixed))
        self.source = source
        self._at = functools.lru_cache(maxsize=2)(self._seeded)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "_at"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._at = functools.lru_cache(maxsize=2)(self._seeded)

    def __repr__(self) -> str:
        producer = self.source.producer
        return f"source({self.source.name!r}, batches of a {type(producer).__name__})"

    def _seeded(self, seed: int) -> tuple[Source, SourceReader]:
        """Return the source with the seed of the run, which its randomness starts from, and its reader."""
        source = self.source if self.source.seed == seed else self.source.with_seed(seed)
        return source, source.make_reader()

    def _ticket(self, p: Pass, number: int) -> Ticket:
        ticket = next(iter(self._at(self.seed_for(p))[0].tickets(p.number, number)), None)
        if ticket is None:
            raise DataError(f"{self!r}: pass {p.number} has no batch {number}")
        return ticket

    def size(self, p: Pass) -> int | None:
        """Return the number of batches, as the source says now."""
        return self._at(self.seed_for(p))[0].batches(p.number)

    def space(self, p: Pass) -> int:
        """Return the number of batches."""
        return self.size(p) or 0

    def member_space(self, p: Pass) -> int:
        """Return the number of samples, or one that is far above what a source of another kind has."""
        samples: int = getattr(self.source, "samples", _MANY)
        return samples

    def ids(self, p: Pass, positions: Array) -> Array:
        """Return the ids of batches: their positions in the order of the source."""
        return positions

    def members(self, p: Pass, batch_ids: Array) -> list[Array] | None:
        """Return the ids of the samples of each batch, where the source has any."""
        found = [self._ticket(p, int(number)).ids for number in batch_ids]
        return found if all(isinstance(ids, np.ndarray) and ids.ndim == 1 for ids in found) else None

    def load(self, p: Pass, batch_id: int, members: Array | None) -> Element:
        """Load one batch, or some of its samples."""
        ticket = self._ticket(p, batch_id)
        wanted = ticket if members is None else replace(ticket, ids=members)
        # Apart from the user's own arrays, so that a map that works in place does not change these.
        return as_item(self._at(self.seed_for(p))[1].load_apart(wanted))

    def fetch(self, p: Pass, ids: Array) -> list[Element]:
        """Load batches by number, which share no memory with the source: they may wait in a queue."""
        _, found = self._at(self.seed_for(p))
        return [as_item(found.load_apart(self._ticket(p, int(number)))) for number in ids]

    def open(self) -> None:
        """Open the source; copies with another seed are made anew, with what was opened."""
        self.source.open()
        self._at.cache_clear()

    def close(self) -> None:
        """Close the source."""
        self.source.close()

    def begin_pass(self, p: Pass) -> None:
        """Call `on_epoch_begin` of a `Sequence`."""
        self._at(self.seed_for(p))[0].begin_pass(p.number)

    def end_pass(self, p: Pass) -> None:
        """Call `on_epoch_end` of a `Sequence`."""
        self._at(self.seed_for(p))[0].end_pass(p.number)


class Items(Stage):
    """The items of an iterator or iterable, pulled in order by one owner: samples, or batches.

    Args:
        source: What pulls them.
        batched: Whether an item is a batch.
    """

    def __init__(self, source: Source, batched: bool) -> None:
        super().__init__((), SourceTraits(batched=batched, seekable=False, rewinds=source.traits.rewinds))
        self.source = source

    def __repr__(self) -> str:
        what = "batches" if self.traits.batched else "samples"
        producer = getattr(self.source, "iterable", self.source)
        return f"source({self.source.name!r}, {what} of a {type(producer).__name__})"

    def size(self, p: Pass) -> int | None:
        """Return the number of items where the iterable knows it."""
        return self.source.batches(p.number)

    def iterate(self, p: Pass, place: Place, runner: ElementRunner) -> Iterator[tuple[Element, Place]]:
        """Pull items; the place is how many were pulled."""
        start = 0 if place is None else int(place)  # type: ignore[call-overload]
        reader = self.source.make_reader()
        for count, (ticket, item) in enumerate(reader.items(p.number, start), start + 1):
            if runner.pulled is not None:
                runner.pulled.append((reader, copy.deepcopy(ticket)))
            yield item, count
