"""The contract of pools: types and guarantees shared by all kinds.

A pool knows nothing about samples or batches. It gets a *loader* and an iterator of *tickets*, runs
`loader.load(ticket)` in its workers, and returns the values in the order of the tickets.

Guarantees kept by every pool:

* **Order.** Values arrive in the order of the tickets, for any kind and any number of workers.
* **Exactly once.** Each ticket's value is delivered once, or iteration ends in an exception.
  A run never ends early without an exception.
* **Bounded.** At most `ahead` tickets of a run are in flight beyond the one delivered last: a number of the
  pool, or a smaller one of the run.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, Self, TypeVar

Kind = Literal["inline", "threads", "processes"]
Describe = Callable[[Any], str]
"""Names a ticket in messages. A pool only passes tickets on, so any kind of ticket will do."""
Init = Callable[[], object]

TicketT = TypeVar("TicketT")
ValueT = TypeVar("ValueT")
_TicketT_contra = TypeVar("_TicketT_contra", contravariant=True)
_ValueT_co = TypeVar("_ValueT_co", covariant=True)


class Loader(Protocol[_TicketT_contra, _ValueT_co]):
    """Turns a ticket into a value.

    Two optional attributes are read: `may_change` (its content may differ from one `Pool.open` to the next;
    False when absent) and `name` (used in error messages; the class name when absent). Two optional methods
    serve to find the bad parts of a ticket that cannot be loaded: `parts(ticket)` returns tickets for its
    parts, in order (none if it has no parts), and `merge(parts)` one ticket for some of them. Threads call
    a further optional method in place of `load`: `load_apart(ticket, threads=...)` returns a value that
    shares no memory with anything that the loader may write to later; `threads` says whether several
    threads load at once. Worker processes call the optional methods `open_in_worker()`, once before the
    first load, and `close_in_worker()`, when the loader is needed no more.
    """

    def load(self, ticket: _TicketT_contra, /) -> _ValueT_co:
        """Return the value of one ticket; called anywhere, any number of times, without side effects."""
        ...


AnyLoader = Loader[Any, object]
"""A loader as the inside of a pool sees it: it calls `load` with the tickets that came with the loader."""


@dataclass(slots=True)
class Loaded(Generic[TicketT, ValueT]):
    """One delivered value.

    Attributes:
        ticket: the ticket it belongs to.
        value: the result of `loader.load(ticket)`. From worker processes, its arrays are writable views of
            shared memory that stay valid for as long as anything refers to them.
        attempts: how many times the load was started (1 unless a worker died).
        lost: tickets of the parts that were left out because they cannot be loaded; if no part is left, the
            value is None.
    """

    ticket: TicketT
    value: ValueT
    attempts: int
    lost: tuple[TicketT, ...] = ()


class Run(ABC, Generic[TicketT, ValueT]):
    """The values of one sequence of tickets, in order.

    Attributes:
        retried: tickets that had to be loaded again because a worker died.
        restarts: workers that were replaced while this run was open.
    """

    retried: int = 0
    restarts: int = 0

    def __iter__(self) -> Iterator[Loaded[TicketT, ValueT]]:
        """Return the run itself."""
        return self

    @abstractmethod
    def __next__(self) -> Loaded[TicketT, ValueT]:
        """Return the next value, or raise the exception of its load."""

    @abstractmethod
    def close(self) -> None:
        """Discard the values that are not delivered; safe to call twice."""

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the run."""
        self.close()


class Pool(ABC):
    """Workers that load tickets for any number of runs.

    Attributes:
        kind: "inline", "threads" or "processes".
        workers: how many loads go on at once (0 for inline).
        restarts: workers replaced so far.
        worked: nanoseconds that worker processes took to load and pack what was delivered so far; 0 for other
            kinds.
    """

    kind: Kind
    workers: int
    restarts: int = 0
    worked: int = 0

    @abstractmethod
    def start(self, preload: Iterable[str] = ()) -> None:
        """Start the workers now, in the background.

        Args:
            preload: names of modules that the loaders will need. Worker processes import them once and
                share them; unknown names are ignored. Other kinds of pools ignore all names.
        """

    @abstractmethod
    def open(
        self,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        *,
        describe: Callable[[TicketT], str] = str,
        tolerance: int | None = None,
        ahead: int | None = None,
    ) -> Run[TicketT, ValueT]:
        """Begin to load `tickets` and return their run.

        Args:
            loader: turns a ticket into a value.
            tickets: pulled lazily in the caller's thread, at most `ahead` beyond the delivered one.
            describe: names a ticket in error messages.
            tolerance: how many parts of tickets may be left out because they cannot be loaded; None if the
                user did not allow any.
            ahead: how many tickets of this run may be in flight beyond the delivered one, for large values;
                None, or more than the pool's, is as many as the pool's.
        """

    @abstractmethod
    def pids(self) -> list[int]:
        """Return the process ids of the worker processes (empty for other kinds)."""

    def use_hash_seed(self, hash_seed: int) -> None:
        """Have worker processes hash with another seed, which ends their open runs.

        Other kinds of workers always hash as this process does.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Stop the workers; safe to call twice. Values already delivered stay valid."""

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        self.close()


def name_of(loader: object) -> str:
    """Return the name of a loader for messages."""
    name = getattr(loader, "name", None)
    return name if isinstance(name, str) and name else type(loader).__name__


class _Process:
    """The kind of this process: set once, in a worker, before any user code."""

    inside_worker = False


def enter_worker() -> None:
    """Note that this process is a worker, so that pools made in it load inline."""
    _Process.inside_worker = True


def inside_worker() -> bool:
    """Return whether this process is a worker of a pool."""
    return _Process.inside_worker


fresh_id = itertools.count(1).__next__
"""Return a number never returned before in this process."""
