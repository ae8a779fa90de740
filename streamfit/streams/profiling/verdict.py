"""`verdict`: which stage limits a stream, in one sentence that says what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from streamfit.streams.profiling.stage_times import StageTimes

CALLBACKS = "callbacks"
ENOUGH = 0.1
"""The share of its time that a loop may wait while the model still counts as what limits."""

_ONE_PROCESSOR = 0.6  # of the time, as other programs want it as well


@dataclass(frozen=True)
class Verdict:
    """What limits, and the sentence about it.

    Attributes:
        limit: Name of the stage.
        sentence: Why, in numbers, and advice.
    """

    limit: str
    sentence: str


def verdict(
    rows: Sequence[StageTimes],
    *,
    wait: float,
    step: float,
    other: float,
    batches: int,
    nbytes: int,
    processors: int,
    in_order: bool = False,
) -> Verdict:
    """Find what limits.

    The model limits where the loop waits for less than a tenth of its time. Else the stage limits whose work
    takes longest, divided by the number of those who share it; workers are taken for it only where batches
    do not wait for the loop to take them over.

    Args:
        rows: The stages.
        wait: Seconds in which the loop waited for batches.
        step: Seconds of the steps of a model.
        other: Seconds of everything else in the loop.
        batches: How many batches came.
        nbytes: Their bytes.
        processors: How many processors this process may use.
        in_order: Whether the data can only be read in order.

    Example:
        >>> slow = StageTimes("map(decode)", "stage", "2 processes", 2, 19.4, 0.2, 0.4, 10**9)
        >>> model = StageTimes("model", "model", "this thread", 1, 3.6, 6.3, 0.1, 0)
        >>> found = verdict(
        ...     [slow, model], wait=6.3, step=3.6, other=0.1, batches=500, nbytes=10**9, processors=8
        ... )
        >>> found.limit
        'map(decode)'
        >>> print(found.sentence)  # doctest: +NORMALIZE_WHITESPACE
        map(decode) limits: 2 processes work on it 97 % of the time and the model waits 63 % of it;
        what helps is more workers (8 processors are there), or cache() behind it where it gives the same each
        time.
    """
    wall = wait + step + other
    if not batches or not wall:
        return Verdict("nothing", "nothing can be said: no batch was measured.")
    model = next((row for row in rows if row.role == "model"), None)
    if model is not None and wait < ENOUGH * wall:
        if other > step:
            return Verdict(
                CALLBACKS,
                f"callbacks limit: they take {_percent(other, wall)} of the time, the steps of the model "
                f"{_percent(step, wall)} and waits for batches {_percent(wait, wall)}; have them called "
                "less often (every = n).",
            )
        return Verdict(
            model.name,
            f"the model limits: its steps take {_percent(step, wall)} of the time and it waits "
            f"{1e3 * wait / batches:.2g} ms for a batch; loading faster would change next to nothing.",
        )
    loading = [row for row in rows if row.role != "model"]
    slowest = _slowest(loading, wall)
    each = 1e3 * wait / batches
    holds = f"and the model waits {_percent(wait, wall)} of it" if model is not None else ""
    holds = holds or f"and the next one comes after {each:.3g} ms"
    working = f"{slowest.where} work{'s' if slowest.workers == 1 else ''} on it {100 * slowest.share:.0f} %"
    advice = _advice(slowest, loading[0] is slowest, nbytes / batches, processors, in_order)
    return Verdict(slowest.name, f"{slowest.name} limits: {working} of the time {holds}; {advice}.")


def _slowest(rows: Sequence[StageTimes], wall: float) -> StageTimes:
    """Return the stage that needs most time.

    Threads that run Python code wait for one another, in whatever stage: where all of them together keep
    about one processor busy, the stage counts that keeps it busy longest.
    """
    threads = [row for row in rows if row.workers > 1 and "threads" in row.where]
    if sum(row.processor for row in threads) > _ONE_PROCESSOR * wall:
        return max(threads, key=lambda row: row.processor)
    return max(rows, key=lambda row: row.seconds_of_loop)


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"


def _advice(row: StageTimes, first: bool, batch_bytes: float, processors: int, in_order: bool) -> str:
    if row.role == "transport":
        return (
            f"batches of {size_text(batch_bytes)} are copied between processes: use threads "
            "(use_multiprocessing=False), or narrower dtypes, which the model can widen"
        )
    if row.where == "this thread" and in_order:
        return (
            "it is read in order, by one thread: samples that can be loaded by number (those of a list, a "
            "Sequence or files) are loaded by workers"
        )
    if row.where == "this thread":
        return "have it done by workers (workers=2 or more), while the model is at work"
    if row.where == "a thread":
        return (
            "only one thread can pull an iterator: have it give small items and leave the work to "
            "source(iterator).map(function), which workers share"
        )
    if row.role == "reading":
        return "the work is in putting batches together: map() whole batches, behind batch()"
    python = "use_multiprocessing=True, if it is Python code, which one thread runs at a time"
    more = f"more workers ({processors} processors are there)"
    if "thread" in row.where:
        more = f"{python}; {more}"
    elif row.workers >= processors and not first:
        more = f"a faster function, as all {processors} processors are in use"
    return f"what helps is {more}, or cache() behind it where it gives the same each time"


def size_text(nbytes: float) -> str:
    """Write a number of bytes.

    Example:
        >>> size_text(0), size_text(12_345), size_text(3.2e9)
        ('0 B', '12.3 kB', '3.2 GB')
    """
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= power:
            return f"{nbytes / power:.3g} {unit}"
    return f"{nbytes:.0f} B"


__all__ = ["CALLBACKS", "Verdict", "size_text", "verdict"]
