"""The pool without workers: each ticket is loaded in the caller's thread when its value is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic

from streamfit._base.errors import WorkerError
from streamfit.workers.contract import Init, Kind, Loaded, Loader, Pool, Run, TicketT, ValueT
from streamfit.workers.pool.run_state import RunState
from streamfit.workers.recovery.bad_samples import BadSampleFinder, local_probe


class InlineRun(Run[TicketT, ValueT], Generic[TicketT, ValueT]):
    """Loads on demand; nothing is loaded ahead of the consumer."""

    def __init__(
        self,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        describe: Callable[[TicketT], str],
        tolerance: int | None,
    ) -> None:
        self._probe = local_probe(loader)
        self._tickets: Iterator[TicketT] = iter(tickets)
        self._finder = BadSampleFinder(loader, describe, tolerance)
        self._state = RunState.OPEN

    def __next__(self) -> Loaded[TicketT, ValueT]:
        """Load the next ticket."""
        if self._state is not RunState.OPEN:
            self._state.refuse()
        try:
            ticket = next(self._tickets)
        except StopIteration:
            self._state = RunState.FINISHED
            raise
        except BaseException:
            self._state = RunState.TICKETS_FAILED
            raise
        try:
            return self._load(ticket)
        except KeyboardInterrupt:
            self.close()
            raise
        except BaseException:
            self._state = RunState.LOADER_FAILED
            raise

    def _load(self, ticket: TicketT) -> Loaded[TicketT, ValueT]:
        try:
            return Loaded(ticket, self._probe(ticket), 1)
        except Exception as error:
            failure = error
        return self._finder.settle(ticket, self._probe, failure, 1)

    def close(self) -> None:
        """Discard the tickets that are left."""
        if self._state is RunState.OPEN:
            self._state = RunState.CLOSED


class InlinePool(Pool):
    """Loads in the caller's thread.

    Args:
        init: called before the first load.

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

    def __init__(self, init: Init | None = None) -> None:
        self._closed, self._init = False, init

    def start(self, preload: Iterable[str] = ()) -> None:
        """Do nothing: there are no workers."""

    def open(
        self,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        *,
        describe: Callable[[TicketT], str] = str,
        tolerance: int | None = None,
        ahead: int | None = None,
    ) -> Run[TicketT, ValueT]:
        """Return a run that loads each ticket when its value is asked for."""
        if self._closed:
            raise WorkerError("This pool is closed; make another with make_pool().")
        if self._init is not None:
            init, self._init = self._init, None
            init()
        return InlineRun(loader, tickets, describe, tolerance)

    def pids(self) -> list[int]:
        """Return an empty list: there are no worker processes."""
        return []

    def close(self) -> None:
        """Refuse further runs."""
        self._closed = True
