"""`Question` and `ask`: checks that are no part of a `Battery`, judged and reported as its checks are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from streamfit._base.names import did_you_mean
from streamfit.testing.check_runner import Result, Status
from streamfit.testing.checking import raise_failures
from streamfit.testing.checks.contents import kept_globals
from streamfit.testing.failure import CheckFailure, CheckSkipped, CheckWarning, brief_error


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


def ask(
    subject: str,
    questions: Iterable[Question],
    *,
    strict: bool = False,
    expected_failures: Mapping[str, str] | None = None,
) -> list[Result]:
    """Run checks in their order and return their results.

    Args:
        subject: What is checked, in messages.
        questions: The checks.
        strict: Whether warnings are failures.
        expected_failures: Names of checks that are known to fail or to warn, with the reason.

    Raises:
        CheckFailure: Some checks fail.
        ValueError: A name of `expected_failures` is unknown.

    Example:
        >>> ask("it", [Question("answer", lambda: "a note")])[0].message
        'a note'
    """
    listed, expected = list(questions), dict(expected_failures or {})
    names = [question.name for question in listed]
    for name in expected:
        if name not in names:
            raise ValueError(
                f"{name!r} is no check here.{did_you_mean(name, names)} The checks are: {', '.join(names)}"
            )
    results: dict[str, Result] = {}
    for question in listed:
        needed = results.get(question.needs)
        if needed is not None and needed.error is not None and not isinstance(needed.error, CheckWarning):
            text, name = f"{question.needs!r} has to hold first", question.name
            results[name] = Result(name, "skip", text, 0.0, waits_for=question.needs)
        else:
            results[question.name] = _outcome(subject, question, strict, expected.get(question.name))
    raise_failures(subject, list(results.values()))
    return list(results.values())


def _outcome(subject: str, question: Question, strict: bool, expected: str | None) -> Result:
    began = time.perf_counter()
    status: Status
    error: BaseException | None = None
    try:
        with kept_globals():
            status, message = "pass", question.run() or ""
        if expected is not None:
            message = f"was expected to fail ({expected}), and holds: take it off that list"
    except CheckSkipped as reason:
        status, message = "skip", str(reason)
    except CheckWarning as warning:
        status, message, error = "fail" if strict else "warn", str(warning), warning
    except CheckFailure as failure:
        status, message, error = "fail", str(failure), failure
    except Exception as other:  # user code runs in checks, and may raise anything
        message = f"{subject}: the check {question.name!r} could not be done: {brief_error(other)}"
        status, error = "fail", other
    if error is not None and expected is not None:
        status, message = "expected", f"{expected}. {message}"
    hint = "" if error is None else getattr(error, "hint", "") or question.hint
    return Result(question.name, status, message, time.perf_counter() - began, error, hint)
