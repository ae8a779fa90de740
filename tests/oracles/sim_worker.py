"""What a made-up pool sends to its made-up workers, and what it knows of them and of tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = tuple[int, int]  # queue and number: a ticket, or the job that begins with it


class Told(NamedTuple):
    """What a worker is told with a job, and tells with its outcome."""

    queue: int
    number: int
    attempt: int
    slot: int

    @property
    def key(self) -> Key:
        """Return what the job is known by."""
        return self.queue, self.number


class Sent(NamedTuple):
    """A job as it was sent."""

    told: Told
    tickets: tuple[Key, ...]

    def loads(self) -> list[tuple[int, int, int]]:
        """Return what the worker may note that it is at: queue, number and attempt of each ticket."""
        return [(*ticket, self.told.attempt) for ticket in self.tickets]


class Report(NamedTuple):
    """The outcome of a job, on its way from a worker."""

    fine: bool
    sent: Sent


@dataclass
class Shadow:
    """What the machine knows of one ticket."""

    slot: int = -1
    deaths: int = 0
    attempts: int = 1
    unsendable: bool = False


@dataclass
class SimWorker:
    """A worker: jobs it was sent, how many tickets of the first of them it has loaded, and reports."""

    inbox: list[Sent] = field(default_factory=list)
    at: int = 0
    reports: list[Report] = field(default_factory=list)

    def unfinished(self) -> list[Sent]:
        """Return the jobs that the parent has heard nothing of."""
        return [report.sent for report in self.reports] + self.inbox


class Script:
    """Draws what it was told to draw."""

    def __init__(self, *values: Any) -> None:
        self._values = iter(values)

    def draw(self, _: object) -> Any:
        return next(self._values)
