"""Logs of the real scheduler under random faults, written down as processes that a model checker can run."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path

from streamfit.workers.scheduler import MAX_DEATHS, Job, Lane, Scheduler, State

WORKERS, LANES, TICKETS, SLOTS, NONE = 3, 8, 8, 80, 255
_STATES = {
    State.PENDING: 1,
    State.ISSUED: 2,
    State.READY: 3,
    State.FAILED: 4,
    State.POISONED: 5,
    State.DROPPED: 6,
}

LARGEST = 3
EVENTS = (
    *("open", "plan", "end", "close", "join", "death", "issue", "settled", "withdraw"),
    *("answer", "take", "return", "job", "lane"),
)
Event = tuple[str, tuple[int, ...]]
Header = tuple[int, int, int, int]
Sent = tuple[Header, int]  # and how many tickets


def byte(number: int) -> int:
    """Write "none", which is -1 here, the way the model does."""
    return NONE if number < 0 else number


def job_index(lane: int, number: int) -> int:
    """Number jobs through all lanes; jobs that are none have no index."""
    return lane * TICKETS + number if 0 <= lane < LANES and 0 <= number < TICKETS else NONE


@dataclass
class Driver:
    """Does to a scheduler what a pool, its consumers and bad luck may do, and logs it.

    Workers go by the numbers 0 to 2 for ever: one that takes the place of a dead one takes its number, too.
    """

    scheduler: Scheduler
    depth: int
    random: random.Random
    events: list[Event] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    opened: int = 0
    inbox: dict[int, list[Sent]] = field(default_factory=dict)
    lent: list[int] = field(default_factory=list)
    past: list[tuple[int, Header]] = field(default_factory=list)

    def log(self, name: str, *arguments: int) -> None:
        self.events.append((name, tuple(byte(int(argument)) for argument in arguments)))

    def run(self, steps: int) -> list[Event]:
        """Take random steps; return what was logged."""
        actions = (
            *[self.open_lane, self.join] * 2,
            *[self.plan, self.issue, self.answer, self.take, self.look, self.ask] * 4,
            *[self.echo, self.forge, self.give_back, self.end] * 2,
            *(self.die, self.meet_deadly_ticket, self.close_lane),
        )
        for _ in range(steps):
            self.random.choice(actions)()
        return self.events

    # -- lanes and consumers ----------------------------------------------------------------------------

    def open_lane(self) -> None:
        if self.opened < LANES and len(self.lanes) < 2:
            lane = self.scheduler.open_lane(self.random.randint(1, 5))
            self.lanes.append(lane)
            self.opened += 1
            self.log("open", lane.key - 1, lane.ahead)

    def plan(self) -> None:
        for lane in self.lanes:
            if self.scheduler.room(lane) > 0 and lane.planned < TICKETS:
                most = min(self.scheduler.room(lane), TICKETS - lane.planned, LARGEST)
                size = self.random.randint(1, most)
                self.log("plan", lane.key - 1, lane.planned, size)
                self.scheduler.plan(lane, *[None] * size)

    def end(self) -> None:
        for lane in self.lanes:
            if lane.planned == TICKETS or self.random.random() < 0.1:
                self.scheduler.end(lane)
                self.log("end", lane.key - 1)

    def take(self) -> None:
        for lane in filter(self.scheduler.ready, self.lanes):
            job = self.scheduler.take(lane)
            self.lent.append(job.slot)
            self.log("take", lane.key - 1, job.number, job.slot, _STATES[job.state], len(job.tickets))

    def give_back(self) -> None:
        if self.lent:
            slot = self.lent.pop(self.random.randrange(len(self.lent)))
            self.scheduler.give_back(slot)
            self.log("return", slot)

    def close_lane(self) -> None:
        if self.lanes and self.random.random() < 0.2:
            lane = self.lanes.pop(self.random.randrange(len(self.lanes)))
            self.scheduler.close_lane(lane)
            self.log("close", lane.key - 1)

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
                header = (job.lane - 1, job.number, job.attempt, job.slot)
                self.log("issue", job.worker, *header, len(job.tickets))
                self.inbox[job.worker].append((header, len(job.tickets)))
            self.log("settled")
            for job in jobs:
                if len(job.tickets) > 1 and self.random.random() < 0.1:
                    self.inbox[job.worker].remove(
                        ((job.lane - 1, job.number, job.attempt, job.slot), len(job.tickets))
                    )
                    self.scheduler.withdraw(job)
                    self.log("withdraw", job.lane - 1, job.number)
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
        lane, number, attempt = at
        self.scheduler.died(worker, "cause", None if lane < 0 else (lane + 1, number, attempt))
        self.log("death", worker, job_index(lane, number), attempt)
        for lane, number, _ in [load for sent in jobs for load in _loads(sent)]:
            self._look_at(lane, number)

    def echo(self) -> None:
        """Have a result from the past arrive again, or one from the dead arrive at last."""
        if self.past:
            self._report(*self.random.choice(self.past))

    def forge(self) -> None:
        """Have a result arrive that is wrong in one place."""
        out = [(worker, header) for worker, jobs in self.inbox.items() for header, _ in jobs]
        if out:
            worker, (lane, number, attempt, slot) = self.random.choice(out)
            wrong = [
                ((worker + 1) % WORKERS, (lane, number, attempt, slot)),
                (worker, (lane, number, attempt + 1, slot)),
                (worker, (lane, number, attempt, slot + 1)),
                (worker, (lane, number, attempt - 1, slot)),
                (worker, (lane, number + 1, attempt, slot)),  # the next in the same job, perhaps
                (worker, (lane, TICKETS, attempt, slot)),
                (worker, (LANES, number, attempt, slot)),
            ]
            self._report(*self.random.choice(wrong))

    def _report(self, worker: int, header: Header) -> None:
        fine = self.random.random() < 0.8
        lane, number, attempt, slot = header
        method = self.scheduler.done if fine else self.scheduler.failed
        job = method(worker, lane + 1, number, attempt, slot)
        self.log("answer", worker, *header, (3 if fine else 4) + 8 * (job is not None))

    # -- what can be seen from outside ------------------------------------------------------------------

    def look(self) -> None:
        for lane in self.lanes:
            for number in lane.jobs:
                self._look_at(lane.key - 1, number)

    def ask(self) -> None:
        for lane in self.lanes:
            answers = self.scheduler.room(lane), self.scheduler.ready(lane), self.scheduler.finished(lane)
            self.log("lane", lane.key - 1, *answers, lane.retried)

    def _look_at(self, lane: int, number: int) -> None:
        jobs = [found.jobs[number] for found in self.lanes if found.key == lane + 1 and number in found.jobs]
        for job in jobs:
            self.log("job", lane, number, *_visible(job))


def _loads(sent: Sent) -> list[tuple[int, int, int]]:
    """Return lane, number and attempt of each ticket of a job."""
    (lane, number, attempt, _), size = sent
    return [(lane, number + at, attempt) for at in range(size)]


def _visible(job: Job) -> tuple[int, int, int, int]:
    return _STATES[job.state], job.slot, job.attempt, job.deaths + 16 * len(job.tickets)


def trace(seed: int, steps: int, depth: int, kind: type[Scheduler] = Scheduler) -> list[Event]:
    """Return the log of a scheduler that was driven at random; the same seed gives the same log."""
    return Driver(kind(depth), depth, random.Random(seed)).run(steps)


def write(traces: list[list[Event]], depth: int, acceptor: Path, folder: Path) -> Path:
    """Write a model that runs any one of some logs against the acceptor, and the logs beside it."""
    sizes = {"WORKERS": WORKERS, "LANES": LANES, "TICKETS": TICKETS, "SLOTS": SLOTS, "DEPTH": depth}
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
    """Return a log with one result changed to what no scheduler could have answered, and what it was."""
    chance = random.Random(seed)
    kind = chance.choice(sorted({event[0] for event in events if _lies(event)}))
    lies = [(at, lie) for at, event in enumerate(events) if event[0] == kind for lie in _lies(event)]
    at, lie = chance.choice(lies)
    return [*events[:at], lie, *events[at + 1 :]], f"event {at}: {events[at]} became {lie}"


def _lies(event: Event) -> list[Event]:
    """List changes of an event that cannot be true if the event was."""
    name, told = event
    changed: list[tuple[int, ...]] = []
    if name == "issue":  # another job, attempt, size
        changed = [tuple(told[k] + (k == place) for k in range(6)) for place in (2, 3, 5)]
    elif name == "answer":  # it counted: it did not; the other way round
        changed = [(*told[:5], told[5] ^ 8)]
    elif name == "take":  # number, slot, state, size
        changed = [tuple(told[k] + (k == place) for k in range(5)) for place in (1, 2, 3, 4)]
    elif name == "job":
        changed = [tuple(told[k] + (k == place) for k in range(6)) for place in (2, 3, 4, 5)]
    elif name == "lane":
        changed = [(told[0], told[1] + 1, *told[2:])]
        changed += [(*told[:2], 1 - told[2], *told[3:]), (*told[:3], 1 - told[3], told[4])]
        changed += [(*told[:4], told[4] + 1)]
    elif name == "plan":
        changed = [(told[0], told[1] + 1, told[2])]
    return [(name, tuple(value % 256 for value in change)) for change in changed]
