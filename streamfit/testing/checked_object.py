"""`CheckedObject`: the user's object, made anew for each check, and the batches that it should give.

Guarantee kept here: no check sees the changes that another check made to the object, if the object can be
copied or made again; the checks load from the object itself only if neither is possible.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import numpy as np

from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.streams import GeneratorSource, SequenceSource, Source, Stream, Ticket, open_source
from streamfit.streams.items import Value
from streamfit.testing.comparison import bytes_of, copied, difference
from streamfit.testing.failure import brief_error, fail
from streamfit.testing.held_state import GLOBAL_DRAWS
from streamfit.testing.sample_batches import (
    SampleBatches,
    Samples,
    most_samples,
)
from streamfit.testing.settings import CheckSettings
from streamfit.testing.torch_random import seed_torch

SEED = 20_240_229
_KEPT_BYTES = 256 << 20  # of all expected batches together
_SECONDS, _LEAST = 2.0, 4  # to load the expected batches, and how many are loaded in any case
_SHARED_BYTES = 64 << 20  # larger arrays are shared by the copies of an object
_COMPARED = 4  # batches of two objects of one factory
Loads = list[tuple[Ticket, Value]]


class CheckedObject:
    """The object that the checks look at.

    Args:
        make: Returns the object: a `Sequence`, a data set with one sample for an index, a `Source`, an
            iterator, or a `Stream`.
        kind: Which of the five it is.
        name: Its name in messages.
        settings: The options of the checks.
        given: The object itself, if the user passed an object and not a factory.

    Attributes:
        limit: How many batches a check looks at: `settings.limit`, or fewer where they are slow or large.
        factory: Whether `make` makes a new object at each call.
        most_samples: How many samples of a data set are put into a batch; None before it was looked at.
        make_seconds: How long that took the last time.
    """

    def __init__(
        self,
        make: Callable[[], object],
        kind: str,
        name: str,
        settings: CheckSettings,
        given: object = None,
    ) -> None:
        self.make, self.kind, self.name, self.settings = make, kind, name, settings
        self.limit, self.workers = settings.limit, settings.workers
        self.factory = given is None
        self.most_samples: int | None = None
        self._prototype = given
        self._can_copy = True
        self.make_seconds = 0.0
        self._streams: list[Stream] = []
        self._expected: Loads | None = None
        self._targets: bool | None = None

    # -- the object ---------------------------------------------------------------------------------------

    def fresh(self) -> object:
        """Return the object as it was before any check changed it.

        What cannot be copied is made again if the objects that are made are alike; else it is used itself.
        """
        if self.kind in ("generator", "stream"):
            return self._made()
        if self._prototype is None:
            self._prototype = self._made()
        copied_object = self._copy() if self._can_copy else None
        if copied_object is not None:
            return copied_object
        return self._made() if self.factory and self.made_alike() is None else self._prototype

    def _copy(self) -> object:
        """Return a copy; None if there can be none, which is tried once."""
        with quiet_finalizers():
            try:
                return copy.deepcopy(self._prototype, _shared_parts(self._prototype))
            except Exception:  # user code runs here; locks, files and the like cannot be copied
                self._can_copy = False
                return None

    def copies(self) -> bool:
        """Return whether the object can be copied."""
        self.fresh()
        return self._can_copy

    @functools.cache  # noqa: B019 - one object lives as long as its checks
    def made_alike(self, before: Callable[[], None] | None = None) -> str | None:
        """Describe how the first batches of two objects that the factory makes differ; None if they do
        not.

        Args:
            before: Called before each of the two is made.
        """
        sources = []
        for _ in range(2):
            if before is not None:
                before()
            sources.append(self._opened(self._made()))
        one, other = sources
        for ticket in itertools.islice(one.tickets(0), _COMPARED):
            words = ("in the first object", "in the second")
            found = difference(self.load(one, ticket), self.load(other, ticket), words)
            if found:
                return f"{place(ticket)} is not the same: {found}"
        return None

    def iterable(self) -> Iterable[object]:
        """Return `fresh` for an object of kind ``'generator'``; `iter` of it may raise, as user code does."""
        return cast("Iterable[object]", self.fresh())

    def original(self) -> object:
        """Return the object that `fresh` copies."""
        return self._prototype

    def _made(self) -> object:
        began = time.monotonic()
        made = self.make()
        self.make_seconds = time.monotonic() - began
        if isinstance(made, Stream):
            self._streams.append(made)
        return made

    def source(self, seed: int = SEED) -> Source:
        """Return a source over a fresh object."""
        return self._opened(self.fresh(), seed)

    def _opened(self, thing: object, seed: int = SEED) -> Source:
        """Open an object; x may be text, which a model with a layer for it takes."""
        if self.kind == "sequence":
            return SequenceSource(thing, seed=seed, name=self.name, text=True)
        if self.kind == "samples":
            samples = cast("Samples", thing)
            if self.most_samples is None:
                self.most_samples = most_samples(samples)
                samples = cast("Samples", self.fresh())  # one sample was loaded from the other one
            batches = SampleBatches(samples, self.settings.ragged, self.most_samples)
            return SequenceSource(batches, seed=seed, name=self.name, text=True)
        if self.kind == "generator":
            targets = self._has_targets()
            return GeneratorSource(thing, name=self.name, seed=seed, targets=targets, text=True)
        if isinstance(thing, Stream):
            return thing.source
        return open_source(thing, seed=seed, name=self.name, targets=False, text=True)

    def close(self) -> None:
        """Stop the workers of the streams that were made."""
        for stream in self._streams:
            stream.close()
        self._streams.clear()

    def _has_targets(self) -> bool:
        """Return whether the items of the generator are pairs, as for training."""
        if self._targets is None:
            item = next(iter(self.iterable()), None)
            self._targets = isinstance(item, (tuple, list))
        return self._targets

    # -- its batches --------------------------------------------------------------------------------------

    def tickets(self, source: Source, data_epoch: int = 0, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets that a check looks at: the first ones of a pass."""
        return itertools.islice(source.tickets(data_epoch, start), max(0, self.limit - start))

    def load(self, source: Source, ticket: Ticket, when: str = "") -> Value:
        """Load one batch in this process and return a copy.

        The global random states are seeded with the batch, so that draws from them, which one check reports,
        do not fail all others.
        """
        seed_globals(derive(SEED, ticket.data_epoch, ticket.number))
        try:
            return copied(source.load(ticket))
        except Exception as error:
            fail(f"{self.name}: {place(ticket)} cannot be loaded{when}: {brief_error(error)}", error)

    def expected(self) -> Loads:
        """Return the first batches of pass 0, loaded one after another."""
        if self._expected is None:
            self._expected = list(self._loads())
        return self._expected

    def _loads(self) -> Iterator[tuple[Ticket, Value]]:
        source, room = self.source(), _KEPT_BYTES
        until = time.monotonic() + _SECONDS
        for ticket in self.listed(source):
            value = self.load(source, ticket)
            yield ticket, value
            room -= bytes_of(value)
            if room < 0 or (time.monotonic() > until and ticket.number + 1 >= _LEAST):
                self.limit = ticket.number + 1
                break

    def listed(self, source: Source, data_epoch: int = 0) -> list[Ticket]:
        """Return the tickets that a check looks at; fail the check if they cannot be written."""
        tickets: list[Ticket] = []
        try:
            tickets.extend(self.tickets(source, data_epoch))
        except Exception as error:
            after = f"after {len(tickets)} batches" if tickets else "at all"
            fail(f"{self.name}: its batches cannot be listed {after}: {brief_error(error)}", error)
        return tickets

    def few(self, count: int = 8) -> Loads:
        """Return a few of the expected batches, spread over all of them."""
        loads = self.expected()
        places = np.unique(np.linspace(0, len(loads) - 1, min(count, len(loads))).astype(int))
        return [loads[int(number)] for number in places]


def seed_globals(seed: int) -> None:
    """Seed the random states that all code of a process shares."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # the legacy state, which old code draws from
    seed_torch(seed)


@contextlib.contextmanager
def quiet_finalizers() -> Iterator[None]:
    """Let no traceback be printed for a ``__del__`` that raises inside the block, as that of half a copy
    does; other errors that nobody can catch are still printed.
    """
    hook = sys.unraisablehook

    def pass_on(found: sys.UnraisableHookArgs) -> None:
        if getattr(found.object, "__name__", "") != "__del__":
            hook(found)

    sys.unraisablehook = pass_on
    try:
        yield
    finally:
        sys.unraisablehook = hook


def place(ticket: Ticket) -> str:
    """Name the batch of a ticket.

    Example:
        >>> place(Ticket(0, 3, ids=3)), place(Ticket(1, 3, ids=7))
        ('batch 3', 'batch 3 of pass 1 (index 7)')
    """
    text = f"batch {ticket.number}" + (f" of pass {ticket.data_epoch}" if ticket.data_epoch else "")
    other = (
        isinstance(ticket.ids, (int, np.integer)) and ticket.payload is None and ticket.ids != ticket.number
    )
    return f"{text} (index {ticket.ids})" if other else text


def data_of(source: Source) -> object:
    """Return the sequence or the data set that a source reads; any other source itself."""
    data: object = getattr(source, "sequence", source)
    return data.samples if isinstance(data, SampleBatches) else data


def named_arrays(thing: object) -> list[tuple[str, Array]]:
    """List the arrays in the attributes of an object, also one level down, with their names.

    Example:
        >>> class Data:
        ...     def __init__(self):
        ...         self.x, self.parts = np.zeros(2), [np.ones(3)]
        >>> [name for name, _ in named_arrays(Data())]
        ['self.x', 'self.parts[0]']
    """
    found: list[tuple[str, object]] = []
    for name, value in getattr(thing, "__dict__", {}).items():
        inner: list[tuple[object, object]] = []
        if isinstance(value, dict):
            inner = list(value.items())
        elif isinstance(value, (list, tuple)):
            inner = list(enumerate(value))
        found.append((f"self.{name}", value))
        found += [(f"self.{name}[{key!r}]", entry) for key, entry in inner[:64]]
    return [(name, value) for name, value in found if isinstance(value, np.ndarray)]


def _shared_parts(thing: object) -> dict[int, object]:
    """Return the memo that makes `deepcopy` share large arrays, memory maps and the global random states."""
    arrays = [array for _, array in named_arrays(thing)]
    shared = [a for a in arrays if a.nbytes > _SHARED_BYTES or isinstance(a, np.memmap)]
    return {id(part): part for part in (*shared, *GLOBAL_DRAWS)}
