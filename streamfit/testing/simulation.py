"""`simulate`: runs the faults of a plan through the scheduler alone, without processes, clocks or memory.

It runs hundreds of schedules a second; its deliveries must be those of a real pool.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from streamfit._base.keys import derive
from streamfit.testing.fault_plan import DEADLY, Fault, FaultPlan
from streamfit.workers.pool.scheduler import Job, JobState, Scheduler, TicketQueue


@dataclass
class Simulation:
    """The outcome of a simulated pass.

    Args:
        delivered: Numbers of the batches that were delivered, in their order.
        failed: The batch that ended the pass, if any: its load raised, or killed too many workers.
        deaths: How many workers died.
        retried: How many tickets were issued again.
        happened: The faults that happened, by batch and attempt.
    """

    delivered: list[int] = field(default_factory=list)
    failed: int | None = None
    deaths: int = 0
    retried: int = 0
    happened: list[Fault] = field(default_factory=list)


def simulate(
    plan: FaultPlan, batches: int, *, workers: int = 2, ahead: int = 10, depth: int = 4, epoch: int = 0
) -> Simulation:
    """Run one pass through the scheduler of the pools, with simulated workers and the faults of a plan.

    Args:
        plan: The faults of the loads.
        batches: Number of batches of the pass.
        workers: Number of workers.
        ahead: How many batches may be issued beyond the delivered one.
        depth: How many unfinished batches a worker may hold.
        epoch: Number of the pass.

    Returns:
        The deliveries and the faults that happened.

    Raises:
        ValueError: The plan stops workers; only a clock can notice that.

    Example:
        >>> outcome = simulate(FaultPlan(1, rate=0.5, kinds=["kill"]), 6)
        >>> outcome.delivered, outcome.deaths == len(outcome.happened)
        ([0, 1, 2, 3, 4, 5], True)
    """
    if plan.needs_deadline:
        raise ValueError("a stopped worker is only noticed by a clock, which a simulation has none of")
    return _Simulator(plan, Scheduler(depth), epoch, ahead).run(batches, workers)


class _Simulator:
    def __init__(self, plan: FaultPlan, scheduler: Scheduler, epoch: int, ahead: int) -> None:
        self.plan, self.scheduler, self.epoch = plan, scheduler, epoch
        self.queue: TicketQueue = scheduler.open_queue(ahead)
        self.inboxes: dict[int, list[tuple[Job, int]]] = {}
        self.starts: dict[int, int] = {}
        self.outcome = Simulation()
        self.born = self.turn = 0

    def run(self, batches: int, workers: int) -> Simulation:
        """Let workers take turns until everything is delivered or one batch has failed."""
        for _ in range(workers):
            self._join()
        planned = 0
        while not self.scheduler.finished(self.queue) and self.outcome.failed is None:
            while planned < batches and self.scheduler.room(self.queue):
                self.scheduler.plan(self.queue, planned)
                planned += 1
            if planned == batches:
                self.scheduler.end(self.queue)
            for job in self.scheduler.issue():
                self.inboxes[job.worker].append((job, job.attempt))
            self._work()
            self._deliver()
        self.outcome.retried = self.queue.retried
        self.outcome.happened.sort(key=lambda fault: (fault.batch, fault.attempt))
        return self.outcome

    def _join(self) -> None:
        self.born += 1
        self.inboxes[self.born] = []
        self.scheduler.join(self.born)

    def _work(self) -> None:
        """Let one worker, drawn with the plan's seed, do its next load."""
        busy = [worker for worker, inbox in self.inboxes.items() if inbox]
        if not busy:
            return
        self.turn += 1
        worker = busy[derive(self.plan.seed, self.turn, "turn") % len(busy)]
        job, attempt = self.inboxes[worker][0]
        fault = self._start(job)
        if fault is not None and fault.kind in DEADLY:
            self._die(worker, fault, (job.queue, job.number, attempt))
            return
        self.inboxes[worker].pop(0)
        arguments = (worker, job.queue, job.number, attempt, job.slot)
        answer = self.scheduler.failed if fault is not None and fault.kind == "raise" else self.scheduler.done
        answer(*arguments)

    def _start(self, job: Job) -> Fault | None:
        """Begin a load; return its fault."""
        self.starts[job.number] = self.starts.get(job.number, 0) + 1
        fault = self.plan.fault(self.epoch, job.number, self.starts[job.number])
        if fault is not None:
            self.outcome.happened.append(fault)
        return fault

    def _loads_alone(self, job: Job) -> bool:
        """Load a batch that killed too many workers in a worker of its own; return whether it loads."""
        fault = self._start(job)
        self.outcome.deaths += fault is not None and fault.kind in DEADLY
        return fault is None or (fault.kind not in DEADLY and fault.kind != "raise")

    def _die(self, worker: int, fault: Fault, loading: tuple[int, int, int]) -> None:
        self.outcome.deaths += 1
        del self.inboxes[worker]
        self.scheduler.died(worker, fault.kind, loading)
        self._join()

    def _deliver(self) -> None:
        while self.scheduler.ready(self.queue) and self.outcome.failed is None:
            job = self.scheduler.take(self.queue)
            if job.state is JobState.READY or (job.state is JobState.POISONED and self._loads_alone(job)):
                self.outcome.delivered.append(job.number)
            else:
                self.outcome.failed = job.number
            self.scheduler.give_back(job.slot)
