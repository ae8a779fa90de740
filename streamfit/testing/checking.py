"""`run_checks`, `check_sequence` and the like: run all checks on an object and list all failures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict, Unpack

from streamfit.testing.check_runner import Battery, Names
from streamfit.testing.failure import CheckFailure, text_with_hint
from streamfit.testing.result import Result
from streamfit.testing.settings import SampleKey
from streamfit.testing.table import Kind


class BatteryOptions(TypedDict, total=False):
    """The keyword arguments of `Battery`."""

    expected_failures: Mapping[str, str] | None
    limit: int
    workers: int
    strict: bool
    ragged: bool
    key: SampleKey | None
    source: object


class CheckOptions(BatteryOptions, total=False):
    """The keyword arguments of `check_sequence` and the like; `run_checks` explains them."""

    only: Names


def run_checks(
    obj: object,
    kind: Kind | None = None,
    *,
    only: Names = None,
    **options: Unpack[BatteryOptions],
) -> list[Result]:
    """Run the checks for an object and return the result of each.

    Args:
        obj: A `Sequence`, a `Source`, a data set of PyTorch, Hugging Face or tf.data, or a class or a
            function without required arguments that makes one, or a generator, or a `Stream`.
        kind: ``'sequence'``; ``'samples'`` (one sample for an index, as data sets of PyTorch give; the checks
            stack up to 8 of them to a batch); ``'source'``; ``'generator'`` or ``'stream'``. None: found from
            `obj`.
        only: Name or names of the checks to run; None for all.
        **options: `expected_failures`: names of checks that are known to fail or to warn, with the reason.
            `limit`: how many batches a check looks at (32). `workers`: how many worker processes are used at
            most (2). `strict`: whether warnings are failures. `ragged`: whether the shapes of samples may
            differ between batches, as where each batch is padded to its longest sample. `key`: called as
            ``key(x, y)`` with one sample; returns what stays the same when the sample is augmented anew, such
            as its number; without it a sample is known by its values. `source`: the items that a function of
            kind ``'generator'`` reads, which is then called with them as its only argument.

    Raises:
        TypeError: `obj` does not give batches.
        ValueError: A check is unknown, or a number is out of range.

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
    return Battery(obj, kind, **options).results(only)


def raise_failures(name: str, results: list[Result]) -> None:
    """Raise one exception that lists all failed checks with their hints, and then all warnings; do nothing
    if none failed.

    Raises:
        CheckFailure: A check has failed.
    """
    failed = [result for result in results if result.status == "fail"]
    if not failed:
        return
    count = f"{len(failed)} of {len(results)} checks"
    lines = [text_with_hint(f"[{result.name}] {result.message}", result.hint) for result in failed]
    lines += [
        text_with_hint(f"[{result.name}, warning] {result.message}", result.hint)
        for result in results
        if result.status == "warn"
    ]
    raise CheckFailure(f"{name} fails {count}:\n" + "\n".join(lines)) from failed[0].error


def _check(obj: object, kind: Kind, *, only: Names = None, **options: Unpack[BatteryOptions]) -> list[Result]:
    battery = Battery(obj, kind, **options)
    results = battery.results(only)
    raise_failures(battery.checked.name, results)
    return results


def check_sequence(obj: object, **options: Unpack[CheckOptions]) -> list[Result]:
    """Check a `Sequence`, or any object with ``__getitem__`` and ``__len__``.

    Args:
        obj: The object, its class, or a function without required arguments that makes one.
        **options: `only`, `expected_failures`, `strict` and the other options of `run_checks`.

    Returns:
        The result of each check, if none failed.

    Raises:
        CheckFailure: Some checks fail; the message says which, and why.

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
    return _check(obj, "sequence", **options)


def check_source(obj: object, **options: Unpack[CheckOptions]) -> list[Result]:
    """Check a `Source` of your own, or a pipeline.

    Args:
        obj: The source, its class, or a function without required arguments that makes one.
        **options: `only`, `expected_failures`, `strict` and the other options of `run_checks`.

    Raises:
        CheckFailure: Some checks fail; the message says which, and why.

    Example:
        >>> import numpy as np
        >>> import streamfit
        >>> source = streamfit.source(np.arange(10.0), seed=1).shuffle().batch(4)
        >>> {result.status for result in check_source(source, only=["planned", "resume", "exactly_once"])}
        {'pass'}
    """
    return _check(obj, "source", **options)


def check_generator(factory: Callable[[], object], **options: Unpack[CheckOptions]) -> list[Result]:
    """Check a function that makes generators of batches.

    Args:
        factory: A function without required arguments; each call must make a new generator. An iterable
            that can be read again, such as a data loader of another library, works too.
        **options: `only`, `expected_failures`, `strict` and the other options of `run_checks`.

    Raises:
        CheckFailure: Some checks fail; the message says which, and why.

    Example:
        >>> import numpy as np
        >>> def batches():
        ...     for number in range(3):
        ...         yield np.full((2, 3), number), np.zeros(2)
        >>> {result.status for result in check_generator(batches, only=["fresh", "equal", "end"])}
        {'pass'}
    """
    return _check(factory, "generator", **options)


def check_stream(factory: Callable[[], object], **options: Unpack[CheckOptions]) -> list[Result]:
    """Check a function that makes streams: their batches, and that closing them leaves nothing behind.

    Args:
        factory: A function without required arguments that returns ``streamfit.stream(...)``.
        **options: `only`, `expected_failures`, `strict` and the other options of `run_checks`.

    Raises:
        CheckFailure: Some checks fail; the message says which, and why.

    Example:
        >>> import numpy as np
        >>> import streamfit
        >>> results = check_stream(lambda: streamfit.stream(np.arange(10), batch_size=4), only="reread")
        >>> results[0].status
        'pass'
    """
    return _check(factory, "stream", **options)
