"""What is wrong with a ticket that cannot be loaded: which of its parts, found by loading them apart.

A loader may say what its tickets are made of (`parts`, `together`): then the parts that fail are found by
halving, and the rest of the ticket can still be loaded. A ticket without parts is bad as a whole.

Guarantees kept here: a part is called bad only after it failed when it was loaded alone, or, where no part
fails alone, after they failed together; whatever is left out is named, with a warning, and counted; more
than was allowed is never left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from streamfit._base.errors import WorkerDiedError
from streamfit.workers import faults
from streamfit.workers.contract import Describe, Loaded, Loader, Ticket
from streamfit.workers.last_words import Death

Probe = Callable[[Ticket], Any]
"""Loads a ticket where a death does no harm; returns its value or raises."""

_NAMED = 3  # of the bad parts, when none may be left out: more are not looked for


def here(loader: Loader) -> Probe:
    """Return a function that loads a ticket in the caller's thread and raises ordinary exceptions."""

    def probe(ticket: Ticket) -> Any:
        try:
            return loader.load(ticket)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raised = faults.ordinary(error)
            raise raised from raised.__cause__

    return probe


class Inquest:
    """Decides what becomes of tickets that cannot be loaded.

    Args:
        loader: loads tickets.
        describe: names a ticket in messages.
        tolerance: how many parts of tickets may be left out.
    """

    def __init__(self, loader: Loader, describe: Describe, tolerance: int = 0) -> None:
        self._loader, self._describe, self.tolerance = loader, describe, tolerance

    def settle(
        self, ticket: Ticket, probe: Probe, cause: Death | Exception, attempts: int, deaths: int = 0
    ) -> Loaded:
        """Return what can be loaded of a ticket.

        Args:
            ticket: the one that failed.
            probe: loads a ticket.
            cause: how the last worker that loaded it ended, or what it raised.
            attempts: how often it was loaded before.
            deaths: how many workers it has killed.

        Raises:
            WorkerDiedError: it kills its workers, and more of it is bad than may be left out.
            Exception: `cause`, likewise.
        """
        if isinstance(cause, Death):  # perhaps the deaths had nothing to do with the ticket
            try:
                return Loaded(ticket, probe(ticket), attempts + 1)
            except WorkerDiedError:
                deaths += 1
            except Exception as error:  # user code ran
                cause = error
        bad, good = _Search(self._loader, probe, max(self.tolerance, _NAMED)).sort(ticket)
        if len(bad) > self.tolerance:
            raise self._refusal(ticket, bad, cause, deaths)
        self.tolerance -= len(bad)
        told = cause.how() if isinstance(cause, Death) else f"raised {type(cause).__name__}: {cause}"
        warnings.warn(f"left out: {self._names(bad)}: its load {told}", RuntimeWarning, stacklevel=2)
        if not good:
            return Loaded(ticket, None, attempts + 1, tuple(bad))
        rest = _together(self._loader, good)
        return Loaded(rest, probe(rest), attempts + 1, tuple(bad))

    def _refusal(
        self, ticket: Ticket, bad: Sequence[Ticket], cause: Death | Exception, deaths: int
    ) -> Exception:
        place = self._describe(ticket)
        if bad[0] is not ticket:
            place += f" (what cannot be loaded: {self._names(bad)})"
        error = cause if isinstance(cause, Exception) else faults.death(place, cause, deaths)
        if error is cause:
            faults.add_place(error, place)
        if self.tolerance:
            error.add_note(f"No more than {self.tolerance} could still be left out (max_bad_samples).")
        return error

    def _names(self, bad: Sequence[Ticket]) -> str:
        return self._describe(bad[0] if len(bad) == 1 else _together(self._loader, bad))


class _Search:
    def __init__(self, loader: Loader, probe: Probe, most: int) -> None:
        self._loader, self._probe, self._most = loader, probe, most
        self._found = 0

    def sort(self, ticket: Ticket) -> tuple[list[Ticket], list[Ticket]]:
        """Return the bad and the good parts of a ticket that fails."""
        parts = _parts(self._loader, ticket)
        if len(parts) < 2:
            return [ticket], []
        bad = self._bad(parts)
        good = [part for part in parts if not any(part is one for one in bad)]
        if good and self._found <= self._most and self._fails(good):  # they only fail together
            return parts, []
        return bad, good

    def _bad(self, parts: list[Ticket]) -> list[Ticket]:
        """Return the bad ones of parts that fail together, at most one more than is wanted."""
        if len(parts) == 1:
            self._found += 1
            return parts
        half = len(parts) // 2
        bad: list[Ticket] = []
        for some in (parts[:half], parts[half:]):
            if self._found <= self._most and self._fails(some):
                bad += self._bad(some)
        if not bad:
            self._found += len(parts)
            return parts
        return bad

    def _fails(self, parts: list[Ticket]) -> bool:
        try:
            self._probe(_together(self._loader, parts))
        except Exception:  # user code runs here, and dies: that is the question
            return True
        return False


def _parts(loader: Any, ticket: Ticket) -> list[Ticket]:
    return list(loader.parts(ticket)) if hasattr(loader, "parts") else []


def _together(loader: Any, parts: Sequence[Ticket]) -> Ticket:
    return loader.together(parts)
