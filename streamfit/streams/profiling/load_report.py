"""`LoadReport`: when and where a load ran, and which stages worked in it; it travels as one small array."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from streamfit._base.specs import Array

_HEAD = 7


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
        processor: Nanoseconds of the processor that each took; less than its time where it waited.
    """

    nanoseconds: dict[int, int] = field(default_factory=dict)
    nbytes: dict[int, int] = field(default_factory=dict)
    segments: list[Span] = field(default_factory=list)
    processor: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class LoadReport:
    """When and where a load ran, in nanoseconds of the clock that all processes share.

    Example:
        >>> spent = Spent({0: 30, 2: 50}, {2: 1024}, [Span(0, 105, 135)], {0: 9})
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
            *map(len, (spent.nanoseconds, spent.nbytes, spent.processor)),
        ]
        for pairs in (spent.nanoseconds, spent.nbytes, spent.processor):
            for pair in pairs.items():
                numbers += pair
        for segment in spent.segments:
            numbers += segment
        return np.array(numbers, np.int64)

    @classmethod
    def decode(cls, encoded: Array) -> LoadReport:
        """Return the report that was encoded."""
        numbers: list[int] = encoded.tolist()
        begin, end, pid, thread, *counts = numbers[:_HEAD]
        found, at = list[dict[int, int]](), _HEAD
        for count in counts:
            behind = at + 2 * count
            found.append(dict(zip(numbers[at:behind:2], numbers[at + 1 : behind : 2], strict=True)))
            at = behind
        segments = [Span(*numbers[place : place + 3]) for place in range(at, len(numbers), 3)]
        spent = Spent(found[0], found[1], segments, found[2])
        return cls(begin, end, pid, thread, spent)


__all__ = ["LoadReport", "Span", "Spent"]
