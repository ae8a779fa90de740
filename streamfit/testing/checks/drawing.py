"""Checks of pipelines that draw at each load, where the closer checks of equal bits have to wait."""

from __future__ import annotations

from streamfit.streams import Ticket
from streamfit.testing.checked_object import CheckedObject, place
from streamfit.testing.checks.delivery import SHARED_ADVICE, loads_at_once
from streamfit.testing.failure import brief_error, fail
from streamfit.testing.table import Check


def check_crashes(checked: CheckedObject) -> str | None:
    """Check that loads at the same time raise nothing; their bits are not compared."""
    for done, (ticket, _, outcome, when) in enumerate(loads_at_once(checked), 1):
        error = outcome.error
        if isinstance(error, Exception):
            text = f"{checked.name}: {place(ticket)} raised {brief_error(error)}"
            if _raises_alone(checked, ticket, 4 * done):
                fail(f"{text} after at most {4 * done} loads, also when nothing else is loaded", error)
            fail(f"{text} when it was loaded {when}. {SHARED_ADVICE}", error)
    return None


def _raises_alone(checked: CheckedObject, ticket: Ticket, count: int) -> bool:
    """Return whether as many loads in this thread alone raise, too."""
    source = checked.source()
    try:
        for _ in range(count):
            source.load(ticket)
    except Exception:
        return True
    return False


CHECKS: tuple[Check, ...] = (
    Check(
        "crashes",
        "Loads at the same time raise nothing.",
        check_crashes,
        needs=("content",),
        stands_in_for="thread_safe",
        hint=("with self.lock:  # around what all threads share\n    row = next(self.rows)"),
    ),
)
