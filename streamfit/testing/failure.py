"""`CheckFailure`: a sentence about the user's object, and the two other ways in which a check can end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NoReturn


class CheckFailure(AssertionError):  # noqa: N818 - it is no error of the program but the answer of a check
    """Raised when a check does not hold; its text is a sentence about the object that was checked.

    Example:
        >>> raise CheckFailure("Digits: batch 3 is empty")
        Traceback (most recent call last):
        streamfit.testing.failure.CheckFailure: Digits: batch 3 is empty
    """


class CheckSkipped(Exception):  # noqa: N818
    """Raised by a check that does not apply; its text is the reason."""


def fail(sentence: str, cause: BaseException | None = None) -> NoReturn:
    """End a check: the object does not keep the rule.

    Args:
        sentence: What is wrong, with the smallest case that shows it, and what to do instead.
        cause: The exception behind it, if there is one.

    Raises:
        CheckFailure: Always.
    """
    raise CheckFailure(sentence) from cause


def skip(reason: str) -> NoReturn:
    """End a check: the rule does not apply to the object.

    Raises:
        CheckSkipped: Always.
    """
    raise CheckSkipped(reason)


@contextlib.contextmanager
def exits_are_failures() -> Iterator[None]:
    """Make ``os._exit`` a failure of the check for a while: it would end all tests as if they had passed.

    Copies of the process made by `fork` end as they want.

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
    """Write the type and the first line of an exception.

    Example:
        >>> brief_error(KeyError("x"))
        "KeyError: 'x'"
    """
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
