"""The state machine alone: what it orders, what it believes, and what it does when everything goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamfit.workers.scheduler import MAX_DEATHS, Job, Lane, Scheduler, State

OUTCOMES = (State.READY, State.FAILED, State.POISONED)


def plan(scheduler: Scheduler, count: int, ahead: int = 10) -> Lane:
    lane = scheduler.open_lane(ahead)
    for number in range(count):
        scheduler.plan(lane, number)
    return lane


def answer(scheduler: Scheduler, job: Job) -> Job | None:
    return scheduler.done(job.worker, job.lane, job.number, job.attempt, job.slot)


def test_lowest_numbers_go_out_first_and_no_worker_holds_more_than_depth() -> None:
    scheduler = Scheduler(depth=2)
    plan(scheduler, 7)
    scheduler.join(1)
    scheduler.join(2)
    issued = scheduler.issue()
    assert [job.number for job in issued] == [0, 1, 2, 3]
    assert [job.worker for job in issued] == [1, 2, 1, 2]
    assert scheduler.issue() == []


def test_results_in_any_order_are_taken_in_order() -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 3)
    scheduler.join(1)
    jobs = scheduler.issue()
    answer(scheduler, jobs[2])
    answer(scheduler, jobs[1])
    assert not scheduler.ready(lane)
    answer(scheduler, jobs[0])
    assert [scheduler.take(lane).number for _ in range(3)] == [0, 1, 2]


def test_room_is_bounded_by_what_was_taken() -> None:
    scheduler = Scheduler(depth=9)
    lane = plan(scheduler, 3, ahead=3)
    assert scheduler.room(lane) == 0
    scheduler.join(1)
    answer(scheduler, scheduler.issue()[0])
    scheduler.take(lane)
    assert scheduler.room(lane) == 1
    scheduler.end(lane)
    assert scheduler.room(lane) == 0
    assert not scheduler.finished(lane)


@pytest.mark.parametrize(
    "change", [{"attempt": 2}, {"slot": 99}, {"number": 5}, {"lane": 42}, {"worker": 7}], ids=str
)
def test_answer_that_does_not_match_does_not_count(change: dict[str, int]) -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 1)
    scheduler.join(1)
    (job,) = scheduler.issue()
    told = {"worker": 1, "lane": job.lane, "number": 0, "attempt": 1, "slot": job.slot}
    assert scheduler.done(**(told | change)) is None
    assert not scheduler.ready(lane)
    assert scheduler.done(**told) is job
    assert scheduler.done(**told) is None


def test_retry_keeps_its_slot_and_counts_as_another_attempt() -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 2)
    scheduler.join(1)
    slots = [job.slot for job in scheduler.issue()]
    assert [job.number for job in scheduler.died(1, "gone")] == [0, 1]
    scheduler.join(2)
    again = scheduler.issue()
    assert [(job.number, job.slot, job.attempt) for job in again] == [(0, slots[0], 2), (1, slots[1], 2)]
    assert lane.retried == 2


def test_only_the_ticket_under_way_is_blamed_and_the_third_death_is_its_outcome() -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 3)
    for worker in range(1, MAX_DEATHS + 1):
        scheduler.join(worker)
        jobs = scheduler.issue()
        if worker == 1:
            answer(scheduler, jobs[0])
        scheduler.died(worker, f"death {worker}", (lane.key, 1, worker))
    assert scheduler.take(lane).state is State.READY
    job = scheduler.take(lane)
    assert (job.number, job.state, job.outcome) == (1, State.POISONED, "death 3")
    assert lane.jobs[2].deaths == 0


@pytest.mark.parametrize("loading", [None, (1, 0, 99), (1, 7, 1), (9, 0, 1)], ids=str)
def test_death_at_no_ticket_poisons_nothing(loading: tuple[int, int, int] | None) -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 1)
    for worker in range(3 * MAX_DEATHS):
        scheduler.join(worker)
        scheduler.issue()
        scheduler.died(worker, None, loading)
    assert not scheduler.ready(lane)


def test_slot_of_a_closed_lane_waits_for_its_worker() -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 1)
    scheduler.join(1)
    (old,) = scheduler.issue()
    slot = old.slot
    assert scheduler.close_lane(lane) == {1}
    plan(scheduler, 1)
    (new,) = scheduler.issue()
    assert new.slot != slot
    assert scheduler.done(1, old.lane, 0, 1, slot) is None
    plan(scheduler, 1)
    assert scheduler.issue()[0].slot == slot


def test_closing_a_lane_twice_does_nothing() -> None:
    scheduler = Scheduler(depth=4)
    lane = plan(scheduler, 2)
    assert scheduler.close_lane(lane) == set()
    assert scheduler.close_lane(lane) == set()


@dataclass
class Shadow:
    """What the test knows of one job."""

    lane: int
    number: int
    slot: int | None = None
    deaths: int = 0
    attempts: int = 1


@dataclass
class SimWorker:
    """A worker: jobs it was sent, and reports on their way from it."""

    inbox: list[tuple[int, int, int, int]] = field(default_factory=list)
    reports: list[tuple[bool, tuple[int, int, int, int]]] = field(default_factory=list)


class FaultyPool(RuleBasedStateMachine):
    """A pool in which workers die, reports come late, twice or forged, and lanes close at any time.

    Memory is simulated: a load writes its lane and number to its slot. Whatever the scheduler believes,
    what is taken must be what is in the slot, and must stay there until the slot is given back.
    """

    @initialize(depth=st.integers(1, 4))
    def begin(self, depth: int) -> None:
        self.depth = depth
        self.scheduler = Scheduler(depth)
        self.workers: dict[int, SimWorker] = {}
        self.next_worker = 0
        self.lanes: list[Lane] = []
        self.shadows: dict[tuple[int, int], Shadow] = {}
        self.owner: dict[int, tuple[int, int]] = {}
        self.memory: dict[int, tuple[int, int]] = {}
        self.lent: list[tuple[int, tuple[int, int]]] = []
        self.taken: dict[int, int] = {}
        self.old_reports: list[tuple[int, tuple[int, int, int, int]]] = []
        self.closed: set[int] = set()

    # -- events -----------------------------------------------------------------------------------------

    @rule(ahead=st.integers(1, 6))
    def open_lane(self, ahead: int) -> None:
        if len(self.lanes) < 3:
            lane = self.scheduler.open_lane(ahead)
            self.lanes.append(lane)
            self.taken[lane.key] = 0

    @precondition(lambda self: self.lanes)
    @rule(data=st.data())
    def plan(self, data: st.DataObject) -> None:
        lane = data.draw(st.sampled_from(self.lanes))
        for _ in range(min(self.scheduler.room(lane), data.draw(st.integers(1, 6)))):
            key = (lane.key, lane.planned)
            self.scheduler.plan(lane, key)
            self.shadows[key] = Shadow(*key)

    @precondition(lambda self: self.lanes)
    @rule(data=st.data())
    def end_lane(self, data: st.DataObject) -> None:
        self.scheduler.end(data.draw(st.sampled_from(self.lanes)))

    @precondition(lambda self: len(self.workers) < 3)
    @rule()
    def join(self) -> None:
        self.next_worker += 1
        self.workers[self.next_worker] = SimWorker()
        self.scheduler.join(self.next_worker)

    @rule()
    def issue(self) -> None:
        for job in self.scheduler.issue():
            key = (job.lane, job.number)
            shadow = self.shadows[key]
            assert self.owner.get(job.slot, key) == key, "a slot with two owners"
            assert shadow.slot in (None, job.slot), "a retry changed its slot"
            assert job.attempt == shadow.attempts
            shadow.slot = job.slot
            self.owner[job.slot] = key
            self.workers[job.worker].inbox.append((job.lane, job.number, job.attempt, job.slot))

    @precondition(lambda self: any(w.inbox for w in self.workers.values()))
    @rule(data=st.data(), fine=st.booleans())
    def load(self, data: st.DataObject, fine: bool) -> None:
        worker = self.workers[data.draw(st.sampled_from([k for k, w in self.workers.items() if w.inbox]))]
        lane, number, attempt, slot = worker.inbox.pop(0)
        assert self.owner[slot] == (lane, number), "a worker writes to a slot that is not its own"
        self.memory[slot] = (lane, number)
        worker.reports.append((fine, (lane, number, attempt, slot)))

    @precondition(lambda self: any(w.reports for w in self.workers.values()))
    @rule(data=st.data())
    def report(self, data: st.DataObject) -> None:
        self._arrive(data.draw(st.sampled_from([k for k, w in self.workers.items() if w.reports])))

    @precondition(lambda self: self.old_reports)
    @rule(data=st.data())
    def repeat_report(self, data: st.DataObject) -> None:
        worker, told = data.draw(st.sampled_from(self.old_reports))
        assert self.scheduler.done(worker, *told) is None

    @precondition(lambda self: any(w.inbox for w in self.workers.values()))
    @rule(data=st.data(), wrong=st.sampled_from([(0, 0, 1, 0), (0, 0, 0, 1), (0, 0, -1, 0)]))
    def forge_report(self, data: st.DataObject, wrong: tuple[int, int, int, int]) -> None:
        worker = data.draw(st.sampled_from([k for k, w in self.workers.items() if w.inbox]))
        told = [a + b for a, b in zip(self.workers[worker].inbox[0], wrong, strict=True)]
        assert self.scheduler.done(worker, *told) is None

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.workers)))
        worker = self.workers[name]
        for _ in range(data.draw(st.integers(0, len(worker.reports)))):
            self._arrive(name)
        unfinished = [told for _, told in worker.reports] + worker.inbox
        at = data.draw(st.sampled_from([None, (0, 0, 0), *[told[:3] for told in unfinished]]))
        again = self.scheduler.died(name, "cause", at)
        for lane, number, attempt, slot in unfinished:
            shadow = self.shadows[lane, number]
            if lane in self.closed:
                del self.owner[slot]
                continue
            shadow.deaths += (lane, number, attempt) == at
            shadow.attempts += shadow.deaths < MAX_DEATHS
        expected = [
            told[:2]
            for told in unfinished
            if told[0] not in self.closed and self.shadows[told[:2]].deaths < MAX_DEATHS
        ]
        assert [(job.lane, job.number) for job in again] == expected
        self.old_reports += [(name, told) for told in unfinished]
        del self.workers[name]

    @precondition(lambda self: any(self.scheduler.ready(lane) for lane in self.lanes))
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        lane = data.draw(st.sampled_from([lane for lane in self.lanes if self.scheduler.ready(lane)]))
        job = self.scheduler.take(lane)
        key = (lane.key, self.taken[lane.key])
        assert (job.lane, job.number) == job.ticket == key
        self.taken[lane.key] += 1
        if job.state is State.POISONED:
            assert self.shadows[key].deaths == MAX_DEATHS
        else:
            assert self.memory[job.slot] == key
        self.lent.append((job.slot, key))

    @precondition(lambda self: self.lent)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        slot, key = self.lent.pop(data.draw(st.integers(0, len(self.lent) - 1)))
        assert self.owner.pop(slot) == key
        if self.shadows[key].deaths < MAX_DEATHS:
            assert self.memory[slot] == key, "a value changed while the consumer had it"
        self.scheduler.give_back(slot)

    @precondition(lambda self: self.lanes)
    @rule(data=st.data())
    def close_lane(self, data: st.DataObject) -> None:
        lane = self.lanes.pop(data.draw(st.integers(0, len(self.lanes) - 1)))
        out = {job.worker for job in lane.jobs.values() if job.state is State.ISSUED}
        for job in lane.jobs.values():
            if job.state is not State.ISSUED and job.slot >= 0:
                assert self.owner.pop(job.slot) == (lane.key, job.number)
        assert self.scheduler.close_lane(lane) == out
        self.closed.add(lane.key)

    def _arrive(self, name: int) -> None:
        fine, told = self.workers[name].reports.pop(0)
        job = (self.scheduler.done if fine else self.scheduler.failed)(name, *told)
        self.old_reports.append((name, told))
        if told[0] in self.closed:
            assert job is None
            assert self.owner.pop(told[3]) == told[:2]
        else:
            assert job is not None
            assert job.state is (State.READY if fine else State.FAILED)

    # -- what always holds ------------------------------------------------------------------------------

    @invariant()
    def every_slot_is_free_or_has_an_owner(self) -> None:
        if hasattr(self, "scheduler"):
            free = self.scheduler._free
            assert len(set(free)) == len(free)
            assert set(free) | set(self.owner) == set(range(self.scheduler._slots))
            assert not set(free) & set(self.owner)

    @invariant()
    def no_lane_is_beyond_its_bound(self) -> None:
        for lane in getattr(self, "lanes", []):
            assert lane.planned - lane.delivered <= lane.ahead
            assert self.scheduler.finished(lane) == (lane.ended and self.taken[lane.key] == lane.planned)

    @invariant()
    def lowest_number_is_out_unless_every_worker_is_full(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        self.issue()
        held = [len(w.inbox) + len(w.reports) for w in self.workers.values()]
        for lane in self.lanes:
            job: Any = lane.jobs.get(lane.delivered)
            if job is not None and job.state not in (*OUTCOMES, State.ISSUED):
                assert all(count >= self.depth for count in held)

    def teardown(self) -> None:
        """With a healthy worker everything that was planned is delivered."""
        if not hasattr(self, "scheduler"):
            return
        for lane in self.lanes:
            self.scheduler.end(lane)
        self.join() if not self.workers else None
        while any(not self.scheduler.finished(lane) for lane in self.lanes):
            self.issue()
            for name, worker in self.workers.items():
                while worker.inbox:
                    lane_key, number, attempt, slot = worker.inbox.pop(0)
                    self.memory[slot] = (lane_key, number)
                    worker.reports.append((True, (lane_key, number, attempt, slot)))
                while worker.reports:
                    self._arrive(name)
            for lane in self.lanes:
                while self.scheduler.ready(lane):
                    job = self.scheduler.take(lane)
                    assert job.number == self.taken[lane.key]
                    self.taken[lane.key] += 1


FaultyPool.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
test_faulty_pool = pytest.mark.timeout(120)(FaultyPool.TestCase)
