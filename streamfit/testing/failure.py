"""The ways in which a check ends early: `CheckFailure`, `CheckWarning`, `CheckSkipped`, and an exit of the
program.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NoReturn

from streamfit._base.inspection import is_foreign


class CheckFailure(AssertionError):  # noqa: N818 - the result of a check, not an error of the program
    """Raised when a check does not hold; its message is a sentence about the checked object.

    Attributes:
        hint: A few lines of code that mend it; empty for those of the check.

    Example:
        >>> raise CheckFailure("Digits: batch 3 is empty")
        Traceback (most recent call last):
        streamfit.testing.failure.CheckFailure: Digits: batch 3 is empty
    """

    hint = ""


class CheckWarning(Exception):  # noqa: N818
    """Raised by a check that finds what is likely a mistake, and may be meant.

    Attributes:
        hint: A few lines of code that mend it; empty for those of the check.
    """

    hint = ""


class CheckSkipped(Exception):  # noqa: N818
    """Raised by a check that does not apply; its message is the reason."""


def fail(sentence: str, cause: BaseException | None = None, hint: str = "") -> NoReturn:
    """End a check: the object breaks the rule.

    Args:
        sentence: The mistake, the smallest case that shows it, and the remedy.
        cause: The exception behind it, if any.
        hint: A few lines of code that mend it, if they are others than those of the check.

    Raises:
        CheckFailure: Always.
    """
    failure = CheckFailure(sentence)
    failure.hint = hint
    raise failure from cause


def warn(sentence: str, hint: str = "") -> NoReturn:
    """End a check: the object likely breaks the rule, or breaks one that some mean to break.

    Args:
        sentence: What was found, where, and who is hurt.
        hint: A few lines of code that mend it, if they are others than those of the check.

    Raises:
        CheckWarning: Always.
    """
    found = CheckWarning(sentence)
    found.hint = hint
    raise found


def skip(reason: str) -> NoReturn:
    """End a check: the rule does not apply to the object.

    Raises:
        CheckSkipped: Always.
    """
    raise CheckSkipped(reason)


@contextlib.contextmanager
def exits_are_failures() -> Iterator[None]:
    """Make ``os._exit`` fail the check inside the block; otherwise it would end all tests as if they passed.

    Copies of the process made by `fork` may still call it.

    Example:
        >>> with exits_are_failures():
        ...     os._exit(0)
        Traceback (most recent call last):
        streamfit.testing.failure.CheckFailure: the pipeline calls os._exit(0), which ends the whole program
    """
    exits, owner = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != owner:
            exits(status)
        raise CheckFailure(f"the pipeline calls os._exit({status}), which ends the whole program")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = exits


def brief_error(error: BaseException) -> str:
    """Write the type and the first line of an exception, and the next one where the sentence goes on there.

    Example:
        >>> brief_error(KeyError("x")), brief_error(ValueError("a or\\nb"))
        ("KeyError: 'x'", 'ValueError: a or')
        >>> brief_error(TypeError("seeds are: None,\\nint and str"))
        'TypeError: seeds are: None, int and str'
    """
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    goes_on = len(lines) > 1 and lines[0].rstrip().endswith((",", ":"))
    return f"{type(error).__name__}: {f'{lines[0].rstrip()} {lines[1].strip()}' if goes_on else lines[0]}"


def raised_at(error: BaseException) -> str:
    """Write the line of the user's code in which an exception was raised or passed on last; empty if none.

    Example:
        >>> raised_at(ValueError("was not raised"))
        ''
    """
    place, found = error.__traceback__, ""
    while place is not None:
        name = place.tb_frame.f_globals.get("__name__", "")
        if name in ("__main__", "__mp_main__") or not is_foreign(name):
            found = f", raised at {os.path.basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}"
        place = place.tb_next
    return found


def text_with_hint(text: str, hint: str) -> str:
    """Write the lines of code of a hint, indented, below a message.

    Example:
        >>> print(text_with_hint("x is a view", "x = x.copy()"))
        x is a view
            x = x.copy()
    """
    return "\n".join([text, *(f"    {line}" for line in hint.splitlines())])
