"""`check_sequence` and its relatives: run all checks on an object, raise one failure that lists all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streamfit.testing.battery import Battery, Names, Result
from streamfit.testing.failure import CheckFailure
from streamfit.testing.table import Kind


def run_checks(
    obj: Any,
    kind: Kind | None = None,
    *,
    only: Names = None,
    expected_failures: Mapping[str, str] | None = None,
    limit: int = 32,
    workers: int = 2,
) -> list[Result]:
    """Run the checks for an object and return how each of them ended.

    Args:
        obj: A `Sequence`, a `Source`, or a class or a function without required arguments that makes one,
            or a generator, or a `Stream`.
        kind: ``'sequence'``, ``'source'``, ``'generator'`` or ``'stream'``; None finds out.
        only: Name or names of the checks to run; None for all.
        expected_failures: Names of checks that are known to fail, with the reason.
        limit: How many batches a check looks at.
        workers: How many worker processes are used at most.

    Raises:
        TypeError: `obj` is nothing that gives batches.
        ValueError: A name is no check, or a number is out of range.

    Example:
        >>> import numpy as np
        >>> class Squares:
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def __getitem__(self, index):
        ...         x = np.arange(4.0) + 4 * index
        ...         return x, x**2
        >>> [result.status for result in run_checks(Squares(), only=["length", "repeatable"])]
        ['pass', 'pass']
    """
    battery = Battery(obj, kind, expected_failures=expected_failures, limit=limit, workers=workers)
    return battery.results(only)


def raise_failures(name: str, results: list[Result]) -> None:
    """Raise one failure that lists all that have failed; nothing when none has.

    Raises:
        CheckFailure: A check has failed.
    """
    failed = [result for result in results if result.status == "fail"]
    if not failed:
        return
    count = f"{len(failed)} of {len(results)} checks"
    lines = [f"[{result.name}] {result.message}" for result in failed]
    raise CheckFailure(f"{name} fails {count}:\n" + "\n".join(lines)) from failed[0].error


def _check(obj: Any, kind: Kind, options: dict[str, Any]) -> list[Result]:
    only = options.pop("only", None)
    battery = Battery(obj, kind, **options)
    results = battery.results(only)
    raise_failures(battery.subject.name, results)
    return results


def check_sequence(obj: Any, **options: Any) -> list[Result]:
    """Check a `Sequence`, or any object with ``__getitem__`` and ``__len__``.

    Args:
        obj: The object, its class, or a function without required arguments that makes one.
        **options: `only`, `expected_failures`, `limit` and `workers`, as for `run_checks`.

    Returns:
        How each check ended, when none has failed.

    Raises:
        CheckFailure: Some checks fail; the text says which, and why.

    Example:
        >>> import numpy as np
        >>> class Forgetful:
        ...     calls = 0
        ...
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def __getitem__(self, index):
        ...         self.calls += 1
        ...         return np.full(2, self.calls), np.zeros(2)
        >>> check_sequence(Forgetful(), only="repeatable")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        streamfit.testing.failure.CheckFailure: Forgetful fails 1 of 1 checks:
        [repeatable] Forgetful: batch 0 changes when it is loaded twice: x[0] is 1 at first and 2 the ...
    """
    return _check(obj, "sequence", options)


def check_source(obj: Any, **options: Any) -> list[Result]:
    """Check a `Source` of your own, or what `as_stream` makes of arrays.

    Args:
        obj: The source, its class, or a function without required arguments that makes one.
        **options: `only`, `expected_failures`, `limit` and `workers`, as for `run_checks`.

    Raises:
        CheckFailure: Some checks fail; the text says which, and why.

    Example:
        >>> import numpy as np
        >>> import streamfit
        >>> source = streamfit.as_stream(np.arange(10.0), batch_size=4, shuffle=True, seed=1)
        >>> {result.status for result in check_source(source, only=["planned", "resume", "exactly_once"])}
        {'pass'}
    """
    return _check(obj, "source", options)


def check_generator(factory: Callable[[], Any], **options: Any) -> list[Result]:
    """Check a function that makes generators of batches.

    Args:
        factory: A function without required arguments; each call must make a new generator. An iterable
            that can be read again, such as a data loader of another library, will do as well.
        **options: `only`, `expected_failures`, `limit` and `workers`, as for `run_checks`.

    Raises:
        CheckFailure: Some checks fail; the text says which, and why.

    Example:
        >>> import numpy as np
        >>> def batches():
        ...     for number in range(3):
        ...         yield np.full((2, 3), number), np.zeros(2)
        >>> {result.status for result in check_generator(batches, only=["fresh", "equal", "end"])}
        {'pass'}
    """
    return _check(factory, "generator", options)


def check_stream(factory: Callable[[], Any], **options: Any) -> list[Result]:
    """Check a function that makes streams: what they read, and that they are closed without a trace.

    Args:
        factory: A function without required arguments that returns ``streamfit.stream(...)``.
        **options: `only`, `expected_failures`, `limit` and `workers`, as for `run_checks`.

    Raises:
        CheckFailure: Some checks fail; the text says which, and why.

    Example:
        >>> import numpy as np
        >>> import streamfit
        >>> results = check_stream(lambda: streamfit.stream(np.arange(10), batch_size=4), only="reread")
        >>> results[0].status
        'pass'
    """
    return _check(factory, "stream", options)
