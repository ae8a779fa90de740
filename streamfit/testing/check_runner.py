"""`Battery`: runs all checks for one object, each at most once, after the checks that it needs.

Guarantees kept here: a check that needs a failed check is skipped and says so, so that one mistake gives one
failure; a check that raises is a failure with its exception and never a pass; the global random states are
as before.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from streamfit._base.names import did_you_mean
from streamfit.streams import Pipeline, Source, Stream
from streamfit.streams.leaves import brief, is_arraylike
from streamfit.testing import (
    bounded_memory,
    contents,
    delivery,
    generators,
    object_changes,
    passes,
    process_state,
    rng_calls,
    streaming,
)
from streamfit.testing.checked_object import CheckedObject
from streamfit.testing.contents import kept_globals
from streamfit.testing.failure import CheckFailure, CheckSkipped, brief_error, exits_are_failures
from streamfit.testing.table import KINDS, Check, Kind

Status = Literal["pass", "fail", "skip", "expected"]
_TABLES = (
    generators,
    contents,
    rng_calls,
    object_changes,
    process_state,
    delivery,
    passes,
    bounded_memory,
    streaming,
)
CHECKS: tuple[Check, ...] = tuple(check for table in _TABLES for check in table.CHECKS)
_WANTED = "pass a Sequence, a Source, or a function that makes one"
Names = str | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended.

    Args:
        name: Name of the check.
        status: ``'pass'``, ``'fail'``, ``'skip'``, or ``'expected'`` for a known failure.
        message: The reason; for a pass a note, often empty.
        seconds: How long it took.
        error: The failure itself.

    Example:
        >>> print(Result("length", "pass", "", 0.01))
        pass      length
    """

    name: str
    status: Status
    message: str
    seconds: float
    error: BaseException | None = None

    def __str__(self) -> str:
        return f"{self.status:9} {self.name}" + (f"\n          {self.message}" if self.message else "")


class Battery:
    """The checks for one object.

    Args:
        obj: An object, a class, or a function without required arguments that makes one.
        kind: ``'sequence'``, ``'source'``, ``'generator'`` or ``'stream'``; None: found from `obj`.
        expected_failures: Names of checks that are known to fail, with the reason.
        limit: How many batches a check looks at.
        workers: How many worker processes are used at most.

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
    ) -> None:
        if limit < 2 or workers < 1:
            raise ValueError(f"limit must be at least 2 and workers at least 1, got {limit} and {workers}")
        self.checked = _checked_object(obj, kind, limit, workers)
        self.kind = self.checked.kind
        self.checks = {check.name: check for check in CHECKS if self.kind in check.kinds}
        self.expected = dict(expected_failures or {})
        _known(self.expected, self.checks, self.kind)
        self._results: dict[str, Result] = {}
        self._blocked: set[str] = set()  # skipped, since a check that they need does not hold

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
            self._results[name] = self._run(self.checks[name])
        return self._results[name]

    def close(self) -> None:
        """Stop the workers of the streams that the checks made."""
        self.checked.close()

    def _run(self, check: Check) -> Result:
        needs = [name for name in check.needs if name in self.checks]
        unmet = [name for name in needs if self.result(name).status == "fail" or name in self._blocked]
        if unmet:
            return self._block(check, unmet[0], 0.0)
        result = self._outcome(check)
        known = [name for name in needs if self.result(name).status == "expected"]
        if result.status == "fail" and known:
            return self._block(check, known[0], result.seconds)
        return result

    def _block(self, check: Check, needed: str, seconds: float) -> Result:
        self._blocked.add(check.name)
        return Result(check.name, "skip", f"{needed!r} has to hold first", seconds)

    def _outcome(self, check: Check) -> Result:
        began = time.perf_counter()
        error: BaseException | None = None
        status: Status
        try:
            with kept_globals(), exits_are_failures():
                status, message = self._passed(check.run(self.checked) or "", check.name)
        except CheckSkipped as reason:
            status, message = "skip", str(reason)
        except CheckFailure as failure:
            status, message, error = *self._failed(str(failure), check.name), failure
        except (Exception, SystemExit) as other:  # user code runs in checks, and may raise anything
            text = f"{self.checked.name}: the check {check.name!r} could not be done: {brief_error(other)}"
            status, message, error = *self._failed(text, check.name), other
        return Result(check.name, status, message, time.perf_counter() - began, error)

    def _passed(self, note: str, name: str) -> tuple[Status, str]:
        if name in self.expected:
            return "pass", f"was expected to fail ({self.expected[name]}), and holds: take it off that list"
        return "pass", note

    def _failed(self, text: str, name: str) -> tuple[Status, str]:
        if name in self.expected:
            return "expected", f"{self.expected[name]}. {text}"
        return "fail", text


def _known(names: Iterable[str], checks: Mapping[str, Check], kind: str) -> None:
    for name in names:
        if name not in checks:
            raise ValueError(
                f"{name!r} is no check for a {kind}.{did_you_mean(name, checks)} "
                f"The checks are: {', '.join(checks)}"
            )


def _checked_object(obj: object, kind: Kind | None, limit: int, workers: int) -> CheckedObject:
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    if _is_data(obj):
        found = _agree(kind, _kind_of(obj), obj)
        if found == "stream" or (found == "generator" and hasattr(obj, "__next__")):
            raise TypeError(f"a {found} is used up by a check; pass the function that makes it, uncalled")
        return CheckedObject(lambda: obj, found, type(obj).__name__, limit, workers, obj)
    if not callable(obj):
        raise TypeError(f"{brief(obj)} gives no batches; {_WANTED}")
    _refuse_arguments(obj)
    name = getattr(obj, "__name__", type(obj).__name__)
    found = _agree(kind, kind, obj) if kind else _kind_of(obj())
    return CheckedObject(obj, found, name, limit, workers)


def _is_data(obj: object) -> bool:
    """Return whether an object gives batches itself; a class or a function must be called first."""
    if isinstance(obj, type):
        return False
    return isinstance(obj, (Source, Stream)) or _indexes(obj) or hasattr(obj, "__iter__")


def _indexes(obj: object) -> bool:
    return hasattr(obj, "__getitem__") and (hasattr(obj, "__len__") or hasattr(obj, "num_batches"))


def _kind_of(made: object) -> Kind:
    if isinstance(made, Stream):
        return "stream"
    if isinstance(made, (Source, Pipeline)) or hasattr(made, "open_source"):  # it says what `fit` reads
        return "source"
    if isinstance(made, (str, bytes, dict, list, tuple)) or is_arraylike(made):
        raise TypeError(
            f"{brief(made)} holds data and gives no batches; pass streamfit.source(...).batch(32)"
        )
    if _indexes(made):
        return "sequence"
    if hasattr(made, "__iter__"):
        return "generator"
    raise TypeError(f"{brief(made)} gives no batches; {_WANTED}")


def _agree(kind: Kind | None, found: Kind | None, obj: object) -> Kind:
    if kind in (None, found) and found is not None:
        return found
    if kind in ("stream", "source") and found in ("source", "stream", "sequence"):
        return kind
    if kind == "sequence" and found == "source" and _indexes(obj):
        return kind
    raise TypeError(f"{brief(obj)} is a {found}, not a {kind}")


def _refuse_arguments(factory: Callable[..., object]) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a built-in function without a signature
        return
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in plain]
    if needed:
        name = getattr(factory, "__name__", brief(factory))
        raise TypeError(
            f"{name} needs {', '.join(needed)}; pass an object that is made, or a function without required "
            f"arguments: lambda: {name}(...)"
        )
