"""The report of the checks as text: which hold, which fail and why, and the time of a batch."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from functools import partial

from streamfit.testing.check_runner import Battery, Result, Status
from streamfit.testing.failure import exits_are_failures
from streamfit.testing.preemption import timed

_MARKS = {"pass": "ok", "fail": "FAIL", "skip": "skip", "expected": "known"}
_WIDTH = 100


def lines_of(battery: Battery, results: list[Result]) -> Iterator[str]:
    """Write the report line by line.

    Args:
        battery: Where the results come from.
        results: The results of the checks.

    Example:
        >>> import numpy as np
        >>> class Zeros:
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, index):
        ...         return np.zeros(2), np.zeros(2)
        >>> battery = Battery(Zeros)
        >>> for line in lines_of(battery, battery.results(only="form")):
        ...     print(line.split(",")[0])
        Zeros (sequence)
          ok     form               Shapes and dtypes are the same in all batches.
        1 passed
    """
    yield f"{battery.checked.name} ({battery.kind}), {_time_per_batch(battery)}"
    for result in results:
        sentence = battery.checks[result.name].sentence
        yield f"  {_MARKS[result.status]:6} {result.name:18} {sentence}{_time(result.seconds)}"
        yield from _message_lines(result)
    yield f"{totals(results)}, {sum(result.seconds for result in results):.1f} s"


def totals(results: list[Result]) -> str:
    """Count the results by their status.

    Example:
        >>> totals([Result("length", "pass", "", 0.1), Result("form", "fail", "no", 0.1)])
        '1 passed, 1 failed'
    """
    counts = Counter(result.status for result in results)
    words: dict[Status, str] = {
        "pass": "passed",
        "fail": "failed",
        "expected": "failed as expected",
        "skip": "skipped",
    }
    return ", ".join(f"{counts[status]} {word}" for status, word in words.items() if counts[status])


def _message_lines(result: Result) -> list[str]:
    indent = " " * 9
    return textwrap.wrap(result.message, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _time(seconds: float) -> str:
    return f" ({seconds:.1f} s)" if seconds >= 0.1 else ""


def _time_per_batch(battery: Battery) -> str:
    """Measure the time to load one batch in this process."""
    checked = battery.checked
    try:
        with exits_are_failures():
            source = checked.source()
            tickets = checked.listed(source)[:8]
            seconds = sorted(timed(partial(source.load, ticket)) for ticket in tickets)
        return f"{1e3 * seconds[len(seconds) // 2]:.3g} ms a batch"
    except (Exception, SystemExit):  # user code runs here, and the checks report its mistakes
        return "batches cannot be timed"
