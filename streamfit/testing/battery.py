"""`Battery`: all checks for one object, each run at most once, in an order in which they make sense.

Guarantees kept here: a check that needs another one which fails is skipped and says so, so that one mistake
gives one failure; a check that breaks is a failure with its exception and never a pass; the global random
states are as before.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from streamfit._base.names import did_you_mean
from streamfit.streams import Source, Stream
from streamfit.streams.leaves import brief, is_arraylike
from streamfit.testing import (
    bounded_memory,
    change,
    contents,
    delivery,
    draws,
    elsewhere,
    generators,
    passes,
    streaming,
)
from streamfit.testing.contents import kept_globals
from streamfit.testing.failure import CheckFailure, CheckSkipped, brief_error, exits_are_failures
from streamfit.testing.subject import Subject
from streamfit.testing.table import KINDS, Check, Kind

Status = Literal["pass", "fail", "skip", "expected"]
_TABLES = (generators, contents, draws, change, elsewhere, delivery, passes, bounded_memory, streaming)
CHECKS: tuple[Check, ...] = tuple(check for table in _TABLES for check in table.CHECKS)
_WANTED = "pass a Sequence, a Source, or a function that makes one"
Names = str | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Result:
    """Say how one check ended.

    Args:
        name: Name of the check.
        status: ``'pass'``, ``'fail'``, ``'skip'``, or ``'expected'`` for a failure that was announced.
        message: Why; with a pass, what else is worth knowing, often nothing.
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
    """Hold the checks for one object.

    Args:
        obj: An object, a class, or a function without required arguments that makes one.
        kind: ``'sequence'``, ``'source'``, ``'generator'`` or ``'stream'``; None finds out.
        expected_failures: Names of checks that are known to fail, with the reason.
        limit: How many batches a check looks at.
        workers: How many worker processes are used at most.

    Raises:
        TypeError: `obj` is nothing that gives batches.
        ValueError: A name is no check, or a number is out of range.
    """

    def __init__(
        self,
        obj: Any,
        kind: Kind | None = None,
        *,
        expected_failures: Mapping[str, str] | None = None,
        limit: int = 32,
        workers: int = 2,
    ) -> None:
        if limit < 2 or workers < 1:
            raise ValueError(f"limit must be at least 2 and workers at least 1, got {limit} and {workers}")
        self.subject = _subject(obj, kind, limit, workers)
        self.kind = self.subject.kind
        self.checks = {check.name: check for check in CHECKS if self.kind in check.kinds}
        self.expected = dict(expected_failures or {})
        _known(self.expected, self.checks, self.kind)
        self._results: dict[str, Result] = {}
        self._blocked: set[str] = set()  # checks that could say nothing, as another one does not hold

    def names(self, only: Names = None) -> list[str]:
        """List the names of the checks, or those of `only` in the order in which they run."""
        wanted = {only} if isinstance(only, str) else None if only is None else set(only)
        _known(wanted or (), self.checks, self.kind)
        return [name for name in self.checks if wanted is None or name in wanted]

    def results(self, only: Names = None) -> list[Result]:
        """Run the checks and return how they ended."""
        try:
            return [self.result(name) for name in self.names(only)]
        finally:
            self.close()

    @property
    def failures(self) -> list[Result]:
        """List the checks that have failed until now, also those that others needed."""
        return [result for result in self._results.values() if result.status == "fail"]

    def result(self, name: str) -> Result:
        """Return how one check ended, running it and what it needs if that was not done yet."""
        if name not in self._results:
            self._results[name] = self._run(self.checks[name])
        return self._results[name]

    def close(self) -> None:
        """Stop the workers of streams that were made."""
        self.subject.close()

    def _run(self, check: Check) -> Result:
        needs = [name for name in check.needs if name in self.checks]
        lacking = [name for name in needs if self.result(name).status == "fail" or name in self._blocked]
        if lacking:
            return self._block(check, lacking[0], 0.0)
        result = self._outcome(check)
        announced = [name for name in needs if self.result(name).status == "expected"]
        if result.status == "fail" and announced:
            return self._block(check, announced[0], result.seconds)
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
                status, message = self._passed(check.run(self.subject) or "", check.name)
        except CheckSkipped as reason:
            status, message = "skip", str(reason)
        except CheckFailure as failure:
            status, message, error = *self._failed(str(failure), check.name), failure
        except (Exception, SystemExit) as other:  # user code runs in checks; whatever it does is the answer
            text = f"{self.subject.name}: the check {check.name!r} could not be done: {brief_error(other)}"
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


def _subject(obj: Any, kind: Kind | None, limit: int, workers: int) -> Subject:
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is none of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
    if _is_data(obj):
        found = _agree(kind, _kind_of(obj), obj)
        if found == "stream" or (found == "generator" and hasattr(obj, "__next__")):
            raise TypeError(f"a {found} is used up by a check; pass the function that makes it, uncalled")
        return Subject(lambda: obj, found, type(obj).__name__, limit, workers, obj)
    if not callable(obj):
        raise TypeError(f"{brief(obj)} gives no batches; {_WANTED}")
    _refuse_arguments(obj)
    name = getattr(obj, "__name__", type(obj).__name__)
    found = _agree(kind, kind, obj) if kind else _kind_of(obj())
    return Subject(obj, found, name, limit, workers)


def _is_data(obj: Any) -> bool:
    """Return whether an object gives batches itself; a class or a function has to be called first."""
    if isinstance(obj, type):
        return False
    return isinstance(obj, (Source, Stream)) or _indexes(obj) or hasattr(obj, "__iter__")


def _indexes(obj: Any) -> bool:
    return hasattr(obj, "__getitem__") and (hasattr(obj, "__len__") or hasattr(obj, "num_batches"))


def _kind_of(made: Any) -> Kind:
    if isinstance(made, Stream):
        return "stream"
    if isinstance(made, Source):
        return "source"
    if isinstance(made, (str, bytes, dict, list, tuple)) or is_arraylike(made):
        raise TypeError(f"{brief(made)} holds data and gives no batches; pass streamfit.as_stream(...) of it")
    if _indexes(made):
        return "sequence"
    if hasattr(made, "__iter__"):
        return "generator"
    raise TypeError(f"{brief(made)} gives no batches; {_WANTED}")


def _agree(kind: Kind | None, found: Kind | None, obj: Any) -> Kind:
    if kind in (None, found) and found is not None:
        return found
    if kind in ("stream", "source") and found in ("source", "stream", "sequence"):
        return kind
    raise TypeError(f"{brief(obj)} is a {found}, not a {kind}")


def _refuse_arguments(factory: Callable[..., Any]) -> None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a builtin without a signature
        return
    plain = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in plain]
    if needed:
        name = getattr(factory, "__name__", brief(factory))
        raise TypeError(
            f"{name} needs {', '.join(needed)}; pass an object that is made, or a function without required "
            f"arguments: lambda: {name}(...)"
        )
