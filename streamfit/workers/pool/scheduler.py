"""Decides which worker loads which ticket into which slot, and which value is next: a pure state machine.

No clock, no input, no output, no threads: events go in by method calls, orders come out as `Job` objects.
The pools (`threads`, `processes`) carry them out; the tests drive it with simulated faults.

Guarantees kept here:

* a slot is free, or has one owner: a job or the consumer;
* a job that is loaded again keeps its slot; one of several tickets is loaded again as one job for each of
  them, so that a death counts against one ticket only;
* a result counts only if worker, queue, number, attempt and slot all match what was issued;
* tickets are taken by number, each once, with no gap;
* the lowest numbers are issued first, so the lowest one not delivered is always out;
* a queue is finished only when everything that was planned has been taken.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

MAX_DEATHS = 2
"""How many workers a ticket may kill before it is set apart (state POISONED)."""


class JobState(Enum):
    """The state of a job."""

    PENDING = "waits for a worker"
    ISSUED = "is with a worker"
    READY = "was loaded"
    FAILED = "raised in the loader"
    POISONED = "killed as many workers as a ticket may"
    DROPPED = "belongs to a closed queue"


@dataclass(slots=True, eq=False)
class Job:
    """One or several tickets, numbered from `number` on, for one worker and one slot.

    The scheduler only passes on tickets, `loader_handle` (the queue's) and `outcome`: the pool defines them.
    """

    queue: int
    number: int
    tickets: tuple[Any, ...]
    loader_handle: Any = None
    slot: int = -1
    attempt: int = 1
    deaths: int = 0
    worker: int = -1
    state: JobState = JobState.PENDING
    outcome: Any = None

    @property
    def ticket(self) -> Any:
        """Return the first ticket."""
        return self.tickets[0]


@dataclass(slots=True, eq=False)
class TicketQueue:
    """One run: jobs not yet taken, by the number of their first ticket; all counts are of tickets."""

    key: int
    ahead: int
    loader_handle: Any = None
    jobs: dict[int, Job] = field(default_factory=dict)
    planned: int = 0
    delivered: int = 0
    ended: bool = False
    retried: int = 0
    leased: int = 0


_PENDING, _ISSUED, _READY = JobState.PENDING, JobState.ISSUED, JobState.READY
_FAILED, _POISONED, _DROPPED = JobState.FAILED, JobState.POISONED, JobState.DROPPED
_OUTCOMES = (_READY, _FAILED, _POISONED)


class Scheduler:
    """Jobs, slots and workers of one pool.

    Args:
        depth: how many unfinished jobs a worker may hold.
        deaths: how many workers a ticket may kill before it is set apart.
    """

    def __init__(self, depth: int, deaths: int = MAX_DEATHS) -> None:
        self._depth, self._deaths = depth, deaths
        self._queues: dict[int, TicketQueue] = {}
        self._outstanding: dict[int, dict[tuple[int, int], Job]] = {}
        self._pending: list[tuple[int, int, int, Job]] = []
        self._free: list[int] = []
        self._lent: dict[int, TicketQueue] = {}
        self._slots = 0
        self._last_key = 0

    # -- queues ------------------------------------------------------------------------------------------

    def open_queue(self, ahead: int, loader_handle: object = None) -> TicketQueue:
        """Open a queue that may be `ahead` tickets beyond those taken."""
        self._last_key += 1
        queue = self._queues[self._last_key] = TicketQueue(self._last_key, ahead, loader_handle)
        return queue

    def room(self, queue: TicketQueue) -> int:
        """Return how many more tickets the queue takes now."""
        return 0 if queue.ended else queue.delivered + queue.ahead - queue.planned

    def plan(self, queue: TicketQueue, *tickets: object) -> None:
        """Add the next tickets of a queue, as one job."""
        job = Job(queue.key, queue.planned, tickets, queue.loader_handle)
        queue.jobs[job.number] = job
        queue.planned += len(tickets)
        heapq.heappush(self._pending, (job.number, queue.key, job.attempt, job))

    def end(self, queue: TicketQueue) -> None:
        """Note that the queue gets no more tickets."""
        queue.ended = True

    def finished(self, queue: TicketQueue) -> bool:
        """Return whether everything planned has been taken and nothing more will come."""
        return queue.ended and queue.delivered == queue.planned

    def close_queue(self, queue: TicketQueue) -> set[int]:
        """Drop a queue; return the workers that still hold jobs of it.

        Slots that a worker may still write to stay with it until it answers or dies.
        """
        holders: set[int] = set()
        if self._queues.pop(queue.key, None) is None:
            return holders
        queue.ended = True
        for job in queue.jobs.values():
            if job.state is _ISSUED:
                holders.add(job.worker)
            else:
                self._release(job)
            job.state = _DROPPED
        queue.jobs.clear()
        return holders

    def find(self, queue: int, number: int) -> Job | None:
        """Return the job whose first ticket has this number; None once it was taken, or its queue dropped."""
        opened = self._queues.get(queue)
        return None if opened is None else opened.jobs.get(number)

    # -- workers ----------------------------------------------------------------------------------------

    def join(self, worker: int) -> None:
        """Add a worker; jobs may be issued to it at once."""
        self._outstanding[worker] = {}

    def issue(self) -> list[Job]:
        """Hand pending jobs to workers, lowest numbers first, and return them in that order."""
        issued: list[Job] = []
        while self._pending and self._outstanding:
            worker, outstanding = self._least_busy()
            if len(outstanding) >= self._depth:
                break
            job = heapq.heappop(self._pending)[3]
            if job.state is not _PENDING:  # its queue was closed while it waited
                continue
            if job.slot < 0:
                job.slot = self._take_slot()
            job.state = _ISSUED
            job.worker = worker
            outstanding[job.queue, job.number] = job
            issued.append(job)
        return issued

    def done(self, worker: int, queue: int, number: int, attempt: int, slot: int) -> Job | None:
        """Take in a result; return its job, or None if the result does not count."""
        return self._answer(worker, queue, number, attempt, slot, _READY)

    def failed(self, worker: int, queue: int, number: int, attempt: int, slot: int) -> Job | None:
        """Take in that a load raised; return its job, or None if that does not count."""
        return self._answer(worker, queue, number, attempt, slot, _FAILED)

    def died(self, worker: int, cause: object, loading: tuple[int, int, int] | None = None) -> list[Job]:
        """Take in the death of a worker; return the jobs that must be loaded again.

        Args:
            worker: the one that died.
            cause: the outcome of a job that has now killed too many workers (state POISONED).
            loading: queue, number and attempt of the ticket under way, against which the death counts.
        """
        outstanding = self._outstanding.pop(worker, None)
        if not outstanding:
            return []
        again: list[Job] = []
        for held in outstanding.values():
            held.worker = -1
            if held.state is _DROPPED:
                self._release(held)
                continue
            for job in self._apart(held):
                job.deaths += (job.queue, job.number, job.attempt) == loading
                if job.deaths >= self._deaths:
                    job.state, job.outcome = _POISONED, cause
                    if job.slot < 0:  # `take` needs a slot for every outcome
                        job.slot = self._take_slot()
                    continue
                job.state = _PENDING
                job.attempt += 1
                self._queues[job.queue].retried += 1
                heapq.heappush(self._pending, (job.number, job.queue, job.attempt, job))
                again.append(job)
        return again

    def next_ticket_of(self, worker: int) -> tuple[int, int, int] | None:
        """Return queue, number and attempt of the next ticket that a worker should answer; None for a job of
        several tickets."""
        job = next(iter(self._outstanding.get(worker, {}).values()), None)
        return None if job is None or len(job.tickets) > 1 else (job.queue, job.number, job.attempt)

    def withdraw(self, job: Job) -> None:
        """Take back a job of several tickets that could not be sent as one; each goes by itself."""
        del self._outstanding[job.worker][job.queue, job.number]
        for single in self._apart(job):
            heapq.heappush(self._pending, (single.number, single.queue, single.attempt, single))

    def holds(self, worker: int) -> bool:
        """Return whether a worker has anything to do."""
        return bool(self._outstanding.get(worker))

    def workers(self) -> list[int]:
        """Return the workers that jobs may be issued to."""
        return list(self._outstanding)

    # -- delivery ---------------------------------------------------------------------------------------

    def ready(self, queue: TicketQueue) -> bool:
        """Return whether the next job of a queue has an outcome."""
        job = queue.jobs.get(queue.delivered)
        return job is not None and job.state in _OUTCOMES

    def take(self, queue: TicketQueue) -> Job:
        """Take the next job of a queue, which must be ready; its slot is leased until `give_back`."""
        job = queue.jobs.pop(queue.delivered)
        queue.delivered += len(job.tickets)
        queue.leased += 1
        self._lent[job.slot] = queue
        return job

    def leased(self, slot: int) -> int:
        """Return how many slots the queue that a leased slot belongs to has leased in all."""
        return self._lent[slot].leased

    def free_slots(self) -> tuple[int, ...]:
        """Return the slots without an owner."""
        return tuple(self._free)

    def give_back(self, slot: int) -> None:
        """Take in that the consumer no longer uses a slot."""
        self._lent.pop(slot).leased -= 1
        self._free.append(slot)

    # -- inside -----------------------------------------------------------------------------------------

    def _least_busy(self) -> tuple[int, dict[tuple[int, int], Job]]:
        if len(self._outstanding) == 1:
            return next(iter(self._outstanding.items()))
        return min(self._outstanding.items(), key=_length)

    def _answer(
        self, worker: int, queue: int, number: int, attempt: int, slot: int, state: JobState
    ) -> Job | None:
        outstanding = self._outstanding.get(worker)
        job = outstanding.get((queue, number)) if outstanding else None
        if outstanding is None or job is None or job.attempt != attempt or job.slot != slot:
            return None
        del outstanding[queue, number]
        job.worker = -1
        if job.state is _DROPPED:
            self._release(job)
            return None
        job.state = state
        return job

    def _apart(self, job: Job) -> list[Job]:
        """Return one job for each ticket of a job; the first keeps its slot."""
        if len(job.tickets) == 1:
            return [job]
        queue = self._queues[job.queue]
        for at, ticket in enumerate(job.tickets):
            slot = -1 if at else job.slot
            number = job.number + at
            queue.jobs[number] = Job(job.queue, number, (ticket,), job.loader_handle, slot, job.attempt)
        return [queue.jobs[job.number + at] for at in range(len(job.tickets))]

    def _take_slot(self) -> int:
        if self._free:  # the one freed last: its memory is most likely in the cache
            return self._free.pop()
        self._slots += 1
        return self._slots - 1

    def _release(self, job: Job) -> None:
        if job.slot >= 0:
            self._free.append(job.slot)
            job.slot = -1


def _length(item: tuple[int, dict[tuple[int, int], Job]]) -> int:
    return len(item[1])
