"""A simulated pool around a scheduler: workers die, reports come late, twice or forged, queues are closed.

The machine keeps books of its own and holds the scheduler to them after every event. Memory is simulated: a
load writes its ticket to the slot of its job. Whatever the scheduler believes, what is taken must be what is
in the slot, and must stay there until the slot is given back.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracles.sim_worker import Assignment, Key, Report, Script, Sent, Shadow, SimWorker

from streamfit.workers.pool.scheduler import Job, JobState, Scheduler, TicketQueue

OUTCOMES = (JobState.READY, JobState.FAILED, JobState.POISONED)
LARGEST_JOB = 4
MOST_WORKERS, MOST_LANES = 3, 3
LARGE = st.sampled_from([4, 3, 2, 1, 4])
AHEAD, SIZE = st.integers(1, 12), st.integers(1, LARGEST_JOB)

Event = Callable[["FaultyPool", Any], None]


def happens(when: Callable[[FaultyPool], Any]) -> Callable[[Event], Event]:
    """Make a rule of an event, after which the pool goes on for a while.

    Faults are drawn among much ordinary life that way, whichever rules a run of the machine leaves out.
    """

    def decorate(event: Event) -> Event:
        @functools.wraps(event)
        def event_and_life(self: FaultyPool, data: Any, steps: int) -> None:
            event(self, data)
            self.go_on(data, steps)

        del event_and_life.__wrapped__  # its signature is not the rule's
        ruled = rule(data=st.data(), steps=st.integers(1, 12))(event_and_life)
        return precondition(when)(ruled)

    return decorate


def jobs_out(machine: FaultyPool) -> bool:
    return bool(machine._busy())


class FaultyPool(RuleBasedStateMachine):
    """The pool, its consumers and bad luck, around a scheduler of any kind."""

    kind: type[Scheduler] = Scheduler

    @initialize(
        depth=st.integers(1, 4),
        deaths=st.sampled_from([2, 1, 3]),
        workers=st.integers(0, MOST_WORKERS),
        aheads=st.lists(AHEAD, max_size=2),
        eager=st.booleans(),
        staffed=st.booleans(),
    )
    def begin(
        self, depth: int, deaths: int, workers: int, aheads: list[int], eager: bool, staffed: bool
    ) -> None:
        """Make a pool; `eager` ones issue at once what they can, `staffed` ones replace the dead at once."""
        self.depth, self.deaths, self.eager, self.staffed = depth, deaths, eager, staffed
        self.scheduler = self.kind(depth, deaths)
        self.workers: dict[int, SimWorker] = {}
        self.next_worker = 0
        self.queues: list[TicketQueue] = []
        self.closed: set[int] = set()
        self.planned: Counter[int] = Counter()
        self.taken: Counter[int] = Counter()
        self.shadows: dict[Key, Shadow] = {}
        self.owner: dict[int, Key] = {}
        self.memory: dict[int, tuple[Key, ...]] = {}
        self.leased: list[tuple[int, Key, tuple[Key, ...] | None]] = []
        self.past: list[tuple[int, Assignment]] = []
        for _ in range(workers):
            self.join()
        for ahead in aheads:
            self.open_queue(Script(ahead))

    def go_on(self, data: Any, steps: int) -> None:
        """Take a few of the steps that pools take all the time."""
        for _ in range(steps):
            self.everything_is_as_the_books_say()
            possible = [
                (self.join, not self.workers),
                (self.open_queue, not self._open()),
                (self.plan, self._roomy()),
                (self.issue, not self.eager),
                (self.load, self._busy()),
                (self.report, self._reporting()),
                (self.take, self._ready()),
                (self.give_back, self.leased),
            ]
            step = data.draw(st.sampled_from([step for step, ready in possible if ready] or [self.issue]))
            step(data)

    @happens(lambda self: True)
    def nothing_happens(self, data: Any) -> None:
        """Go on."""

    # -- queues and their tickets ------------------------------------------------------------------------

    def open_queue(self, data: Any) -> None:
        self.queues.append(self.scheduler.open_queue(data.draw(AHEAD)))

    @happens(lambda self: len(self._open()) < MOST_LANES)
    def open_another_queue(self, data: Any) -> None:
        self.open_queue(data)

    def plan(self, data: Any) -> None:
        queue = data.draw(st.sampled_from(self._roomy()))
        room = self.scheduler.room(queue)
        keys = [(queue.key, self.planned[queue.key] + at) for at in range(data.draw(LARGE))][:room]
        unsendable = data.draw(st.sampled_from([0] * 8 + [1, 2, 3, 4]))  # mostly none
        for at, key in enumerate(keys):
            self.shadows[key] = Shadow(unsendable=at == unsendable - 1)
        self.planned[queue.key] += len(keys)
        self.scheduler.plan(queue, *keys)

    @happens(lambda self: self._open())
    def end_queue(self, data: Any) -> None:
        self.scheduler.end(data.draw(st.sampled_from(self._open())))

    @happens(lambda self: self.queues)
    def close_queue(self, data: Any) -> None:
        queue = self.queues.pop(data.draw(st.integers(0, len(self.queues) - 1)))
        out = {
            sent.assignment.slot: name
            for name, worker in self.workers.items()
            for sent in worker.unfinished()
            if sent.assignment.queue == queue.key
        }
        kept = set(out) | {slot for slot, _, _ in self.leased}
        for slot in [slot for slot, key in self.owner.items() if key[0] == queue.key and slot not in kept]:
            del self.owner[slot]
        assert self.scheduler.close_queue(queue) == set(out.values())
        self.closed.add(queue.key)

    # -- what workers do --------------------------------------------------------------------------------

    @happens(lambda self: len(self.workers) < MOST_WORKERS)
    def join_others(self, data: Any) -> None:
        self.join()

    def join(self, _: object = None) -> None:
        self.next_worker += 1
        self.workers[self.next_worker] = SimWorker()
        self.scheduler.join(self.next_worker)

    def load(self, data: Any) -> None:
        """Load some tickets of a job; after the last one, report."""
        self._load(self.workers[data.draw(st.sampled_from(self._busy()))], data.draw(SIZE))

    @happens(jobs_out)
    def fail(self, data: Any) -> None:
        """Raise at the next ticket."""
        worker = self.workers[data.draw(st.sampled_from(self._busy()))]
        self._write(worker, 0)
        self._finish(worker, False)

    def report(self, data: Any) -> None:
        self._arrive(data.draw(st.sampled_from(self._reporting())))

    @happens(lambda self: self.past)
    def repeat_report(self, data: Any) -> None:
        """Have a report arrive again, or one of the dead arrive at last."""
        name, assignment = data.draw(st.sampled_from(self.past))
        assert self._answer(data.draw(st.booleans()), name, assignment) is None

    @happens(jobs_out)
    def forge_report(self, data: Any) -> None:
        """Have a report arrive that is wrong in one place."""
        wrong = data.draw(st.sampled_from(["number", "number", "attempt", "slot", "worker", "queue"]))
        name = data.draw(st.sampled_from(self._busy()))
        assignment = data.draw(st.sampled_from(self.workers[name].inbox)).assignment
        by = data.draw(st.sampled_from([-1, 1, 2]))
        if wrong == "worker":
            name += by
        else:
            assignment = assignment._replace(**{wrong: getattr(assignment, wrong) + by})
        worker = self.workers.get(name, SimWorker())
        if all(assignment != sent.assignment for sent in worker.unfinished()):
            assert self._answer(True, name, assignment) is None

    @happens(lambda self: self.workers)
    def die(self, data: Any) -> None:
        """Lose a worker and some of its reports; the load under way may be known."""
        name = data.draw(st.sampled_from(self._busy() * 3 + sorted(self.workers)))
        worker = self.workers[name]
        for _ in range(data.draw(st.integers(0, len(worker.reports)))):
            self._arrive(name)
        loads = [load for sent in worker.unfinished() for load in sent.loads()]
        past = [(*assignment.key, assignment.attempt) for _, assignment in self.past[-2:]]
        self._bury(name, data.draw(st.sampled_from([None, (0, 0, 0), *past, *loads * 3])))

    @happens(jobs_out)
    def meet_deaths(self, data: Any) -> None:
        """Have one ticket kill the workers that get it, one after the other, to be blamed or not."""
        sent = data.draw(st.sampled_from([sent for w in self.workers.values() for sent in w.inbox]))
        deadly, blamed = data.draw(st.sampled_from(sent.tickets)), data.draw(st.booleans())
        for _ in range(self.deaths):
            for name, worker in list(self.workers.items()):
                at = [load for sent in worker.inbox for load in sent.loads() if load[:2] == deadly]
                if at:
                    self._bury(name, at[0] if blamed else None)
            if not self.workers:
                self.join()
            self.issue()

    @happens(jobs_out)
    def run_ahead(self, data: Any) -> None:
        """Have one worker finish all that it has."""
        name = data.draw(st.sampled_from(self._busy()))
        self._work_off(name)
        for queue in self.queues:
            while self.scheduler.ready(queue):
                self._take(queue)

    # -- what the pool and its consumers do -------------------------------------------------------------

    def issue(self, _: object = None) -> None:
        seen: Counter[Key] = Counter()
        while jobs := self.scheduler.issue():
            seen.update(key for job in jobs for key in job.tickets)
            assert max(seen.values()) <= 2, "a ticket is sent again and again"  # as one of many, then alone
            order = [(job.number, job.queue) for job in jobs]
            waiting = [
                (job.number, queue.key)
                for queue in self.queues
                for job in queue.jobs.values()
                if job.state is JobState.PENDING
            ]
            assert order == sorted(order), "a higher number went out before a lower one"
            assert not waiting or order[-1] < min(waiting), "a lower number was left waiting"
            for job in jobs:
                self._send(job)
        self._check_idle()

    def take(self, data: Any) -> None:
        self._take(data.draw(st.sampled_from(self._ready())))

    def give_back(self, data: Any) -> None:
        slot, key, value = self.leased.pop(data.draw(st.integers(0, len(self.leased) - 1)))
        assert self.owner.pop(slot, None) == key
        assert value is None or self.memory[slot] == value, "a value changed while the consumer had it"
        self.scheduler.give_back(slot)

    # -- the same without a choice ----------------------------------------------------------------------

    def _open(self) -> list[TicketQueue]:
        return [queue for queue in self.queues if not queue.ended]

    def _roomy(self) -> list[TicketQueue]:
        return [queue for queue in self.queues if 2 * self.scheduler.room(queue) >= queue.ahead]

    def _ready(self) -> list[TicketQueue]:
        return [queue for queue in self.queues if self.scheduler.ready(queue)]

    def _reporting(self) -> list[int]:
        return [name for name, worker in self.workers.items() if worker.reports]

    def _busy(self) -> list[int]:
        return [name for name, worker in self.workers.items() if worker.inbox]

    def _send(self, job: Job) -> None:
        """Send a job to its worker, as the pool does: tickets that cannot go together go one by one."""
        assignment = Assignment(job.queue, job.number, job.attempt, job.slot)
        assert job.tickets == tuple((job.queue, job.number + at) for at in range(len(job.tickets)))
        assert self.owner.get(job.slot, assignment.key) == assignment.key, "a slot with two owners"
        assert self.shadows[assignment.key].slot in (-1, job.slot), "a retry changed its slot"
        assert {self.shadows[key].attempts for key in job.tickets} == {job.attempt}
        assert job.deaths == self.shadows[assignment.key].deaths
        assert len(self.workers[job.worker].unfinished()) < self.depth
        self.owner[job.slot] = assignment.key
        self.shadows[assignment.key].slot = job.slot
        name = job.worker
        if not any(self.shadows[key].unsendable for key in job.tickets):
            self.workers[name].inbox.append(Sent(assignment, job.tickets))
        elif len(job.tickets) > 1:
            self.scheduler.withdraw(job)
            assert self._answer(True, name, assignment) is None
        else:
            self.memory[job.slot] = ()
            assert self._answer(False, name, assignment) is job
            assert job.state is JobState.FAILED

    def _check_idle(self) -> None:
        """Nothing waits while a worker has room."""
        held = [len(worker.unfinished()) for worker in self.workers.values()]
        if any(count < self.depth for count in held):
            waiting = [
                job for queue in self.queues for job in queue.jobs.values() if job.state is JobState.PENDING
            ]
            assert not waiting, "a job waits while a worker has room"

    def _write(self, worker: SimWorker, count: int) -> None:
        sent = worker.inbox[0]
        slot = sent.assignment.slot
        assert self.owner.get(slot) == sent.assignment.key, "a worker writes to a slot not its own"
        worker.at = min(worker.at + count, len(sent.tickets))
        self.memory[slot] = sent.tickets[: worker.at]

    def _load(self, worker: SimWorker, count: int) -> None:
        self._write(worker, count)
        if worker.at == len(worker.inbox[0].tickets):
            self._finish(worker, True)

    def _finish(self, worker: SimWorker, fine: bool) -> None:
        worker.reports.append(Report(fine, worker.inbox.pop(0)))
        worker.at = 0

    def _work_off(self, name: int) -> None:
        worker = self.workers[name]
        while worker.inbox:
            self._load(worker, LARGEST_JOB)
        while worker.reports:
            self._arrive(name)

    def _answer(self, fine: bool, name: int, assignment: Assignment) -> Job | None:
        return (self.scheduler.done if fine else self.scheduler.failed)(name, *assignment)

    def _arrive(self, name: int) -> None:
        fine, (assignment, tickets) = self.workers[name].reports.pop(0)
        job = self._answer(fine, name, assignment)
        self.past.append((name, assignment))
        if assignment.queue in self.closed:
            assert job is None, "a result of a closed queue counts"
            assert self.owner.pop(assignment.slot, None) == assignment.key
        else:
            assert job is not None, "a result does not count"
            assert job.state is (JobState.READY if fine else JobState.FAILED)
            assert (*assignment, tickets) == (job.queue, job.number, job.attempt, job.slot, job.tickets)

    def _bury(self, name: int, at: tuple[int, int, int] | None) -> None:
        """Let a worker die; its tickets come back as one job each, in the same order."""
        unfinished = self.workers.pop(name).unfinished()
        self.past += [(name, sent.assignment) for sent in unfinished]
        again = self.scheduler.died(name, "cause", at)
        expected: list[tuple[Key, int, int]] = []
        for assignment, tickets in unfinished:
            if assignment.queue in self.closed:
                assert self.owner.pop(assignment.slot, None) == assignment.key
                continue
            for key in tickets:
                shadow = self.shadows[key]
                shadow.deaths += (*key, assignment.attempt) == at
                if shadow.deaths >= self.deaths:
                    self._see_poisoned(key)
                    continue
                shadow.attempts += 1
                expected.append((key, shadow.attempts, shadow.slot))
        assert [((job.queue, job.number), job.attempt, job.slot) for job in again] == expected
        assert all(job.tickets == ((job.queue, job.number),) for job in again)
        if self.staffed:
            self.join()

    def _see_poisoned(self, key: Key) -> None:
        """A ticket that is set apart has a slot like any other, and no one else has that."""
        (queue,) = [queue for queue in self.queues if queue.key == key[0]]
        slot = queue.jobs[key[1]].slot
        assert slot >= 0, "an outcome without a slot"
        assert self.owner.get(slot, key) == key, "a slot with two owners"
        self.owner[slot] = key

    def _take(self, queue: TicketQueue) -> None:
        job = self.scheduler.take(queue)
        first = (queue.key, self.taken[queue.key])
        assert (job.queue, job.number) == first
        assert job.tickets == tuple((queue.key, first[1] + at) for at in range(len(job.tickets)))
        assert self.owner.get(job.slot) == first
        self.taken[queue.key] += len(job.tickets)
        value = None if job.state is JobState.POISONED else self.memory.get(job.slot)
        if job.state is JobState.READY:
            assert value == job.tickets
        elif job.state is JobState.FAILED:
            assert value is not None
            assert value == job.tickets[: len(value)] != job.tickets
        else:
            assert (job.state, len(job.tickets), job.outcome) == (JobState.POISONED, 1, "cause")
        assert (self.shadows[first].deaths >= self.deaths) == (job.state is JobState.POISONED)
        self.leased.append((job.slot, first, value))
        assert self.scheduler.leased(job.slot) == sum(key[0] == queue.key for _, key, _ in self.leased)

    # -- what always holds ------------------------------------------------------------------------------

    @invariant()
    def everything_is_as_the_books_say(self) -> None:
        if not hasattr(self, "scheduler"):
            return
        if self.eager:
            self.issue()
        assert sorted(self.scheduler.workers()) == sorted(self.workers)
        self.every_slot_is_free_or_has_an_owner()
        for queue in self.queues:
            self.counts_are_of_tickets(queue)

    def every_slot_is_free_or_has_an_owner(self) -> None:
        free = self.scheduler._free
        assert len(set(free)) == len(free)
        assert set(free) | set(self.owner) == set(range(self.scheduler._slots))
        assert not set(free) & set(self.owner)

    def counts_are_of_tickets(self, queue: TicketQueue) -> None:
        taken, planned = self.taken[queue.key], self.planned[queue.key]
        assert (queue.delivered, queue.planned) == (taken, planned)
        assert planned - taken <= queue.ahead, "a queue is beyond its bound"
        assert self.scheduler.room(queue) == (0 if queue.ended else queue.ahead - planned + taken)
        assert self.scheduler.finished(queue) == (queue.ended and taken == planned)
        attempts = [self.shadows[queue.key, number].attempts for number in range(planned)]
        assert queue.retried == sum(attempts) - planned
        # Jobs lie behind one another without a gap: what is the next to be taken is always there.
        covered = sorted(job.number + at for job in queue.jobs.values() for at in range(len(job.tickets)))
        assert covered == list(range(taken, planned))
        assert all(number == job.number for number, job in queue.jobs.items())

    def teardown(self) -> None:
        """With a healthy worker everything that was planned is delivered, and all slots are free again."""
        if not hasattr(self, "scheduler"):
            return
        for queue in self.queues:
            self.scheduler.end(queue)
        if not self.workers:
            self.join()
        for _ in range(len(self.shadows) + 2):  # each round delivers one job of a queue at least
            self.issue()
            for name in self.workers:
                self._work_off(name)
            for queue in self.queues:
                while self.scheduler.ready(queue):
                    self._take(queue)
            if all(self.scheduler.finished(queue) for queue in self.queues):
                break
        assert all(self.scheduler.finished(queue) for queue in self.queues), (
            "what was planned is never delivered"
        )
        while self.leased:
            self.give_back(Script(-1))
        assert not self.owner
        self.every_slot_is_free_or_has_an_owner()
