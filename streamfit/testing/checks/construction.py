"""The check that the object can be made, for which all others wait."""

from __future__ import annotations

from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.failure import CheckFailure, brief_error, fail, raised_at
from streamfit.testing.table import KINDS, Check

FIRST = "made"  # name of the check that all others need


def check_made(checked: CheckedObject) -> str | None:
    """Check that the object can be made."""
    try:
        checked.fresh()
    except CheckFailure:
        raise
    except Exception as error:
        text = brief_error(error).rstrip(".")
        fail(f"{checked.name}: the object cannot be made: {text}{raised_at(error)}", error)
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        FIRST,
        "The object can be made.",
        check_made,
        KINDS,
        hint="run_checks(lambda: MyData(folder, batch_size=32))  # a function without arguments",
    ),
)
