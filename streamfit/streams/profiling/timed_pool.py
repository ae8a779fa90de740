"""`TimedPool`: a pool whose loads report when they ran; everything else is as in the pool behind it.

A load returns its value with a report beside it, in one small array, which the run takes off again: so times
travel as values do, and pools know nothing of them.

Guarantee kept here: tickets, values, order and errors are those of the pool that is watched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

from streamfit._base.specs import Array
from streamfit.streams.profiling.load_report import LoadReport
from streamfit.streams.profiling.stopwatch import NOBODY, clock, measured, stopwatch
from streamfit.workers import Loaded, Loader, Pool, Run
from streamfit.workers.contract import AnyLoader, TicketT, ValueT, name_of

_MOST_LOADERS = 8  # wrapped ones that are known again when they come again


class Listener(Protocol):
    """Takes the reports of loads."""

    def loaded(
        self, report: LoadReport, asked: int, came: int, worked: int, pulled: int, value: object
    ) -> None:
        """Take in one delivered load."""
        ...


class TimedLoader:
    """Loads what another loader loads, with a report beside each value.

    Args:
        loader: The other one.
    """

    def __init__(self, loader: AnyLoader) -> None:
        self.loader = loader

    @property
    def name(self) -> str:
        """Name of the loader in messages."""
        return name_of(self.loader)

    @property
    def may_change(self) -> bool:
        """Whether its content can change between two runs."""
        return bool(getattr(self.loader, "may_change", False))

    def load(self, ticket: object) -> tuple[object, Array]:
        """Return the value of a ticket, and the encoded report."""
        value, report = measured(lambda: self.loader.load(ticket))
        return value, report.encode()

    def load_apart(self, ticket: object, *, threads: bool) -> tuple[object, Array]:
        """Do the same for a value that shares no memory with the loader, where the loader can tell."""
        apart = getattr(self.loader, "load_apart", None)
        if apart is None:
            return self.load(ticket)
        value, report = measured(lambda: cast(object, apart(ticket, threads=threads)))
        return value, report.encode()

    def open_in_worker(self) -> None:
        """Open what the loader opens."""
        _call(self.loader, "open_in_worker")

    def close_in_worker(self) -> None:
        """Close what the loader closes."""
        _call(self.loader, "close_in_worker")


class _DivisibleLoader(TimedLoader):
    """A timed loader whose tickets have parts."""

    def parts(self, ticket: object) -> Iterable[object]:
        """Return tickets for the parts of a ticket."""
        return cast("Iterable[object]", getattr(self.loader, "parts")(ticket))  # noqa: B009 - optional

    def merge(self, parts: Sequence[object]) -> object:
        """Return one ticket for some parts."""
        return cast(object, getattr(self.loader, "merge")(parts))  # noqa: B009


def _call(loader: AnyLoader, name: str) -> None:
    method = getattr(loader, name, None)
    if method is not None:
        method()


class TimedRun(Run[TicketT, ValueT]):
    """Takes the reports off the values of a run.

    Args:
        run: The run of the watched pool.
        pool: That pool.
        listener: Gets the reports.
    """

    def __init__(self, run: Run[TicketT, tuple[ValueT, Array]], pool: TimedPool, listener: Listener) -> None:
        self._run, self._pool, self._listener = run, pool, listener

    def __next__(self) -> Loaded[TicketT, ValueT]:
        """Return the next value."""
        watch, asked = stopwatch(), clock()
        before, pool = watch.total, self._pool
        began = pool.unreported()
        watch.enter(NOBODY)  # to wait for workers is no work of the stage that asks
        try:
            loaded = next(self._run)
        finally:
            watch.leave()
            self._count()
        came, worked = clock(), pool.unreported() - began
        pool.reported += worked
        if loaded.value is None:  # all of it was left out
            return Loaded(loaded.ticket, cast(ValueT, None), loaded.attempts, loaded.lost)
        value, encoded = loaded.value
        report = LoadReport.decode(encoded)
        self._listener.loaded(report, asked, came, worked, watch.total - before, value)
        return Loaded(loaded.ticket, value, loaded.attempts, loaded.lost)

    def close(self) -> None:
        """Close the run."""
        self._run.close()
        self._count()

    def _count(self) -> None:
        self.retried, self.restarts = self._run.retried, self._run.restarts


class TimedPool(Pool):
    """Watch a pool; whoever made that one closes it.

    Args:
        pool: The pool.
        listener: Gets the report of each load.

    Attributes:
        reported: Nanoseconds of loading and packing that its runs have reported: one may take values while
            another one waits for its tickets.
    """

    def __init__(self, pool: Pool, listener: Listener) -> None:
        self._pool, self._listener = pool, listener
        self.kind, self.workers = pool.kind, pool.workers
        self._known: dict[int, TimedLoader] = {}
        self.reported = 0

    def start(self, preload: Iterable[str] = ()) -> None:
        """Start the workers."""
        self._pool.start(preload)

    def open(
        self,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        *,
        describe: Callable[[TicketT], str] = str,
        tolerance: int | None = None,
        ahead: int | None = None,
    ) -> Run[TicketT, ValueT]:
        """Begin to load tickets and return their run."""
        timed = cast("Loader[TicketT, tuple[ValueT, Array]]", self._timed(loader))
        run = self._pool.open(timed, tickets, describe=describe, tolerance=tolerance, ahead=ahead)
        return TimedRun(run, self, self._listener)

    def _timed(self, loader: AnyLoader) -> TimedLoader:
        """Return the same wrapper for the same loader, so that workers get it once."""
        known = self._known.get(id(loader))
        if known is None:
            kind = _DivisibleLoader if hasattr(loader, "parts") else TimedLoader
            while len(self._known) >= _MOST_LOADERS:
                del self._known[next(iter(self._known))]
            known = self._known[id(loader)] = kind(loader)
        return known

    def unreported(self) -> int:
        """Return how long worker processes loaded and packed what no run of this pool has reported."""
        return self._pool.worked - self.reported

    def pids(self) -> list[int]:
        """Return the process ids of the workers."""
        return self._pool.pids()

    def use_hash_seed(self, hash_seed: int) -> None:
        """Have worker processes hash with another seed."""
        self._pool.use_hash_seed(hash_seed)

    def close(self) -> None:
        """Do nothing: the watched pool is closed by whoever made it."""


__all__ = ["Listener", "TimedLoader", "TimedPool", "TimedRun"]
