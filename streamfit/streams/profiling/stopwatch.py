"""`Stopwatch`: which stage is at work in a thread, and since when; `measured`: the times of one load.

Guarantees kept here: each nanosecond counts for one stage, the innermost one; threads do not share a watch.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from streamfit._base.checks import is_mapping
from streamfit.streams.profiling.load_report import LoadReport, Span, Spent

T = TypeVar("T")

NOBODY = -1
"""The number of time that counts for no stage."""

clock = time.monotonic_ns
"""One clock for all processes of a machine."""

_MOST_SEGMENTS = 256  # of one load; the sums go on
_SHORTEST = 2_000  # nanoseconds of a segment that is worth a place in a trace
_MOST_LOOKED_AT = 64  # elements of a list whose bytes are counted; those of longer ones are estimated


@dataclass(slots=True)
class Stopwatch:
    """Add the time that passes to the stage that is at work.

    Example:
        >>> watch = Stopwatch()
        >>> watch.enter(0)
        >>> watch.enter(1)
        >>> watch.leave()
        >>> watch.leave()
        >>> sorted(watch.take().nanoseconds)
        [0, 1]
    """

    total: int = 0
    """Nanoseconds of all stages since this watch was made."""
    _spent: Spent = field(default_factory=Spent)
    _working: list[int] = field(default_factory=list)
    _since: int = 0
    _processor_since: int = 0

    def enter(self, number: int) -> None:
        """Note that a stage begins to work, inside the one that is at work."""
        self._switch()
        self._working.append(number)

    def leave(self) -> None:
        """Note that the stage at work has done its part."""
        self._switch()
        self._working.pop()

    def works_for(self, number: int) -> bool:
        """Return whether a stage is at work, or waits for another one that it has called."""
        return number in self._working

    def count(self, number: int, made: object) -> None:
        """Count the bytes that a stage has made."""
        self.enter(NOBODY)
        found = self._spent.nbytes
        found[number] = found.get(number, 0) + nbytes_of(made)
        self.leave()

    def take(self) -> Spent:
        """Return what was measured since the last call."""
        found, self._spent = self._spent, Spent()
        return found

    def _switch(self) -> None:
        now, processor = clock(), time.thread_time_ns()
        number = self._working[-1] if self._working else NOBODY
        if number != NOBODY:
            passed, spent = now - self._since, self._spent
            self.total += passed
            spent.nanoseconds[number] = spent.nanoseconds.get(number, 0) + passed
            used = processor - self._processor_since
            spent.processor[number] = spent.processor.get(number, 0) + used
            if passed >= _SHORTEST and len(spent.segments) < _MOST_SEGMENTS:
                spent.segments.append(Span(number, self._since, now))
        self._since, self._processor_since = now, processor


class _Here(threading.local):
    """The watch of each thread."""

    def __init__(self) -> None:
        self.watch = Stopwatch()


_here = _Here()


def stopwatch() -> Stopwatch:
    """Return the watch of this thread."""
    return _here.watch


def measured(load: Callable[[], T]) -> tuple[T, LoadReport]:
    """Return the result of a function, and when and where it ran and which stages worked in it.

    Example:
        >>> value, report = measured(lambda: 7)
        >>> value, report.pid == os.getpid(), report.end >= report.begin
        (7, True, True)
    """
    outer = _here.watch
    outer.enter(NOBODY)
    inner = _here.watch = Stopwatch()
    begin = clock()
    try:
        value = load()
    finally:
        end = clock()
        _here.watch = outer
        outer.leave()
    return value, LoadReport(begin, end, os.getpid(), threading.get_native_id(), inner.take())


def nbytes_of(value: object) -> int:
    """Return how many bytes arrays, numbers and text in a structure take, roughly.

    Example:
        >>> import numpy as np
        >>> nbytes_of(({"a": np.zeros(3)}, [1.0, "four"], None))
        36
    """
    size = getattr(value, "nbytes", None)
    if size is not None:
        return int(size)
    if value is None:
        return 0
    if is_mapping(value):
        return sum(map(nbytes_of, value.values()))
    if isinstance(value, (list, tuple)):
        step = -(-len(value) // _MOST_LOOKED_AT) or 1
        looked_at = value[::step]
        return sum(map(nbytes_of, looked_at)) * len(value) // max(1, len(looked_at))
    return len(value) if isinstance(value, (str, bytes)) else 8


__all__ = ["NOBODY", "Stopwatch", "clock", "measured", "nbytes_of", "stopwatch"]
