"""`Battery`: runs all checks for one object, each at most once, after the checks that it needs.

Guarantees kept here: a check that needs one that does not hold is not run and says for which it waits, so
that one mistake gives one failure; what ran and failed is never shown as skipped; a check that raises is a
failure with its exception and never a pass; the global random states are as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from streamfit._base.names import did_you_mean
from streamfit.testing.checked_object import quiet_finalizers
from streamfit.testing.checks.all_checks import CHECKS
from streamfit.testing.checks.construction import FIRST
from streamfit.testing.checks.stage_checks import stage_text
from streamfit.testing.failure import CheckWarning
from streamfit.testing.kinds import checked_object
from streamfit.testing.result import Question, Result, judged
from streamfit.testing.settings import CheckSettings, SampleKey
from streamfit.testing.table import Check, Kind

Names = str | Iterable[str] | None


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

    def _waits(self, name: str) -> bool:
        """Return whether a check waits; run only the checks that it needs, not the check itself."""
        if name in self._results:
            return bool(self._results[name].waits_for)
        needs = [need for need in self.checks[name].needs if need in self.checks]
        return any(not self._holds(need) for need in needs)

    def _outcome(self, check: Check) -> Result:
        question = Question(check.name, lambda: check.run(self.checked), check.hint)
        return judged(
            self.checked.name,
            question,
            strict=self.strict,
            expected=self.expected.get(check.name),
            where=lambda found: stage_text(self.checked, check, found),
        )


def _known(names: Iterable[str], checks: Mapping[str, Check], kind: str) -> None:
    for name in names:
        if name not in checks:
            raise ValueError(
                f"{name!r} is no check for a {kind}.{did_you_mean(name, checks)} "
                f"The checks are: {', '.join(checks)}"
            )
