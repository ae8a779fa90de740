"""Pulls the tickets of one run and plans them as jobs.

Guarantees kept here: tickets are pulled at most `ahead` beyond the delivered one; an exception from the
tickets is kept, and ends them; a value that is ready does not wait for tickets that are slow to come.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Generic

from streamfit.workers.contract import TicketT
from streamfit.workers.pool.scheduler import Scheduler, TicketQueue

# A generator may work between its tickets: after this long, pulling stops until the next call.
_PULL_SECONDS = 0.005


class TicketPuller(Generic[TicketT]):
    """The tickets of one run that are not planned yet.

    Args:
        tickets: pulled lazily, in the caller's thread.
        scheduler: plans jobs of them.
        queue: the run's.
        batch: how many jobs of one ticket to plan at once while values are waiting.

    Attributes:
        job_size: how many tickets the next jobs have.
        error: the exception that ended the tickets, or None.
    """

    def __init__(
        self, tickets: Iterator[TicketT], scheduler: Scheduler, queue: TicketQueue, batch: int
    ) -> None:
        self._tickets: Iterator[TicketT] | None = tickets
        self._scheduler = scheduler
        self._queue = queue
        self._batch = batch
        self.job_size = 1
        self.error: Exception | None = None

    def worth_pulling(self, opened: int) -> bool:
        """Return whether to plan tickets now: in batches while values are waiting, else at once.

        Args:
            opened: values of the current job that are not delivered yet.
        """
        enough = self._batch if self.job_size == 1 else self.job_size
        return self._room(opened) >= enough or not self._scheduler.ready(self._queue)

    def pull(self, opened: int) -> bool:
        """Pull tickets while there is room for a job; return whether any came.

        Args:
            opened: values of the current job that are not delivered yet.
        """
        room, before = self._room(opened), self._queue.planned
        until = time.monotonic() + _PULL_SECONDS
        while room >= self.job_size and self._tickets is not None:
            tickets = self._tickets_of_job(self._tickets, until)
            if tickets:
                self._scheduler.plan(self._queue, *tickets)
            room -= len(tickets)
            if time.monotonic() > until:
                break
        return self._queue.planned > before

    def stop(self) -> None:
        """Discard the tickets that are left."""
        self._tickets = None

    def _room(self, opened: int) -> int:
        """Return how many more tickets may be out; of the current job, one value counts as delivered."""
        return self._scheduler.room(self._queue) - max(opened - 1, 0)

    def _tickets_of_job(self, tickets: Iterator[TicketT], until: float) -> list[TicketT]:
        """Return the tickets of the next job: fewer than usual if they end or are slow to come."""
        pulled: list[TicketT] = []
        try:
            for _ in range(self.job_size):
                pulled.append(next(tickets))
                if time.monotonic() > until:
                    break
        except StopIteration:
            self._end()
        except Exception as error:  # the run raises it at its place, after everything before it
            self.error = error
            self._end()
        return pulled

    def _end(self) -> None:
        self._tickets = None
        self._scheduler.end(self._queue)
