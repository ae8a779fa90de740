"""The pool without workers: each ticket is loaded in the caller's thread when its value is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from streamfit._base.errors import WorkerError
from streamfit.workers import faults
from streamfit.workers.contract import Describe, Kind, Loaded, Loader, Pool, Run, Ticket


class InlineRun(Run):
    """Loads on demand; nothing is ahead of the consumer."""

    def __init__(self, loader: Loader, tickets: Iterable[Ticket], describe: Describe) -> None:
        self._loader = loader
        self._tickets: Iterator[Ticket] = iter(tickets)
        self._describe = describe
        self._closed = ""
        self._finished = False

    def __next__(self) -> Loaded:
        """Load the next ticket."""
        if self._finished:
            raise StopIteration
        if self._closed:
            raise WorkerError(self._closed)
        try:
            ticket = next(self._tickets)
        except StopIteration:
            self._finished = True
            raise
        except BaseException:
            self._closed = "This run was ended by an exception from its tickets; open another."
            raise
        return Loaded(ticket, self._load(ticket), 1)

    def _load(self, ticket: Ticket) -> object:
        try:
            return self._loader.load(ticket)
        except KeyboardInterrupt:
            self.close()
            raise
        except BaseException as error:
            self._closed = "This run was ended by an exception from its loader; open another."
            raised = faults.add_place(faults.ordinary(error), self._describe(ticket))
            raise raised from raised.__cause__

    def close(self) -> None:
        """Give up the tickets that are left."""
        self._closed = self._closed or "This run was closed before its last value; open another."


class InlinePool(Pool):
    """Loads in the caller's thread.

    Example:
        >>> class Square:
        ...     def load(self, ticket):
        ...         return ticket * ticket
        >>> with InlinePool() as pool:
        ...     [loaded.value for loaded in pool.open(Square(), range(4))]
        [0, 1, 4, 9]
    """

    kind: Kind = "inline"
    workers = 0

    def __init__(self) -> None:
        self._closed = False

    def start(self, preload: Iterable[str] = ()) -> None:
        """Do nothing: there are no workers."""

    def open(self, loader: Loader, tickets: Iterable[Ticket], *, describe: Describe = str) -> Run:
        """Return a run that loads each ticket when its value is asked for."""
        if self._closed:
            raise WorkerError("This pool is closed; make another with make_pool().")
        return InlineRun(loader, tickets, describe)

    def pids(self) -> list[int]:
        """Return an empty list: there are no worker processes."""
        return []

    def close(self) -> None:
        """Refuse further runs."""
        self._closed = True
