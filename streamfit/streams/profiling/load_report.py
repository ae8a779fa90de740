"""`LoadReport`: when and where a load ran, and which stages worked in it; it travels as one small array."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streamfit._base.specs import Array

_HEAD = 6


class Span(NamedTuple):
    """Time in which one stage worked, in nanoseconds of the clock."""

    number: int
    begin: int
    end: int


@dataclass(slots=True)
class Spent:
    """What was measured of stages, by their numbers.

    Attributes:
        nanoseconds: How long each stage has worked.
        nbytes: How many bytes each has made.
        segments: When they worked; not all of them where there are many.
    """

    nanoseconds: dict[int, int] = field(default_factory=dict)
    nbytes: dict[int, int] = field(default_factory=dict)
    segments: list[Span] = field(default_factory=list)


@dataclass(slots=True)
class LoadReport:
    """When and where a load ran, in nanoseconds of the clock that all processes share.

    Example:
        >>> spent = Spent({0: 30, 2: 50}, {2: 1024}, [Span(0, 105, 135)])
        >>> report = LoadReport(100, 190, 41, 42, spent)
        >>> LoadReport.decode(report.encode()) == report
        True
    """

    begin: int
    end: int
    pid: int
    thread: int
    spent: Spent

    def encode(self) -> Array:
        """Return the report as int64 numbers, which travel from a worker beside the value."""
        spent = self.spent
        numbers = [
            *(self.begin, self.end, self.pid, self.thread),
            *(len(spent.nanoseconds), len(spent.nbytes)),
        ]
        for pairs in (spent.nanoseconds, spent.nbytes):
            for pair in pairs.items():
                numbers += pair
        for segment in spent.segments:
            numbers += segment
        return np.array(numbers, np.int64)

    @classmethod
    def decode(cls, encoded: Array) -> LoadReport:
        """Return the report that was encoded."""
        numbers: list[int] = encoded.tolist()
        begin, end, pid, thread, n_times, n_bytes = numbers[:_HEAD]
        behind = _HEAD + 2 * n_times
        last = behind + 2 * n_bytes
        times, sizes, rest = numbers[_HEAD:behind], numbers[behind:last], numbers[last:]
        spent = Spent(
            dict(zip(times[::2], times[1::2], strict=True)),
            dict(zip(sizes[::2], sizes[1::2], strict=True)),
            [Span(*rest[at : at + 3]) for at in range(0, len(rest), 3)],
        )
        return cls(begin, end, pid, thread, spent)


__all__ = ["LoadReport", "Span", "Spent"]
