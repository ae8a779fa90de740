"""`Totals`: what was measured of a stream, and `Timeline`: when it happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Where = Literal["here", "thread", "workers"]
"""Who works: the thread of the loop, the thread that pulls an iterator, or the workers of a pool."""

MOST_EVENTS = 100_000
"""How many events a timeline keeps; the sums count all of them."""


class Event(NamedTuple):
    """Something that took time, in nanoseconds of the clock.

    Attributes:
        pid: Id of its process.
        thread: Id of its thread, as the system numbers threads.
        name: What it was.
        begin: When it began.
        end: When it ended; equal to `begin` for a count.
        amount: Bytes that it made; for a count, the count.
    """

    pid: int
    thread: int
    name: str
    begin: int
    end: int
    amount: int


@dataclass(slots=True)
class Totals:
    """Sums since measuring began; times are nanoseconds.

    Attributes:
        wait: How long the loop waited for batches.
        step: How long the steps of the model took.
        other: How long the loop did neither: callbacks, mostly.
        batches: How many batches came.
        nbytes: How many bytes they had.
        spent: How long each stage worked, by who did it and the number of the stage.
        processor: How long each stage kept a processor busy.
        made: How many bytes each stage made.
        packing: How long workers copied values into shared memory.
        taking: How long the loop took to take over values that were there.
        moved: How many bytes travelled from worker processes.
        idle: How long workers waited because there was nothing to load.
        asked: How often the loop asked for a load.
        ready: How many loads were ready then, all times together.
    """

    wait: int = 0
    step: int = 0
    other: int = 0
    batches: int = 0
    nbytes: int = 0
    spent: dict[tuple[Where, int], int] = field(default_factory=dict)
    processor: dict[int, int] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    packing: int = 0
    taking: int = 0
    moved: int = 0
    idle: int = 0
    asked: int = 0
    ready: int = 0

    def add_spent(self, where: Where, number: int, nanoseconds: int) -> None:
        """Add time in which a stage worked."""
        key = where, number
        self.spent[key] = self.spent.get(key, 0) + nanoseconds

    def add_processor(self, number: int, nanoseconds: int) -> None:
        """Add time in which a stage kept a processor busy."""
        self.processor[number] = self.processor.get(number, 0) + nanoseconds

    def add_made(self, number: int, nbytes: int) -> None:
        """Add bytes that a stage made."""
        self.made[number] = self.made.get(number, 0) + nbytes


class Timeline:
    """The events of a run, the first `MOST_EVENTS` of them, for a trace."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.counts: list[Event] = []

    def add(self, pid: int, thread: int, name: str, begin: int, end: int, amount: int = 0) -> None:
        """Add something that took time."""
        if len(self.events) < MOST_EVENTS:
            self.events.append(Event(pid, thread, name, begin, end, amount))

    def count(self, pid: int, name: str, when: int, amount: int) -> None:
        """Add a count."""
        if len(self.counts) < MOST_EVENTS:
            self.counts.append(Event(pid, 0, name, when, when, amount))


__all__ = ["MOST_EVENTS", "Event", "Timeline", "Totals", "Where"]
