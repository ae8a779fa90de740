"""`ask`: checks that are no part of a `Battery`, judged and reported as its checks are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamfit._base.names import did_you_mean
from streamfit.testing.checking import raise_failures
from streamfit.testing.failure import CheckWarning
from streamfit.testing.result import Question, Result, judged


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
            results[question.name] = judged(
                subject, question, strict=strict, expected=expected.get(question.name)
            )
    raise_failures(subject, list(results.values()))
    return list(results.values())
