"""The state machine alone: its orders, the results it accepts, and its behaviour under faults."""

from __future__ import annotations

import pytest
from hypothesis import settings
from oracles.faulty_pool import FaultyPool

from streamfit.workers.pool.scheduler import MAX_DEATHS, Job, JobState, Scheduler, TicketQueue


def plan(scheduler: Scheduler, count: int, ahead: int = 10) -> TicketQueue:
    """Open a queue of jobs of one ticket each."""
    return plan_jobs(scheduler, *[1] * count, ahead=ahead)


def plan_jobs(scheduler: Scheduler, *sizes: int, ahead: int = 10) -> TicketQueue:
    """Open a queue of jobs with the given numbers of tickets; the tickets are numbers."""
    queue = scheduler.open_queue(ahead)
    for size in sizes:
        scheduler.plan(queue, *range(queue.planned, queue.planned + size))
    return queue


def answer(scheduler: Scheduler, job: Job) -> Job | None:
    """Have the worker of a job report that it was loaded."""
    return scheduler.done(job.worker, job.queue, job.number, job.attempt, job.slot)


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
    queue = plan(scheduler, 3)
    scheduler.join(1)
    jobs = scheduler.issue()
    answer(scheduler, jobs[2])
    answer(scheduler, jobs[1])
    assert not scheduler.ready(queue)
    answer(scheduler, jobs[0])
    assert [scheduler.take(queue).number for _ in range(3)] == [0, 1, 2]


def test_room_is_bounded_by_what_was_taken() -> None:
    scheduler = Scheduler(depth=9)
    queue = plan(scheduler, 3, ahead=3)
    assert scheduler.room(queue) == 0
    scheduler.join(1)
    answer(scheduler, scheduler.issue()[0])
    scheduler.take(queue)
    assert scheduler.room(queue) == 1
    scheduler.end(queue)
    assert scheduler.room(queue) == 0
    assert not scheduler.finished(queue)


@pytest.mark.parametrize(
    "change", [{"attempt": 2}, {"slot": 99}, {"number": 5}, {"queue": 42}, {"worker": 7}], ids=str
)
def test_answer_that_does_not_match_does_not_count(change: dict[str, int]) -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 1)
    scheduler.join(1)
    (job,) = scheduler.issue()
    result = {"worker": 1, "queue": job.queue, "number": 0, "attempt": 1, "slot": job.slot}
    assert scheduler.done(**(result | change)) is None
    assert not scheduler.ready(queue)
    assert scheduler.done(**result) is job
    assert scheduler.done(**result) is None


def test_retry_keeps_its_slot_and_counts_as_another_attempt() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 2)
    scheduler.join(1)
    slots = [job.slot for job in scheduler.issue()]
    assert [job.number for job in scheduler.died(1, "gone")] == [0, 1]
    scheduler.join(2)
    again = scheduler.issue()
    assert [(job.number, job.slot, job.attempt) for job in again] == [(0, slots[0], 2), (1, slots[1], 2)]
    assert queue.retried == 2


def test_only_the_ticket_under_way_is_blamed_and_the_last_death_is_its_outcome() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 3)
    for worker in range(1, MAX_DEATHS + 1):
        scheduler.join(worker)
        jobs = scheduler.issue()
        if worker == 1:
            answer(scheduler, jobs[0])
        scheduler.died(worker, f"death {worker}", (queue.key, 1, worker))
    assert scheduler.take(queue).state is JobState.READY
    job = scheduler.take(queue)
    assert (job.number, job.state, job.outcome) == (1, JobState.POISONED, f"death {MAX_DEATHS}")
    assert queue.jobs[2].deaths == 0


def test_ticket_is_found_until_it_was_taken_or_its_queue_dropped() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 2)
    scheduler.join(1)
    first, second = scheduler.issue()
    assert [scheduler.find(queue.key, number) for number in range(3)] == [first, second, None]
    answer(scheduler, first)
    assert scheduler.find(queue.key, 0) is first
    scheduler.take(queue)
    assert scheduler.find(queue.key, 0) is None
    scheduler.close_queue(queue)
    assert scheduler.find(queue.key, 1) is None


@pytest.mark.parametrize("loading", [None, (1, 0, 99), (1, 7, 1), (9, 0, 1)], ids=str)
def test_death_at_no_ticket_poisons_nothing(loading: tuple[int, int, int] | None) -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 1)
    for worker in range(3 * MAX_DEATHS):
        scheduler.join(worker)
        scheduler.issue()
        scheduler.died(worker, None, loading)
    assert not scheduler.ready(queue)


def test_slot_of_a_closed_queue_waits_for_its_worker() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 1)
    scheduler.join(1)
    (old,) = scheduler.issue()
    slot = old.slot
    assert scheduler.close_queue(queue) == {1}
    plan(scheduler, 1)
    (new,) = scheduler.issue()
    assert new.slot != slot
    assert scheduler.done(1, old.queue, 0, 1, slot) is None
    plan(scheduler, 1)
    assert scheduler.issue()[0].slot == slot


def test_closing_a_queue_twice_does_nothing() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan(scheduler, 2)
    assert scheduler.close_queue(queue) == set()
    assert scheduler.close_queue(queue) == set()


# -- jobs of several tickets --------------------------------------------------------------------------------


def test_job_of_several_tickets_has_one_slot_and_counts_as_its_tickets() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan_jobs(scheduler, 3, 2, ahead=6)
    assert (queue.planned, scheduler.room(queue)) == (5, 1)
    scheduler.join(1)
    first, second = scheduler.issue()
    assert (first.number, first.tickets, second.number, second.tickets) == (0, (0, 1, 2), 3, (3, 4))
    assert first.slot != second.slot
    answer(scheduler, second)
    assert not scheduler.ready(queue)
    answer(scheduler, first)
    assert scheduler.take(queue) is first
    assert (queue.delivered, scheduler.room(queue), scheduler.leased(first.slot)) == (3, 4, 1)
    scheduler.end(queue)
    assert not scheduler.finished(queue)
    assert scheduler.take(queue) is second
    assert scheduler.finished(queue)


def test_depth_is_of_jobs() -> None:
    scheduler = Scheduler(depth=1)
    plan_jobs(scheduler, 3, 1)
    scheduler.join(1)
    assert [job.number for job in scheduler.issue()] == [0]


@pytest.mark.parametrize("number", [1, 2])
def test_answer_for_a_ticket_inside_a_job_does_not_count(number: int) -> None:
    scheduler = Scheduler(depth=4)
    plan_jobs(scheduler, 3)
    scheduler.join(1)
    (job,) = scheduler.issue()
    assert scheduler.done(1, job.queue, number, job.attempt, job.slot) is None
    assert answer(scheduler, job) is job


def test_death_takes_a_job_apart_and_counts_against_the_ticket_that_was_under_way() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan_jobs(scheduler, 3)
    scheduler.join(1)
    (whole,) = scheduler.issue()
    again = scheduler.died(1, "gone", (queue.key, 1, 1))
    assert [(job.number, job.tickets, job.attempt) for job in again] == [
        (0, (0,), 2),
        (1, (1,), 2),
        (2, (2,), 2),
    ]
    assert [job.deaths for job in again] == [0, 1, 0]
    assert [job.slot for job in again] == [whole.slot, -1, -1]
    assert queue.retried == 3
    scheduler.join(2)
    issued = scheduler.issue()
    assert issued == again
    assert len({job.slot for job in issued}) == 3


def test_death_at_no_ticket_takes_a_job_apart_all_the_same() -> None:
    scheduler = Scheduler(depth=4)
    plan_jobs(scheduler, 2)
    scheduler.join(1)
    scheduler.issue()
    assert [job.deaths for job in scheduler.died(1, "gone")] == [0, 0]


def test_late_answer_to_the_whole_job_does_not_count_once_it_was_taken_apart() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan_jobs(scheduler, 2)
    scheduler.join(1)
    (whole,) = scheduler.issue()
    slot = whole.slot
    scheduler.died(1, "gone")
    scheduler.join(2)
    scheduler.issue()
    for worker in (1, 2):
        assert scheduler.done(worker, queue.key, 0, 1, slot) is None
    assert not scheduler.ready(queue)
    assert scheduler.done(2, queue.key, 0, 2, slot) is not None
    assert scheduler.take(queue).tickets == (0,)


def test_parts_wait_behind_lower_numbers_and_before_higher_ones() -> None:
    scheduler = Scheduler(depth=1)
    plan_jobs(scheduler, 1, 3, 1)
    scheduler.join(1)
    scheduler.join(2)
    assert [job.number for job in scheduler.issue()] == [0, 1]
    scheduler.died(2, "gone")
    scheduler.died(1, "gone")
    order = []
    for worker in range(3, 8):
        scheduler.join(worker)
        order += [job.number for job in scheduler.issue()]
    assert order == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("deadly", [0, 1, 2])
def test_ticket_of_a_job_that_may_kill_nobody_is_set_apart_with_a_slot_of_its_own(deadly: int) -> None:
    scheduler = Scheduler(depth=4, deaths=1)
    queue = plan_jobs(scheduler, 3)
    scheduler.join(1)
    scheduler.issue()
    scheduler.died(1, "cause", (queue.key, deadly, 1))
    scheduler.join(2)
    for job in scheduler.issue():
        answer(scheduler, job)
    taken = [scheduler.take(queue) for _ in range(3)]
    assert [job.number for job in taken if job.state is JobState.POISONED] == [deadly]
    assert sorted(job.slot for job in taken) == [0, 1, 2]
    for job in taken:
        scheduler.give_back(job.slot)


@pytest.mark.parametrize("deaths", [1, 2, 5])
def test_a_ticket_may_kill_as_many_workers_as_the_scheduler_was_told(deaths: int) -> None:
    scheduler = Scheduler(depth=1, deaths=deaths)
    queue = plan(scheduler, 1)
    for worker in range(1, deaths + 1):
        assert not scheduler.ready(queue)
        scheduler.join(worker)
        (job,) = scheduler.issue()
        scheduler.died(worker, None, (queue.key, 0, job.attempt))
    assert (job.state, job.deaths, queue.retried) == (JobState.POISONED, deaths, deaths - 1)


def test_job_that_cannot_be_sent_as_one_goes_as_one_for_each_ticket() -> None:
    scheduler = Scheduler(depth=2)
    queue = plan_jobs(scheduler, 2, 1)
    scheduler.join(1)
    whole, other = scheduler.issue()
    scheduler.withdraw(whole)
    assert scheduler.done(1, queue.key, 0, 1, whole.slot) is None
    (first,) = scheduler.issue()  # the worker has room for one more
    assert (first.tickets, first.attempt, first.slot, first.deaths) == ((0,), 1, whole.slot, 0)
    answer(scheduler, first)
    answer(scheduler, other)
    (second,) = scheduler.issue()
    assert (second.tickets, second.attempt) == ((1,), 1)
    assert second.slot not in (first.slot, other.slot)
    assert queue.retried == 0


def test_slot_of_a_job_of_a_closed_queue_waits_for_its_worker_and_comes_back_once() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan_jobs(scheduler, 3)
    scheduler.join(1)
    (whole,) = scheduler.issue()
    slot = whole.slot
    assert scheduler.close_queue(queue) == {1}
    assert scheduler.died(1, "gone", (queue.key, 1, 1)) == []
    plan_jobs(scheduler, 1, 1)
    scheduler.join(2)
    assert [job.slot for job in scheduler.issue()] == [slot, slot + 1]


def test_parts_of_a_closed_queue_are_never_issued() -> None:
    scheduler = Scheduler(depth=4)
    queue = plan_jobs(scheduler, 3)
    scheduler.join(1)
    scheduler.issue()
    scheduler.died(1, "gone")
    assert scheduler.close_queue(queue) == set()
    scheduler.join(2)
    assert scheduler.issue() == []


# -- everything at once -------------------------------------------------------------------------------------

# New examples in each run; test_seeded_bugs.py has the same machine play 150 that are always the same.
FaultyPool.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
test_faulty_pool = pytest.mark.timeout(120)(FaultyPool.TestCase)
