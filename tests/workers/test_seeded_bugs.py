"""Schedulers with one bug each: the state machine that tests the real one has to find every one of them.

A bug that is not found would mean that the tests of the scheduler can be passed without its guarantee.
"""

from __future__ import annotations

import heapq
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from oracles.faulty_pool import OUTCOMES, FaultyPool

from streamfit.workers.pool.scheduler import Job, JobState, Scheduler, TicketQueue

# No shrinking: that a bug is found matters here, not what it looks like. The same examples every time.
SETTINGS = settings(
    max_examples=500,
    stateful_step_count=30,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
Loading = tuple[int, int, int] | None


class StaleHeader(Scheduler):
    """Accept the result of an attempt that was given up."""

    def _answer(
        self, worker: int, queue: int, number: int, attempt: int, slot: int, state: JobState
    ) -> Job | None:
        job = self._outstanding.get(worker, {}).get((queue, number))
        return super()._answer(worker, queue, number, job.attempt if job else attempt, slot, state)


class AnySlot(Scheduler):
    """Accept a result that was written to another slot."""

    def _answer(
        self, worker: int, queue: int, number: int, attempt: int, slot: int, state: JobState
    ) -> Job | None:
        job = self._outstanding.get(worker, {}).get((queue, number))
        return super()._answer(worker, queue, number, attempt, job.slot if job else slot, state)


class AnyWorker(Scheduler):
    """Accept the result of a worker that is dead, no matter which worker has the job now."""

    def _answer(
        self, worker: int, queue: int, number: int, attempt: int, slot: int, state: JobState
    ) -> Job | None:
        for other, outstanding in self._outstanding.items():
            if (queue, number) in outstanding:
                return super()._answer(other, queue, number, outstanding[queue, number].attempt, slot, state)
        return None


class FreeOnTake(Scheduler):
    """Free the slot when its value is taken, not when it is given back."""

    def take(self, queue: TicketQueue) -> Job:
        job = super().take(queue)
        self._free.append(job.slot)
        return job

    def give_back(self, slot: int) -> None:
        self._lent.pop(slot, None)


class FreeOnDone(Scheduler):
    """Free the slot when the load is done."""

    def done(self, worker: int, queue: int, number: int, attempt: int, slot: int) -> Job | None:
        job = super().done(worker, queue, number, attempt, slot)
        if job is not None:
            self._free.append(job.slot)
        return job


class OneShort(Scheduler):
    """Call a queue finished when one job is left."""

    def finished(self, queue: TicketQueue) -> bool:
        return queue.ended and queue.delivered >= queue.planned - 1


class FinishedWhenPlanned(Scheduler):
    """Call a queue finished when its jobs are planned, whether they were taken or not."""

    def finished(self, queue: TicketQueue) -> bool:
        return queue.ended


class OutOfOrder(Scheduler):
    """Deliver any ready job, whatever its number."""

    def ready(self, queue: TicketQueue) -> bool:
        return bool(self._ready(queue))

    def take(self, queue: TicketQueue) -> Job:
        job = queue.jobs.pop(self._ready(queue)[0])
        queue.delivered += len(job.tickets)
        queue.leased += 1
        self._lent[job.slot] = queue
        return job

    def _ready(self, queue: TicketQueue) -> list[int]:
        return [number for number, job in queue.jobs.items() if job.state in OUTCOMES]


class LosesJobs(Scheduler):
    """Forget the jobs of a dead worker, but report that they will be loaded again."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        again = super().died(worker, cause, loading)
        self._pending = [entry for entry in self._pending if entry[3] not in again]
        heapq.heapify(self._pending)
        return again


class RetryInNewSlot(Scheduler):
    """Load again in another slot, with the old one free for others."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        again = super().died(worker, cause, loading)
        for job in again:
            if job.slot >= 0:
                old, job.slot = job.slot, self._take_slot()
                self._free.append(old)
        return again


class HighestFirst(Scheduler):
    """Issue the highest numbers first."""

    def plan(self, queue: TicketQueue, *tickets: Any) -> None:
        number = queue.planned
        super().plan(queue, *tickets)
        entry = next(entry for entry in self._pending if entry[3] is queue.jobs[number])
        self._pending.remove(entry)
        heapq.heapify(self._pending)
        heapq.heappush(self._pending, (-entry[0], *entry[1:]))


class BlamesAll(Scheduler):
    """Count a death against every job of the worker."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        for job in self._outstanding.get(worker, {}).values():
            job.deaths += loading is not None and (job.queue, job.number, job.attempt) != loading
        return super().died(worker, cause, loading)


class BlamesWithoutCause(Scheduler):
    """Count a death that nobody is to blame for against the oldest job of the worker."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        oldest = next(iter(self._outstanding.get(worker, {}).values()), None)
        if loading is None and oldest is not None:
            loading = oldest.queue, oldest.number, oldest.attempt
        return super().died(worker, cause, loading)


class NeverCountsDeaths(Scheduler):
    """Load a deadly ticket again and again."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        return super().died(worker, cause)


class SameAttempt(Scheduler):
    """Load again under the number of the old attempt."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        again = super().died(worker, cause, loading)
        for job in again:
            job.attempt -= 1
        return again


class DeliversTwice(Scheduler):
    """Deliver a job that was loaded again once more."""

    def take(self, queue: TicketQueue) -> Job:
        job = super().take(queue)
        if job.attempt > 1:
            queue.jobs[job.number] = job
            queue.delivered -= len(job.tickets)
            job.attempt = 1
        return job


class Unbounded(Scheduler):
    """Take tickets without end."""

    def room(self, queue: TicketQueue) -> int:
        return 0 if queue.ended else max(1, super().room(queue))


class BusiestFirst(Scheduler):
    """Give the next job to the worker that holds most."""

    def _least_busy(self) -> tuple[int, dict[tuple[int, int], Job]]:
        return max(self._outstanding.items(), key=lambda item: len(item[1]))


class FreesWhileLoading(Scheduler):
    """Free the slots of a closed queue while its workers still write to them."""

    def close_queue(self, queue: TicketQueue) -> set[int]:
        out = [job for job in queue.jobs.values() if job.state is JobState.ISSUED]
        holders = super().close_queue(queue)
        for job in out:
            self._release(job)
        return holders


class LeaksOnClose(Scheduler):
    """Keep the slots of a closed queue for ever."""

    def _release(self, job: Job) -> None:
        job.slot = -1


# -- jobs of several tickets --------------------------------------------------------------------------------


class DeliversOneOfMany(Scheduler):
    """Count a job of several tickets as one delivered ticket."""

    def take(self, queue: TicketQueue) -> Job:
        job = super().take(queue)
        queue.delivered -= len(job.tickets) - 1
        return job


class PlansOneOfMany(Scheduler):
    """Count a job of several tickets as one planned ticket."""

    def plan(self, queue: TicketQueue, *tickets: Any) -> None:
        super().plan(queue, *tickets)
        queue.planned -= len(tickets) - 1


class ForgetsLastTicket(Scheduler):
    """Forget the last ticket of a job that is taken apart."""

    def _apart(self, job: Job) -> list[Job]:
        parts = super()._apart(job)
        if len(parts) > 1:
            del self._queues[job.queue].jobs[parts.pop().number]
        return parts


class LastTicketWaitsForEver(Scheduler):
    """Keep the last ticket of a job that is taken apart, but never load it again."""

    def _apart(self, job: Job) -> list[Job]:
        parts = super()._apart(job)
        return parts[:-1] if len(parts) > 1 else parts


class BlamesFirstTicket(Scheduler):
    """Count a death against the first ticket of the job, whichever the worker was at."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        for job in self._outstanding.get(worker, {}).values():
            inside = range(job.number, job.number + len(job.tickets))
            if loading is not None and loading[0] == job.queue and loading[1] in inside:
                loading = (job.queue, job.number, loading[2])
        return super().died(worker, cause, loading)


class BlamesWholeJob(Scheduler):
    """Count a death against all tickets of the job."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        held = self._outstanding.get(worker, {}).values()
        several = [job for job in held if len(job.tickets) > 1 and job.state is not JobState.DROPPED]
        again = super().died(worker, cause, loading)
        for job in several:
            if loading is not None and 0 <= loading[1] - job.number < len(job.tickets):
                parts = [part for part in again if 0 <= part.number - job.number < len(job.tickets)]
                for part in parts:
                    part.deaths += part.queue == loading[0] and part.number != loading[1]
        return again


class OneSlotForAllParts(Scheduler):
    """Let all tickets of a job that is taken apart keep its slot."""

    def _apart(self, job: Job) -> list[Job]:
        parts = super()._apart(job)
        for part in parts:
            part.slot = job.slot
        return parts


class LosesSlotOfWhole(Scheduler):
    """Let no ticket of a job that is taken apart keep its slot."""

    def _apart(self, job: Job) -> list[Job]:
        parts = super()._apart(job)
        if len(parts) > 1:
            parts[0].slot = -1
        return parts


class FreesSlotOfWhole(Scheduler):
    """Free the slot of a job that is taken apart, though its first ticket keeps it."""

    def _apart(self, job: Job) -> list[Job]:
        parts = super()._apart(job)
        if len(parts) > 1:
            self._free.append(job.slot)
        return parts


class RetriesWhole(Scheduler):
    """Load a job again as it was, without taking it apart."""

    def _apart(self, job: Job) -> list[Job]:
        job.state = JobState.PENDING
        return [job]


class StaleWhole(Scheduler):
    """Accept an answer to the whole job after it was taken apart."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._whole: dict[tuple[int, ...], list[Job]] = {}

    def _apart(self, job: Job) -> list[Job]:
        arguments = job.queue, job.number, job.attempt, job.slot
        parts = super()._apart(job)
        if len(parts) > 1:
            self._whole[arguments] = parts
        return parts

    def _answer(
        self, worker: int, queue: int, number: int, attempt: int, slot: int, state: JobState
    ) -> Job | None:
        job = super()._answer(worker, queue, number, attempt, slot, state)
        waiting = self._whole.get((queue, number, attempt, slot), []) if job is None else []
        if waiting and all(part.state is JobState.PENDING for part in waiting):
            for part in waiting:
                part.state = state
            return waiting[0]
        return job


class AnswersFromInside(Scheduler):
    """Accept an answer for any ticket of a job as the job's."""

    def _answer(
        self, worker: int, queue: int, number: int, attempt: int, slot: int, state: JobState
    ) -> Job | None:
        for job in self._outstanding.get(worker, {}).values():
            if job.queue == queue and job.number < number < job.number + len(job.tickets):
                number = job.number
                break
        return super()._answer(worker, queue, number, attempt, slot, state)


class PartsBeginAnew(Scheduler):
    """Count the attempts of the parts from one again."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        several = {job for job in self._outstanding.get(worker, {}).values() if len(job.tickets) > 1}
        again = super().died(worker, cause, loading)
        for job in again:
            if any(whole.queue == job.queue and whole.number <= job.number for whole in several):
                job.attempt = 1
        return again


class RetriedCountsJobs(Scheduler):
    """Count a job of several tickets as one ticket loaded again."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        held = [
            job for job in self._outstanding.get(worker, {}).values() if job.state is not JobState.DROPPED
        ]
        again = super().died(worker, cause, loading)
        for job in held:
            if len(job.tickets) > 1:
                self._queues[job.queue].retried -= len(job.tickets) - 1
        return again


class PoisonedWithoutSlot(Scheduler):
    """Give a ticket that is set apart no slot unless it had one."""

    def died(self, worker: int, cause: Any, loading: Loading = None) -> list[Job]:
        held = list(self._outstanding.get(worker, {}).values())
        again = super().died(worker, cause, loading)
        inside = [(job.queue, job.number + at) for job in held for at in range(1, len(job.tickets))]
        for key, number in inside:
            job = self._queues[key].jobs[number] if key in self._queues else None
            if job is not None and job.state is JobState.POISONED:
                self._release(job)
        return again


class WithdrawnStaysWithWorker(Scheduler):
    """Have a job that was withdrawn take up room in its worker."""

    def withdraw(self, job: Job) -> None:
        outstanding = self._outstanding[job.worker]
        super().withdraw(job)
        outstanding[job.queue, -job.number - 1] = Job(
            job.queue, -job.number - 1, job.tickets, state=JobState.DROPPED
        )


class WithdrawnIsLost(Scheduler):
    """Forget a job that was withdrawn."""

    def withdraw(self, job: Job) -> None:
        waiting = list(self._pending)
        super().withdraw(job)
        self._pending = waiting


class WithdrawnIsRetried(Scheduler):
    """Count tickets that were never sent as loaded again."""

    def withdraw(self, job: Job) -> None:
        super().withdraw(job)
        self._queues[job.queue].retried += len(job.tickets)


BUGS = [kind for kind in Scheduler.__subclasses__() if kind.__module__ == __name__]


def machine(kind: type[Scheduler]) -> type[FaultyPool]:
    """Return the state machine for one kind of scheduler."""
    return type(f"{kind.__name__}Pool", (FaultyPool,), {"kind": kind})


def place(error: BaseException) -> tuple[str, str]:
    """Return file and function of the first error; after a rule has failed, the teardown often fails, too."""
    while error.__context__ is not None:
        error = error.__context__
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename).name, last.name


def test_real_scheduler_has_none_of_the_bugs() -> None:
    run_state_machine_as_test(machine(Scheduler), settings=settings(SETTINGS, max_examples=150))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", BUGS)
def test_seeded_bug_is_found(kind: type[Scheduler]) -> None:
    """The machine has to see it: a scheduler that merely stumbles over its own bug proves nothing."""
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(machine(kind), settings=SETTINGS)
    file, function = place(found.value)
    assert file == "faulty_pool.py", f"raised by {function} in {file}"
