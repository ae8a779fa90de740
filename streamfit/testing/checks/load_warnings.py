"""The check of warnings that loads raise: each is shown once here, and not by all other checks again."""

from __future__ import annotations

import warnings
from pathlib import Path

from streamfit.streams import Source, Ticket
from streamfit.testing.checked_object import CheckedObject, place
from streamfit.testing.checks.contents import loaded_again
from streamfit.testing.failure import warn
from streamfit.testing.table import LOADED, Check

_SHOWN = 3
Found = dict[tuple[str, str, str], list[Ticket]]  # category, text, file:line


def check_load_warnings(checked: CheckedObject) -> str | None:
    """Check that loads raise no warnings of Python or NumPy."""
    found: Found = {}
    source = checked.source()
    for ticket, _ in checked.few():
        for one in _warnings_of(checked, source, ticket):
            where = f"{Path(one.filename).name}:{one.lineno}"
            lines = str(one.message).strip().splitlines() or [""]
            tickets = found.setdefault((one.category.__name__, lines[0], where), [])
            tickets.append(ticket)
    if found:
        shown = [
            f"{category}: {text} ({where}; {place(tickets[0])}"
            + (f" and {len(tickets) - 1} more)" if len(tickets) > 1 else ")")
            for (category, text, where), tickets in list(found.items())[:_SHOWN]
        ]
        more = f"; and {len(found) - _SHOWN} other warnings" if len(found) > _SHOWN else ""
        warn(
            f"{checked.name}: loads raise warnings, of which a worker process may show none: "
            f"{'; '.join(shown)}{more}"
        )
    return None


def _warnings_of(checked: CheckedObject, source: Source, ticket: Ticket) -> list[warnings.WarningMessage]:
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", ImportWarning)
        loaded_again(checked, source, ticket)
    return list(raised)


CHECKS: tuple[Check, ...] = (
    Check(
        "load_warnings",
        "Loads raise no warnings.",
        check_load_warnings,
        LOADED,
        ("content",),
        hint=(
            'with np.errstate(divide="ignore"):  # where it is meant; else mend what is at the line named\n'
            "    x = x / scale"
        ),
    ),
)
