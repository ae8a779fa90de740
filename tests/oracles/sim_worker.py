"""The messages between a simulated pool and its simulated workers, and its records of them and of tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = tuple[int, int]  # queue and number: a ticket, or the job that begins with it


class Assignment(NamedTuple):
    """The numbers that a worker gets with a job, and returns with its outcome."""

    queue: int
    number: int
    attempt: int
    slot: int

    @property
    def key(self) -> Key:
        """Return queue and number of the job."""
        return self.queue, self.number


class Sent(NamedTuple):
    """A job as it was sent."""

    assignment: Assignment
    tickets: tuple[Key, ...]

    def loads(self) -> list[tuple[int, int, int]]:
        """Return the loads that the worker may note: queue, number and attempt of each ticket."""
        return [(*ticket, self.assignment.attempt) for ticket in self.tickets]


class Report(NamedTuple):
    """The outcome of a job, sent by a worker."""

    fine: bool
    sent: Sent


@dataclass
class Shadow:
    """The record of the state machine about one ticket."""

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
        """Return the jobs whose outcome the parent has not received."""
        return [report.sent for report in self.reports] + self.inbox


class Script:
    """Draws the given values, in order."""

    def __init__(self, *values: Any) -> None:
        self._values = iter(values)

    def draw(self, _: object) -> Any:
        return next(self._values)
