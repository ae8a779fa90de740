"""Finds the bad parts of a ticket that cannot be loaded, by loading its parts apart.

A loader may divide its tickets into parts (`parts`, `merge`): then the parts that fail are found by halving,
and the rest of the ticket can still be loaded. A ticket without parts is bad as a whole.

Guarantees kept here: a part is called bad only after it failed twice when it was loaded alone, or, where
parts fail only together, after these failed together twice; so the death of a worker by chance makes no part
bad; each part that is left out is named, with a warning, and counted; never are more left out than allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, cast

from streamfit._base.errors import WorkerDiedError, WorkerError
from streamfit._base.telling import warn
from streamfit.workers.contract import Loaded, Loader, TicketT, ValueT
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.crash_report import WorkerExit

Probe = Callable[[TicketT], ValueT]
"""Loads a ticket where the death of a worker does no harm; returns its value or raises."""


AnyProbe = Probe[Any, object]


class _Divisible(Protocol[TicketT]):
    """The optional methods of a loader whose tickets have parts."""

    def parts(self, ticket: TicketT, /) -> Iterable[TicketT]: ...

    def merge(self, parts: Sequence[TicketT], /) -> TicketT: ...


class CannotExamineError(WorkerError):
    """Workers fail before they load anything, so the ticket may be good."""


_NAMED = 3  # bad parts that are searched for and named when none may be left out


def local_probe(loader: Loader[TicketT, ValueT]) -> Probe[TicketT, ValueT]:
    """Return a function that loads a ticket in the caller's thread and raises ordinary exceptions."""

    def probe(ticket: TicketT) -> ValueT:
        try:
            return loader.load(ticket)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raised = exceptions.ordinary(error)
            raise raised from raised.__cause__

    return probe


class BadSampleFinder(Generic[TicketT, ValueT]):
    """Decides about tickets that cannot be loaded: which parts are left out, and when to give up.

    Args:
        loader: loads tickets.
        describe: names a ticket in messages.
        tolerance: how many parts of tickets may be left out; None if the user did not allow any.
    """

    def __init__(
        self,
        loader: Loader[TicketT, ValueT],
        describe: Callable[[TicketT], str],
        tolerance: int | None = None,
    ) -> None:
        self._loader, self._describe, self.tolerance = loader, describe, tolerance

    def settle(
        self,
        ticket: TicketT,
        probe: Probe[TicketT, ValueT],
        cause: WorkerExit | Exception,
        attempts: int,
        deaths: int = 0,
    ) -> Loaded[TicketT, ValueT]:
        """Return the parts of a ticket that can be loaded.

        Args:
            ticket: the one that failed.
            probe: loads a ticket.
            cause: how the last worker that loaded it ended, or the exception that its load raised.
            attempts: how often it was loaded before.
            deaths: how many workers it has killed.

        Raises:
            WorkerDiedError: it kills its workers, and more of it is bad than may be left out.
            Exception: `cause`, likewise.
        """
        if isinstance(cause, WorkerExit):  # perhaps the deaths had nothing to do with the ticket
            try:
                return Loaded(ticket, probe(ticket), attempts + 1)
            except CannotExamineError:
                raise
            except WorkerDiedError:
                deaths += 1
            except Exception as error:  # user code ran
                cause = error
        if self.tolerance is None and isinstance(cause, Exception):
            raise exceptions.add_place(cause, self._describe(ticket))
        found = _Search(self._loader, probe, max(self.tolerance or 0, _NAMED)).sort(ticket)
        if len(found.bad) > (self.tolerance or 0):
            raise self._refusal(ticket, found.bad, cause, deaths)
        return self._without(ticket, found, cause, attempts + 1)

    def _without(
        self, ticket: TicketT, found: _Found[TicketT, ValueT], cause: WorkerExit | Exception, attempts: int
    ) -> Loaded[TicketT, ValueT]:
        """Return the good parts of a ticket, and warn of the others."""
        how = cause.how() if isinstance(cause, WorkerExit) else f"raised {type(cause).__name__}: {cause}"
        if not found.bad:
            if isinstance(cause, Exception):
                text = f"loaded only when it was tried again: {self._describe(ticket)}: its load {how}"
                warn(text, RuntimeWarning, stacklevel=2)
            return Loaded(ticket, found.value, attempts)
        if self.tolerance is not None:
            self.tolerance -= len(found.bad)
        text = f"left out: {self._names(found.bad)}: its load {how}"
        warn(text, RuntimeWarning, stacklevel=2)
        return Loaded(found.good or ticket, found.value, attempts, tuple(found.bad))

    def _refusal(
        self, ticket: TicketT, bad: Sequence[TicketT], cause: WorkerExit | Exception, deaths: int
    ) -> Exception:
        place = self._describe(ticket)
        if bad[0] is not ticket:
            place += f" (what cannot be loaded: {self._names(bad)})"
        error = cause if isinstance(cause, Exception) else exceptions.death(place, cause, deaths)
        if error is cause:
            exceptions.add_place(error, place)
        if self.tolerance is not None:
            error.add_note(f"No more than {self.tolerance} could still be left out (max_bad_samples).")
        return error

    def _names(self, bad: Sequence[TicketT]) -> str:
        return self._describe(bad[0] if len(bad) == 1 else _merge(self._loader, bad))


@dataclass(slots=True)
class _Found(Generic[TicketT, ValueT]):
    """The bad parts of a ticket, the ticket for the good ones together (if there are any), and its value."""

    bad: list[TicketT]
    good: TicketT | None = None
    value: Any = None


class _Search(Generic[TicketT, ValueT]):
    def __init__(self, loader: Loader[TicketT, ValueT], probe: Probe[TicketT, ValueT], most: int) -> None:
        self._loader, self._probe, self._most = loader, probe, most
        self._found = 0
        self._value: Any = None

    def sort(self, ticket: TicketT) -> _Found[TicketT, ValueT]:
        """Sort the parts of a ticket that fails; the good ones were loaded together in the end."""
        parts = _parts(self._loader, ticket)
        if len(parts) < 2:
            return _Found([ticket])
        good = parts
        while True:  # once, unless some of the others fail together, or by chance
            found = self._bad(good)
            good = _except(good, found)
            if not good or self._found > self._most:
                return _Found(_except(parts, good))
            if not self._fails(good):
                return _Found(_except(parts, good), _merge(self._loader, good), self._value)
            if not found:  # it fails now and then, with any of its parts
                return _Found(parts)

    def _bad(self, parts: list[TicketT]) -> list[TicketT]:
        """Return the bad ones of parts that have failed together, at most a few more than wanted."""
        bad: list[TicketT] = []
        half = len(parts) // 2
        for some in (parts[:half], parts[half:]) if half else ():
            if self._found <= self._most and self._fails(some):
                bad += self._bad(some)
        if not bad and self._fails(parts):
            self._found += len(parts)
            return parts
        return bad

    def _fails(self, parts: list[TicketT]) -> bool:
        try:
            self._value = self._probe(_merge(self._loader, parts))
        except CannotExamineError:
            raise
        except Exception:  # user code runs here, and may kill its worker: that is the question
            return True
        return False


def _except(parts: list[TicketT], others: list[TicketT]) -> list[TicketT]:
    return [part for part in parts if not any(part is other for other in others)]


def _parts(loader: Loader[TicketT, ValueT], ticket: TicketT) -> list[TicketT]:
    return list(_divisible(loader).parts(ticket)) if hasattr(loader, "parts") else []


def _merge(loader: Loader[TicketT, ValueT], parts: Sequence[TicketT]) -> TicketT:
    return _divisible(loader).merge(parts)


def _divisible(loader: Loader[TicketT, ValueT]) -> _Divisible[TicketT]:
    """Return a loader as one whose tickets have parts; called only if it has the methods."""
    return cast("_Divisible[TicketT]", loader)
