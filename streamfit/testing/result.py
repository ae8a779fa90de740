"""`Result`: how one check ended; `judged` runs a check and says so."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from streamfit.testing.checks.contents import kept_globals
from streamfit.testing.failure import (
    CheckFailure,
    CheckSkipped,
    CheckWarning,
    brief_error,
    exits_are_failures,
    raised_at,
)

Status = Literal["pass", "warn", "fail", "skip", "expected"]
Finding = CheckFailure | CheckWarning


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended.

    Args:
        name: Name of the check.
        status: ``'pass'``; ``'fail'``; ``'warn'`` for what is likely a mistake; ``'skip'``; ``'expected'``: a
            known failure.
        message: The reason; for a pass a note, often empty.
        seconds: How long it took.
        error: The failure itself.
        hint: A few lines of code that mend what a check has found; empty otherwise.
        waits_for: The check that must hold first, if this one was not run for that reason; else empty.

    Example:
        >>> print(Result("length", "pass", "", 0.01))
        pass      length
    """

    name: str
    status: Status
    message: str
    seconds: float
    error: BaseException | None = None
    hint: str = ""
    waits_for: str = ""

    def __str__(self) -> str:
        return f"{self.status:9} {self.name}" + (f"\n          {self.message}" if self.message else "")


@dataclass(frozen=True, slots=True)
class Question:
    """One check.

    Args:
        name: Its name for users.
        run: Returns a note or None, or raises `CheckFailure`, `CheckWarning` or `CheckSkipped`.
        hint: A few lines of code that mend what it finds.
        needs: The check that must hold before this one has a meaning; empty for none.
    """

    name: str
    run: Callable[[], str | None]
    hint: str = ""
    needs: str = ""


def judged(
    subject: str,
    question: Question,
    *,
    strict: bool = False,
    expected: str | None = None,
    where: Callable[[Finding], str] = lambda found: "",
) -> Result:
    """Run one check and return how it ended.

    Args:
        subject: What is checked, in messages.
        question: The check.
        strict: Whether a warning is a failure.
        expected: Why it is known to fail, if it is.
        where: Returns what to add to the message of a finding.

    Example:
        >>> judged("it", Question("answer", lambda: "a note")).message
        'a note'
    """
    began = time.perf_counter()
    status: Status = "pass"
    message, hint = "", ""
    error: BaseException | None = None
    try:
        with kept_globals(), exits_are_failures(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a check of its own shows those of loads, each once
            message = question.run() or ""
        if expected is not None:
            message = f"was expected to fail ({expected}), and holds: take it off that list"
    except CheckSkipped as reason:
        status, message = "skip", str(reason)
    except (CheckFailure, CheckWarning) as found:
        likely = isinstance(found, CheckWarning) and not strict
        status, message, error = "warn" if likely else "fail", f"{found}{where(found)}", found
        hint = found.hint or question.hint
    except (Exception, SystemExit) as other:  # user code runs in checks, and may raise anything
        text = f"the check {question.name!r} could not be done: {brief_error(other)}{raised_at(other)}"
        status, message, error = "fail", f"{subject}: {text}", other
    if error is not None and expected is not None:
        status, message = "expected", f"{expected}. {message}"
    return Result(question.name, status, message, time.perf_counter() - began, error, hint)
