"""Logs of the real scheduler under random faults, written down as processes that a model checker can run."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path

from streamfit.workers.pool.scheduler import MAX_DEATHS, Job, JobState, Scheduler, TicketQueue

WORKERS, QUEUES, TICKETS, SLOTS, NONE = 3, 8, 8, 80, 255
_STATES = {
    JobState.PENDING: 1,
    JobState.ISSUED: 2,
    JobState.READY: 3,
    JobState.FAILED: 4,
    JobState.POISONED: 5,
    JobState.DROPPED: 6,
}

LARGEST = 3
EVENTS = (
    *("open", "plan", "end", "close", "join", "death", "issue", "settled", "withdraw"),
    *("answer", "take", "return", "job", "queue"),
)
Event = tuple[str, tuple[int, ...]]
Header = tuple[int, int, int, int]
Sent = tuple[Header, int]  # and how many tickets


def byte(number: int) -> int:
    """Write "none", which is -1 here, the way the model does."""
    return NONE if number < 0 else number


def job_index(queue: int, number: int) -> int:
    """Number jobs through all queues; jobs that are none have no index."""
    return queue * TICKETS + number if 0 <= queue < QUEUES and 0 <= number < TICKETS else NONE


@dataclass
class Driver:
    """Drives a scheduler as a pool, its consumers and bad luck may do, and logs it.

    Workers go by the numbers 0 to 2 for ever: one that takes the place of a dead one takes its number, too.
    """

    scheduler: Scheduler
    depth: int
    random: random.Random
    events: list[Event] = field(default_factory=list)
    queues: list[TicketQueue] = field(default_factory=list)
    opened: int = 0
    inbox: dict[int, list[Sent]] = field(default_factory=dict)
    leased: list[int] = field(default_factory=list)
    past: list[tuple[int, Header]] = field(default_factory=list)

    def log(self, name: str, *arguments: int) -> None:
        self.events.append((name, tuple(byte(int(argument)) for argument in arguments)))

    def run(self, steps: int) -> list[Event]:
        """Take random steps; return the log."""
        actions = (
            *[self.open_queue, self.join] * 2,
            *[self.plan, self.issue, self.answer, self.take, self.look, self.ask] * 4,
            *[self.echo, self.forge, self.give_back, self.end] * 2,
            *(self.die, self.meet_deadly_ticket, self.close_queue),
        )
        for _ in range(steps):
            self.random.choice(actions)()
        return self.events

    # -- queues and consumers ----------------------------------------------------------------------------

    def open_queue(self) -> None:
        if self.opened < QUEUES and len(self.queues) < 2:
            queue = self.scheduler.open_queue(self.random.randint(1, 5))
            self.queues.append(queue)
            self.opened += 1
            self.log("open", queue.key - 1, queue.ahead)

    def plan(self) -> None:
        for queue in self.queues:
            if self.scheduler.room(queue) > 0 and queue.planned < TICKETS:
                most = min(self.scheduler.room(queue), TICKETS - queue.planned, LARGEST)
                size = self.random.randint(1, most)
                self.log("plan", queue.key - 1, queue.planned, size)
                self.scheduler.plan(queue, *[None] * size)

    def end(self) -> None:
        for queue in self.queues:
            if queue.planned == TICKETS or self.random.random() < 0.1:
                self.scheduler.end(queue)
                self.log("end", queue.key - 1)

    def take(self) -> None:
        for queue in filter(self.scheduler.ready, self.queues):
            job = self.scheduler.take(queue)
            self.leased.append(job.slot)
            self.log("take", queue.key - 1, job.number, job.slot, _STATES[job.state], len(job.tickets))

    def give_back(self) -> None:
        if self.leased:
            slot = self.leased.pop(self.random.randrange(len(self.leased)))
            self.scheduler.give_back(slot)
            self.log("return", slot)

    def close_queue(self) -> None:
        if self.queues and self.random.random() < 0.2:
            queue = self.queues.pop(self.random.randrange(len(self.queues)))
            self.scheduler.close_queue(queue)
            self.log("close", queue.key - 1)

    # -- workers ----------------------------------------------------------------------------------------

    def join(self) -> None:
        absent = sorted(set(range(WORKERS)) - set(self.inbox))
        if absent:
            worker = self.random.choice(absent)
            self.inbox[worker] = []
            self.scheduler.join(worker)
            self.log("join", worker)

    def issue(self) -> None:
        while jobs := self.scheduler.issue():
            for job in jobs:
                header = (job.queue - 1, job.number, job.attempt, job.slot)
                self.log("issue", job.worker, *header, len(job.tickets))
                self.inbox[job.worker].append((header, len(job.tickets)))
            self.log("settled")
            for job in jobs:
                if len(job.tickets) > 1 and self.random.random() < 0.1:
                    self.inbox[job.worker].remove(
                        ((job.queue - 1, job.number, job.attempt, job.slot), len(job.tickets))
                    )
                    self.scheduler.withdraw(job)
                    self.log("withdraw", job.queue - 1, job.number)
        self.log("settled")

    def answer(self) -> None:
        busy = [worker for worker, jobs in self.inbox.items() if jobs]
        if busy:
            worker = self.random.choice(busy)
            header, _ = self.inbox[worker].pop(self.random.randrange(len(self.inbox[worker])))
            self.past.append((worker, header))
            self._report(worker, header)

    def die(self) -> None:
        if self.inbox:
            worker = self.random.choice(sorted(self.inbox))
            nothing = (-1, -1, 0)
            loads = [load for sent in self.inbox[worker] for load in _loads(sent)]
            self._bury(worker, self.random.choice([nothing, *loads * 3]))

    def meet_deadly_ticket(self) -> None:
        """Have the ticket that one worker is at kill it, and those that get it next."""
        out = [_loads(jobs[0]) for jobs in self.inbox.values() if jobs]
        deadly = self.random.choice(out[0])[:2] if out else None
        for _ in range(MAX_DEATHS):
            for worker, jobs in list(self.inbox.items()):
                for load in [load for sent in jobs for load in _loads(sent)]:
                    if load[:2] == deadly:
                        self._bury(worker, load)
            self.join()
            self.issue()

    def _bury(self, worker: int, at: tuple[int, int, int]) -> None:
        jobs = self.inbox.pop(worker)
        self.past += [(worker, header) for header, _ in jobs]
        queue, number, attempt = at
        self.scheduler.died(worker, "cause", None if queue < 0 else (queue + 1, number, attempt))
        self.log("death", worker, job_index(queue, number), attempt)
        for queue, number, _ in [load for sent in jobs for load in _loads(sent)]:
            self._look_at(queue, number)

    def echo(self) -> None:
        """Have a result from the past arrive again, or one from the dead arrive at last."""
        if self.past:
            self._report(*self.random.choice(self.past))

    def forge(self) -> None:
        """Have a result arrive that is wrong in one place."""
        out = [(worker, header) for worker, jobs in self.inbox.items() for header, _ in jobs]
        if out:
            worker, (queue, number, attempt, slot) = self.random.choice(out)
            wrong = [
                ((worker + 1) % WORKERS, (queue, number, attempt, slot)),
                (worker, (queue, number, attempt + 1, slot)),
                (worker, (queue, number, attempt, slot + 1)),
                (worker, (queue, number, attempt - 1, slot)),
                (worker, (queue, number + 1, attempt, slot)),  # the next in the same job, perhaps
                (worker, (queue, TICKETS, attempt, slot)),
                (worker, (QUEUES, number, attempt, slot)),
            ]
            self._report(*self.random.choice(wrong))

    def _report(self, worker: int, header: Header) -> None:
        fine = self.random.random() < 0.8
        queue, number, attempt, slot = header
        method = self.scheduler.done if fine else self.scheduler.failed
        job = method(worker, queue + 1, number, attempt, slot)
        self.log("answer", worker, *header, (3 if fine else 4) + 8 * (job is not None))

    # -- what can be seen from outside ------------------------------------------------------------------

    def look(self) -> None:
        for queue in self.queues:
            for number in queue.jobs:
                self._look_at(queue.key - 1, number)

    def ask(self) -> None:
        for queue in self.queues:
            answers = self.scheduler.room(queue), self.scheduler.ready(queue), self.scheduler.finished(queue)
            self.log("queue", queue.key - 1, *answers, queue.retried)

    def _look_at(self, queue: int, number: int) -> None:
        jobs = [
            found.jobs[number] for found in self.queues if found.key == queue + 1 and number in found.jobs
        ]
        for job in jobs:
            self.log("job", queue, number, *_visible(job))


def _loads(sent: Sent) -> list[tuple[int, int, int]]:
    """Return queue, number and attempt of each ticket of a job."""
    (queue, number, attempt, _), size = sent
    return [(queue, number + at, attempt) for at in range(size)]


def _visible(job: Job) -> tuple[int, int, int, int]:
    return _STATES[job.state], job.slot, job.attempt, job.deaths + 16 * len(job.tickets)


def trace(seed: int, steps: int, depth: int, kind: type[Scheduler] = Scheduler) -> list[Event]:
    """Return the log of a scheduler that was driven at random; the same seed gives the same log."""
    return Driver(kind(depth), depth, random.Random(seed)).run(steps)


def write(traces: list[list[Event]], depth: int, acceptor: Path, folder: Path) -> Path:
    """Write a model that runs any one of some logs against the acceptor, and a file with the logs."""
    sizes = {"WORKERS": WORKERS, "QUEUES": QUEUES, "TICKETS": TICKETS, "SLOTS": SLOTS, "DEPTH": depth}
    sizes |= {"MAX_DEATHS": MAX_DEATHS, "LARGEST": LARGEST, "COUNT_RETRIED": 1}
    sizes |= {f"{name}_event": number for number, name in enumerate(EVENTS, 1)}
    defines = [f"#define {name} {value}" for name, value in sizes.items()]
    ends = list(itertools.accumulate(map(len, traces)))
    runs = [f"\t\t:: run Trace({begin}, {end})" for begin, end in zip([0, *ends], ends, strict=False)]
    init = ["init {", "\tatomic {", "\t\trun Acceptor();", "\t\tif", *runs, "\t\tfi", "\t}", "}", ""]
    rows = ",\n".join(_row(*event) for events in traces for event in events)
    (folder / "told.h").write_text(f"static const unsigned char told[][7] = {{\n{rows}\n}};\n", "utf-8")
    path = folder / "traces.pml"
    lines = [*defines, 'c_decl { \\#include "told.h" }', f'#include "{acceptor}"', *init]
    path.write_text("\n".join(lines), "utf-8")
    return path


def _row(name: str, arguments: tuple[int, ...]) -> str:
    return f"{{{','.join(map(str, (EVENTS.index(name) + 1, *arguments)))}}}"


def corrupt(events: list[Event], seed: int) -> tuple[list[Event], str]:
    """Return a log with one result changed to an impossible one, and a description of the change."""
    chance = random.Random(seed)
    kind = chance.choice(sorted({event[0] for event in events if _lies(event)}))
    lies = [(at, lie) for at, event in enumerate(events) if event[0] == kind for lie in _lies(event)]
    at, lie = chance.choice(lies)
    return [*events[:at], lie, *events[at + 1 :]], f"event {at}: {events[at]} became {lie}"


def _lies(event: Event) -> list[Event]:
    """List changes of an event that cannot be true if the event was."""
    name, values = event
    changed: list[tuple[int, ...]] = []
    if name == "issue":  # another job, attempt, size
        changed = [tuple(values[k] + (k == place) for k in range(6)) for place in (2, 3, 5)]
    elif name == "answer":  # it counted: it did not; the other way round
        changed = [(*values[:5], values[5] ^ 8)]
    elif name == "take":  # number, slot, state, size
        changed = [tuple(values[k] + (k == place) for k in range(5)) for place in (1, 2, 3, 4)]
    elif name == "job":
        changed = [tuple(values[k] + (k == place) for k in range(6)) for place in (2, 3, 4, 5)]
    elif name == "queue":
        changed = [(values[0], values[1] + 1, *values[2:])]
        changed += [(*values[:2], 1 - values[2], *values[3:]), (*values[:3], 1 - values[3], values[4])]
        changed += [(*values[:4], values[4] + 1)]
    elif name == "plan":
        changed = [(values[0], values[1] + 1, values[2])]
    return [(name, tuple(value % 256 for value in change)) for change in changed]
