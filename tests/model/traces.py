"""Logs of the real scheduler under random faults, written down as processes that a model checker can run."""

from __future__ import annotations

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

Event = tuple[str, tuple[int, ...]]
Header = tuple[int, int, int, int]


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
    inbox: dict[int, list[Header]] = field(default_factory=dict)
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
                self.log("plan", lane.key - 1, lane.planned)
                self.scheduler.plan(lane, None)

    def end(self) -> None:
        for lane in self.lanes:
            if lane.planned == TICKETS or self.random.random() < 0.1:
                self.scheduler.end(lane)
                self.log("end", lane.key - 1)

    def take(self) -> None:
        for lane in filter(self.scheduler.ready, self.lanes):
            job = self.scheduler.take(lane)
            self.lent.append(job.slot)
            self.log("take", lane.key - 1, job.number, job.slot, _STATES[job.state])

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
        for job in self.scheduler.issue():
            self.inbox[job.worker].append((job.lane - 1, job.number, job.attempt, job.slot))
            self.log("issue", job.worker, *self.inbox[job.worker][-1])
        self.log("settled")

    def answer(self) -> None:
        busy = [worker for worker, headers in self.inbox.items() if headers]
        if busy:
            worker = self.random.choice(busy)
            header = self.inbox[worker].pop(self.random.randrange(len(self.inbox[worker])))
            self.past.append((worker, header))
            self._report(worker, header)

    def die(self) -> None:
        if self.inbox:
            worker = self.random.choice(sorted(self.inbox))
            nothing = (-1, -1, 0, -1)
            self._bury(worker, self.random.choice([nothing, *self.inbox[worker] * 3]))

    def meet_deadly_ticket(self) -> None:
        """Have the ticket that one worker is at kill it, and those that get it next."""
        deadly = next((headers[0][:2] for headers in self.inbox.values() if headers), None)
        for _ in range(MAX_DEATHS):
            for worker, headers in list(self.inbox.items()):
                for header in headers:
                    if header[:2] == deadly:
                        self._bury(worker, header)
            self.join()
            self.issue()

    def _bury(self, worker: int, at: Header) -> None:
        headers = self.inbox.pop(worker)
        self.past += [(worker, header) for header in headers]
        lane, number, attempt, _ = at
        self.scheduler.died(worker, "cause", None if lane < 0 else (lane + 1, number, attempt))
        self.log("death", worker, job_index(lane, number), attempt)
        for header in headers:
            self._look_at(header[0], header[1])

    def echo(self) -> None:
        """Have a result from the past arrive again, or one from the dead arrive at last."""
        if self.past:
            self._report(*self.random.choice(self.past))

    def forge(self) -> None:
        """Have a result arrive that is wrong in one place."""
        out = [(worker, header) for worker, headers in self.inbox.items() for header in headers]
        if out:
            worker, (lane, number, attempt, slot) = self.random.choice(out)
            wrong = [
                ((worker + 1) % WORKERS, (lane, number, attempt, slot)),
                (worker, (lane, number, attempt + 1, slot)),
                (worker, (lane, number, attempt, slot + 1)),
                (worker, (lane, number, attempt - 1, slot)),
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
            self.log("lane", lane.key - 1, *answers)

    def _look_at(self, lane: int, number: int) -> None:
        jobs = [found.jobs[number] for found in self.lanes if found.key == lane + 1 and number in found.jobs]
        for job in jobs:
            self.log("job", lane, number, *_visible(job))


def _visible(job: Job) -> tuple[int, int, int, int]:
    return _STATES[job.state], job.slot, job.attempt, job.deaths


def trace(seed: int, steps: int, depth: int, kind: type[Scheduler] = Scheduler) -> list[Event]:
    """Return the log of a scheduler that was driven at random; the same seed gives the same log."""
    return Driver(kind(depth), depth, random.Random(seed)).run(steps)


def promela(traces: list[list[Event]], depth: int, acceptor: Path) -> str:
    """Write a model that runs any one of some logs against the acceptor."""
    sizes = {"WORKERS": WORKERS, "LANES": LANES, "TICKETS": TICKETS, "SLOTS": SLOTS, "DEPTH": depth}
    defines = [f"#define {name} {value}" for name, value in (sizes | {"MAX_DEATHS": MAX_DEATHS}).items()]
    processes = []
    for index, events in enumerate(traces):
        sends = ";\n".join(f"\tlog!{name}_event({_six(arguments)})" for name, arguments in events)
        processes.append(f"proctype Trace{index}()\n{{\n{sends}\n}}\n")
    choices = "\n".join(f"\t\t:: run Trace{index}()" for index in range(len(traces)))
    begin = f"init {{\n\tatomic {{\n\t\trun Acceptor();\n\t\tif\n{choices}\n\t\tfi\n\t}}\n}}\n"
    return "\n".join([*defines, f'#include "{acceptor}"', *processes, begin])


def _six(arguments: tuple[int, ...]) -> str:
    return ", ".join(str(argument) for argument in (arguments + (0,) * 6)[:6])


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
    if name == "issue":  # another job, attempt
        changed = [(*told[:2], told[2] + 1, *told[3:]), (*told[:3], told[3] + 1, told[4])]
    elif name == "answer":  # it counted: it did not; the other way round
        changed = [(*told[:5], told[5] ^ 8)]
    elif name == "take":  # number, slot, state
        changed = [tuple(told[k] + (k == place) for k in range(4)) for place in (1, 2, 3)]
    elif name == "job":
        changed = [tuple(told[k] + (k == place) for k in range(6)) for place in (2, 3, 4, 5)]
    elif name == "lane":
        changed = [(told[0], told[1] + 1, *told[2:])]
        changed += [(*told[:2], 1 - told[2], told[3]), (*told[:3], 1 - told[3])]
    elif name == "plan":
        changed = [(told[0], told[1] + 1)]
    return [(name, tuple(value % 256 for value in change)) for change in changed]
