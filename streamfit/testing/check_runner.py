"""`Battery`: runs all checks for one object, each at most once, after the checks that it needs.

Guarantees kept here: a check that needs one that does not hold is not run and says for which it waits, so
that one mistake gives one failure; what ran and failed is never shown as skipped; a check that raises is a
failure with its exception and never a pass; the global random states are as before.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from streamfit._base.names import did_you_mean
from streamfit.testing.checked_object import quiet_finalizers
from streamfit.testing.checks import CHECKS
from streamfit.testing.checks.construction import FIRST
from streamfit.testing.checks.contents import kept_globals
from streamfit.testing.checks.stage_checks import stage_text
from streamfit.testing.failure import (
    CheckFailure,
    CheckSkipped,
    CheckWarning,
    brief_error,
    exits_are_failures,
    raised_at,
)
from streamfit.testing.kinds import checked_object
from streamfit.testing.settings import CheckSettings, SampleKey
from streamfit.testing.table import Check, Kind

Status = Literal["pass", "warn", "fail", "skip", "expected"]
STATEFUL = "repeatable"  # the check that finds loads that depend on earlier ones
Names = str | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended.

    Args:
        name: Name of the check.
        status: ``'pass'``; ``'fail'``; ``'warn'`` for what is likely a mistake; ``'skip'``; ``'expected'``
        for
            a known failure.
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


class Battery:
    """The checks for one object.

    Args:
        obj: An object, a class, or a function without required arguments that makes one.
        kind: What it is, as for `run_checks`; None: found from `obj`.
        expected_failures: Names of checks that are known to fail or to warn, with the reason.
        limit: How many batches a check looks at.
        workers: How many worker processes are used at most.
        strict: Whether warnings are failures.
        ragged: Whether the shapes of samples may differ between batches.
        key: Returns what identifies a sample, as for `run_checks`.
        source: The items that a function of kind ``'generator'`` reads, as for `run_checks`.

    Raises:
        TypeError: `obj` does not give batches.
        ValueError: A check is unknown, or a number is out of range.
    """

    def __init__(
        self,
        obj: object,
        kind: Kind | None = None,
        *,
        expected_failures: Mapping[str, str] | None = None,
        limit: int = 32,
        workers: int = 2,
        strict: bool = False,
        ragged: bool = False,
        key: SampleKey | None = None,
        source: object = None,
    ) -> None:
        settings = CheckSettings(limit, workers, ragged, key, source)
        self.checked = checked_object(obj, kind, settings)
        self.kind, self.strict = self.checked.kind, strict
        self.checks = {check.name: check for check in CHECKS if self.kind in check.kinds}
        self.expected = dict(expected_failures or {})
        _known(self.expected, self.checks, self.kind)
        self._results: dict[str, Result] = {}

    def names(self, only: Names = None) -> list[str]:
        """List the names of the checks, or those of `only` in the order in which they run."""
        wanted = {only} if isinstance(only, str) else None if only is None else set(only)
        _known(wanted or (), self.checks, self.kind)
        return [name for name in self.checks if wanted is None or name in wanted]

    def results(self, only: Names = None) -> list[Result]:
        """Run the checks and return their results."""
        try:
            return [self.result(name) for name in self.names(only)]
        finally:
            self.close()

    @property
    def failures(self) -> list[Result]:
        """List the failed checks so far, including those that other checks needed."""
        return [result for result in self._results.values() if result.status == "fail"]

    def result(self, name: str) -> Result:
        """Return the result of one check; run it, and the checks that it needs, if that was not done yet."""
        if name not in self._results:
            with quiet_finalizers():  # those of copies; the object itself ends elsewhere
                self._results[name] = self._run(self.checks[name])
        return self._results[name]

    def close(self) -> None:
        """Stop the workers of the streams that the checks made."""
        self.checked.close()

    def _run(self, check: Check) -> Result:
        for name in (*((FIRST,) if check.name != FIRST else ()), *check.needs):
            if name in self.checks and not self._holds(name):
                return Result(check.name, "skip", f"{name!r} has to hold first", 0.0, waits_for=name)
        closer = check.stands_in_for
        if closer in self.checks and not self._waits(closer):
            return Result(check.name, "skip", f"{closer!r} looks closer", 0.0)
        return self._outcome(check)

    def _holds(self, name: str) -> bool:
        """Return whether a check, or the one that stands in for it where it waits, has found no failure."""
        result = self.result(name)
        if result.waits_for:
            others = [check.name for check in self.checks.values() if check.stands_in_for == name]
            return any(self._holds(other) for other in others)
        return result.status not in ("fail", "expected") or isinstance(result.error, CheckWarning)

    def _failed(self, name: str) -> bool:
        """Return whether a check was run and has failed."""
        return name in self._results and self._results[name].status == "fail"

    def _waits(self, name: str) -> bool:
        """Return whether a check waits; run only the checks that it needs, not the check itself."""
        if name in self._results:
            return bool(self._results[name].waits_for)
        needs = [need for need in self.checks[name].needs if need in self.checks]
        return any(not self._holds(need) for need in needs)

    def _outcome(self, check: Check) -> Result:
        began = time.perf_counter()
        error: BaseException | None = None
        hint = ""
        status: Status
        try:
            with kept_globals(), exits_are_failures(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a check of its own shows those of loads, each once
                status, message = self._passed(check.run(self.checked) or "", check.name)
        except CheckSkipped as reason:
            status, message = "skip", str(reason)
        except CheckWarning as warning:
            found: Status = "fail" if self.strict else "warn"
            text = str(warning) + stage_text(self.checked, check, warning)
            status, message, error = *self._found(found, text, check.name), warning
            hint = warning.hint or check.hint
        except CheckFailure as failure:
            text = str(failure) + stage_text(self.checked, check, failure)
            status, message, error = *self._found("fail", text, check.name), failure
            hint = failure.hint or check.hint
        except (Exception, SystemExit) as other:  # user code runs in checks, and may raise anything
            if self._failed(STATEFUL):  # what loads change may end anywhere, as a file that they read on
                text = f"{STATEFUL!r} has to hold first: loads raised {brief_error(other)}"
                seconds = time.perf_counter() - began
                return Result(check.name, "skip", text, seconds, waits_for=STATEFUL)
            text = (
                f"{self.checked.name}: the check {check.name!r} could not be done: {brief_error(other)}"
                f"{raised_at(other)}"
            )
            status, message, error = *self._found("fail", text, check.name), other
        return Result(check.name, status, message, time.perf_counter() - began, error, hint)

    def _passed(self, note: str, name: str) -> tuple[Status, str]:
        if name in self.expected:
            return "pass", f"was expected to fail ({self.expected[name]}), and holds: take it off that list"
        return "pass", note

    def _found(self, status: Status, text: str, name: str) -> tuple[Status, str]:
        if name in self.expected:
            return "expected", f"{self.expected[name]}. {text}"
        return status, text


def _known(names: Iterable[str], checks: Mapping[str, Check], kind: str) -> None:
    for name in names:
        if name not in checks:
            raise ValueError(
                f"{name!r} is no check for a {kind}.{did_you_mean(name, checks)} "
                f"The checks are: {', '.join(checks)}"
            )
