"""Schedulers with one bug each: the state machine that tests the real one has to find every one of them.

A bug that is not found would mean that the tests of the scheduler can be passed without its guarantee.
"""

from __future__ import annotations

import heapq
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test
from workers.test_scheduler import OUTCOMES, FaultyPool

from streamfit.workers.scheduler import MAX_DEATHS, Job, Lane, Scheduler, State

# No shrinking: that a bug is found matters here, not what it looks like. The same examples every time.
SETTINGS = settings(
    max_examples=1000,
    stateful_step_count=60,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MOST_ROUNDS = 500


class StaleHeader(Scheduler):
    """Accept the result of an attempt that was given up."""

    def _answer(
        self, worker: int, lane: int, number: int, attempt: int, slot: int, state: State
    ) -> Job | None:
        job = self._queues.get(worker, {}).get((lane, number))
        return super()._answer(worker, lane, number, job.attempt if job else attempt, slot, state)


class AnySlot(Scheduler):
    """Accept a result that was written to another slot."""

    def _answer(
        self, worker: int, lane: int, number: int, attempt: int, slot: int, state: State
    ) -> Job | None:
        job = self._queues.get(worker, {}).get((lane, number))
        return super()._answer(worker, lane, number, attempt, job.slot if job else slot, state)


class AnyWorker(Scheduler):
    """Accept the result of a worker that is dead, whoever has the job now."""

    def _answer(
        self, worker: int, lane: int, number: int, attempt: int, slot: int, state: State
    ) -> Job | None:
        for other, queue in self._queues.items():
            if (lane, number) in queue:
                return super()._answer(other, lane, number, queue[lane, number].attempt, slot, state)
        return None


class FreeOnTake(Scheduler):
    """Free the slot when its value is taken, not when it is given back."""

    def take(self, lane: Lane) -> Job:
        job = super().take(lane)
        self._free.append(job.slot)
        return job

    def give_back(self, slot: int) -> None:
        self._lent.pop(slot, None)


class FreeOnDone(Scheduler):
    """Free the slot when the load is done."""

    def done(self, worker: int, lane: int, number: int, attempt: int, slot: int) -> Job | None:
        job = super().done(worker, lane, number, attempt, slot)
        if job is not None:
            self._free.append(job.slot)
        return job


class OneShort(Scheduler):
    """Call a lane finished when one job is left."""

    def finished(self, lane: Lane) -> bool:
        return lane.ended and lane.delivered >= lane.planned - 1


class FinishedWhenPlanned(Scheduler):
    """Call a lane finished when its jobs are planned, whether they were taken or not."""

    def finished(self, lane: Lane) -> bool:
        return lane.ended


class OutOfOrder(Scheduler):
    """Deliver what is ready, whatever its number."""

    def ready(self, lane: Lane) -> bool:
        return bool(self._ready(lane))

    def take(self, lane: Lane) -> Job:
        job = lane.jobs.pop(self._ready(lane)[0])
        lane.delivered += 1
        lane.lent += 1
        self._lent[job.slot] = lane
        return job

    def _ready(self, lane: Lane) -> list[int]:
        return [number for number, job in lane.jobs.items() if job.state in OUTCOMES]


class LosesJobs(Scheduler):
    """Forget what a dead worker had, but say that it will be loaded again."""

    def died(self, worker: int, cause: Any, loading: tuple[int, int, int] | None = None) -> list[Job]:
        again = super().died(worker, cause, loading)
        self._pending = [entry for entry in self._pending if entry[3] not in again]
        heapq.heapify(self._pending)
        return again


class RetryInNewSlot(Scheduler):
    """Load again in another slot, with the old one free for others."""

    def died(self, worker: int, cause: Any, loading: tuple[int, int, int] | None = None) -> list[Job]:
        again = super().died(worker, cause, loading)
        for job in again:
            old, job.slot = job.slot, self._take_slot()
            self._free.append(old)
        return again


class HighestFirst(Scheduler):
    """Issue the highest numbers first."""

    def plan(self, lane: Lane, ticket: Any) -> None:
        super().plan(lane, ticket)
        entry = next(entry for entry in self._pending if entry[3] is lane.jobs[lane.planned - 1])
        self._pending.remove(entry)
        heapq.heapify(self._pending)
        heapq.heappush(self._pending, (-entry[0], *entry[1:]))


class BlamesAll(Scheduler):
    """Count a death against every job of the worker."""

    def died(self, worker: int, cause: Any, loading: tuple[int, int, int] | None = None) -> list[Job]:
        for job in self._queues.get(worker, {}).values():
            job.deaths += loading is not None and (job.lane, job.number, job.attempt) != loading
        return super().died(worker, cause, loading)


class BlamesWithoutCause(Scheduler):
    """Count a death that nobody is to blame for against the oldest job of the worker."""

    def died(self, worker: int, cause: Any, loading: tuple[int, int, int] | None = None) -> list[Job]:
        oldest = next(iter(self._queues.get(worker, {}).values()), None)
        if loading is None and oldest is not None:
            loading = oldest.lane, oldest.number, oldest.attempt
        return super().died(worker, cause, loading)


class NeverCountsDeaths(Scheduler):
    """Load a deadly ticket again and again."""

    def died(self, worker: int, cause: Any, loading: tuple[int, int, int] | None = None) -> list[Job]:
        return super().died(worker, cause)


class SameAttempt(Scheduler):
    """Load again under the number of the old attempt."""

    def died(self, worker: int, cause: Any, loading: tuple[int, int, int] | None = None) -> list[Job]:
        again = super().died(worker, cause, loading)
        for job in again:
            job.attempt -= 1
        return again


class DeliversTwice(Scheduler):
    """Deliver a job that was loaded again once more."""

    def take(self, lane: Lane) -> Job:
        job = super().take(lane)
        if job.attempt > 1:
            lane.jobs[job.number] = job
            lane.delivered -= 1
            job.attempt = 1
        return job


class Unbounded(Scheduler):
    """Take tickets without end."""

    def room(self, lane: Lane) -> int:
        return 0 if lane.ended else max(1, super().room(lane))


class BusiestFirst(Scheduler):
    """Give the next job to the worker that holds most."""

    def _least_busy(self) -> tuple[int, dict[tuple[int, int], Job]]:
        return max(self._queues.items(), key=lambda item: len(item[1]))


class FreesWhileLoading(Scheduler):
    """Free the slots of a closed lane while its workers still write to them."""

    def close_lane(self, lane: Lane) -> set[int]:
        out = [job for job in lane.jobs.values() if job.state is State.ISSUED]
        holders = super().close_lane(lane)
        for job in out:
            self._release(job)
        return holders


class LeaksOnClose(Scheduler):
    """Keep the slots of a closed lane for ever."""

    def _release(self, job: Job) -> None:
        job.slot = -1


BUGS = [kind for kind in Scheduler.__subclasses__() if kind.__module__ == __name__]


class Script:
    """Draws what it was told to draw."""

    def __init__(self, *values: Any) -> None:
        self._values = iter(values)

    def draw(self, _: object) -> Any:
        return next(self._values)


class StricterPool(FaultyPool):
    """The state machine for any kind of scheduler, with events that rarely come about by themselves.

    A ticket meets one death after the other, to be blamed or not; one worker is far ahead of the others. It
    also sees that numbers go out from the lowest, and gives up where a scheduler would keep it busy for ever.
    """

    kind: type[Scheduler] = Scheduler

    @initialize(depth=st.integers(1, 4))
    def begin(self, depth: int) -> None:
        super().begin(depth)
        self.scheduler = self.kind(depth)
        self.rounds = 0

    @rule()
    def issue(self) -> None:
        before = self._out()
        super().issue()
        issued = [(number, lane) for lane, number in self._out() - before]
        waiting = [
            (job.number, lane.key)
            for lane in self.lanes
            for job in lane.jobs.values()
            if job.state is State.PENDING
        ]
        if issued and waiting:
            assert max(issued) < min(waiting), "a higher number went out before a lower one"

    @precondition(lambda self: any(worker.inbox for worker in self.workers.values()))
    @rule(data=st.data(), blamed=st.booleans())
    def meet_deaths(self, data: st.DataObject, blamed: bool) -> None:
        deadly = data.draw(st.sampled_from(sorted(self._out())))
        for _ in range(MAX_DEATHS):
            for name, worker in list(self.workers.items()):
                at = [told[:3] for told in worker.inbox if told[:2] == deadly]
                if at:
                    super().die(Script(name, 0, at[0] if blamed else None))
            if not self.workers:
                super().join()
            self.issue()

    @precondition(lambda self: any(worker.inbox for worker in self.workers.values()))
    @rule(data=st.data())
    def run_ahead(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([k for k, worker in self.workers.items() if worker.inbox]))
        while self.workers[name].inbox:
            super().load(Script(name), True)
        while self.workers[name].reports:
            self._arrive(name)
        for lane in self.lanes:
            while self.scheduler.ready(lane):
                super().take(Script(lane))

    def teardown(self) -> None:
        if hasattr(self, "scheduler"):
            self.scheduler.issue = self._counted(self.scheduler.issue)
        super().teardown()

    def _counted(self, issue: Callable[[], list[Job]]) -> Callable[[], list[Job]]:
        def counted() -> list[Job]:
            self.rounds += 1
            assert self.rounds < MOST_ROUNDS, "what was planned is never delivered"
            return issue()

        return counted

    def _out(self) -> set[tuple[int, int]]:
        return {told[:2] for worker in self.workers.values() for told in worker.inbox}


def machine(kind: type[Scheduler]) -> type[StricterPool]:
    """Return the state machine for one kind of scheduler."""
    return type(f"{kind.__name__}Pool", (StricterPool,), {"kind": kind})


def place(error: BaseException) -> tuple[str, str]:
    """Return file and function of the first error; after a rule has failed, the teardown often fails, too."""
    while error.__context__ is not None:
        error = error.__context__
    last = traceback.extract_tb(error.__traceback__)[-1]
    return Path(last.filename).name, last.name


def test_real_scheduler_has_none_of_the_bugs() -> None:
    run_state_machine_as_test(machine(Scheduler), settings=SETTINGS)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", BUGS)
def test_seeded_bug_is_found(kind: type[Scheduler]) -> None:
    """The machine has to see it: a scheduler that merely stumbles over its own bug proves nothing."""
    with pytest.raises(AssertionError) as found:
        run_state_machine_as_test(machine(kind), settings=SETTINGS)
    file, function = place(found.value)
    assert file in ("test_scheduler.py", Path(__file__).name), f"raised by {function} in {file}"
