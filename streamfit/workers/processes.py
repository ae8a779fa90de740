"""The pool of worker processes: carries out the scheduler's orders over sockets and shared memory.

Guarantees kept here, on top of those of `contract`: a worker that dies, for whatever reason, is replaced
and what it had not finished is loaded again; nothing is shared between workers, so a dead one harms only
its own socket; memory is bounded by the slots in flight, a few that are lent, and what the consumer keeps;
nothing outlives this process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from streamfit.workers import faults, wire
from streamfit.workers.budget import SMALL
from streamfit.workers.contract import Describe, Init, Kind, Loader, Ticket
from streamfit.workers.crew import Link
from streamfit.workers.dataset import Parcel
from streamfit.workers.ending import HASTY_SECONDS
from streamfit.workers.inquest import CannotExamineError, Probe
from streamfit.workers.interpreter import check_platform
from streamfit.workers.lanes import LOOK_SECONDS
from streamfit.workers.last_words import Death
from streamfit.workers.packing import Packed
from streamfit.workers.scheduler import MAX_DEATHS, Job, Lane, Scheduler
from streamfit.workers.supervision import SupervisedPool
from streamfit.workers.uninterrupted import uninterrupted

# A consumer that keeps more values than this gets the further ones as copies, so that slots stay few.
_MAX_LENT = 4
# A job takes in further tickets up to this time and this memory; beyond it, sending is next to nothing.
_JOB_NANOSECONDS = 2_000_000
_JOB_BYTES = 1 << 22
_LOOK_MILLISECONDS = int(LOOK_SECONDS * 1000)


class ProcessPool(SupervisedPool):
    """Loads in worker processes.

    Args:
        workers: number of processes.
        ahead: how many tickets may be out beyond the delivered one.
        timeout: seconds that a load may take; None judges by the loads before it.
        init: what each of them calls before its first load.
        hash_seed: that of all workers; None for that of the program.
    """

    kind: Kind = "processes"
    deaths = MAX_DEATHS

    def __init__(
        self,
        workers: int,
        ahead: int,
        timeout: float | None = None,
        *,
        init: Init | None = None,
        hash_seed: int | None = None,
    ) -> None:
        check_platform()
        super().__init__(workers, ahead, timeout, init=init, hash_seed=hash_seed)

    # -- the pool's public face -------------------------------------------------------------------------

    def start(self, preload: Iterable[str] = ()) -> None:
        """Start the process that workers are forked from, unless it runs; return at once."""
        self.check_usable()
        with self.lock:
            self._preload = tuple(preload) or self._preload
            if self._crew is None:
                self._briefing.begin()
                try:
                    uninterrupted(self._engage)
                except BaseException:
                    self.stop_workers(HASTY_SECONDS)
                    raise

    def use_hash_seed(self, hash_seed: int) -> None:
        """Have all workers hash with another seed; ends runs that are open if there is one already."""
        with self.lock:
            if hash_seed != self._hash_seed:
                self._hash_seed = hash_seed
                if self._crew is not None:
                    self.reset("This run was ended because its workers got another hash seed; open another.")

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are alive, waiting for those that are being born."""
        with self.lock:
            self.check_usable()
            while self._crew is not None and any(link.pid is None for link in self._crew.links.values()):
                self._collect(100)
            links = self._crew.links.values() if self._crew is not None else ()
            return [link.pid for link in links if link.pid is not None]

    def close(self) -> None:
        """Kill the workers; safe to call twice. Values already delivered stay valid."""
        super().close()
        self._dispatch.clear()
        self._briefing.clear()

    # -- orders of the runs -----------------------------------------------------------------------------

    def new_scheduler(self) -> Scheduler:
        """Return a scheduler on which the workers together can hold all tickets that are ahead."""
        return Scheduler(-(-self.ahead // self.workers) + 1, self.deaths)

    def adopt(self, loader: Loader) -> Parcel:
        """Pickle a loader, if that is needed, and have workers ready."""
        self._briefing.update()
        parcel = self.parcel_for(loader)
        # Ours are known to be safe to fork with; the user's own modules are imported in each worker.
        ours = [name for name in parcel.modules if name.partition(".")[0] == "streamfit"]
        self._live_crew().launcher.preload(ours)
        self._staff()
        return parcel

    def parcel_for(self, loader: Loader) -> Parcel:
        """Return a loader as it is sent to workers."""
        return self._dispatch.parcel_for(loader)

    def issue(self) -> None:
        """Send workers what the scheduler wants loaded."""
        crew = self._live_crew()
        self._take_back(crew)
        if crew.budget.large:
            for link in crew.trim(self.scheduler.free_slots()):
                self._flush(link)
        touched: dict[int, Link] = {}
        while jobs := self.scheduler.issue():  # what could not be sent together is issued again, one by one
            for job in jobs:
                link = touched[job.worker] = crew.links[job.worker]
                self._send(crew, link, job)
        for link in touched.values():
            self._flush(link)

    def step(self, *, wait: bool) -> None:
        """Take in what workers and the nursery report."""
        if wait:
            self._parking.look()
        self.sweep()
        self._collect(_LOOK_MILLISECONDS if wait else 0)
        self.issue()
        self._briefing.reports.pass_on()

    def values_of(self, job: Job) -> list[Any]:
        """Return the values as views of the job's slot, or as copies if many slots are lent already."""
        packed = job.outcome
        if not isinstance(packed, Packed):
            self.scheduler.give_back(job.slot)
            return []
        crew = self._live_crew()
        self._take_back(crew)  # what was given up is not lent any more
        slot = crew.slot(job.slot)
        slot.attach(packed.capacity)
        memory = slot.bytes(max(packed.used, 1))
        if packed.capacity > SMALL or crew.budget.large:
            crew.budget.note(job.slot, packed.capacity, packed.used)
        if packed.used and self.scheduler.lent(job.slot) <= _MAX_LENT:
            crew.lend(job.slot, memory)
            return packed.values(memory, apart=False)
        try:
            return packed.values(memory, apart=True)
        finally:
            self.scheduler.give_back(job.slot)

    def failure_of(self, job: Job) -> Death | Exception:
        """Return what the loader raised, or how the last worker ended."""
        outcome = job.outcome
        if isinstance(outcome, Death | Exception):
            return outcome
        packed: Packed = outcome
        return faults.unpack(packed.failure)

    @contextmanager
    def probing(self, loader: Loader, cargo: Parcel, describe: Describe) -> Iterator[Probe]:
        """Return what loads tickets in a worker set aside for it."""
        with _Sacrifice(cargo, self) as pool:

            def probe(ticket: Ticket) -> Any:
                run = None
                try:
                    with pool.open(loader, [ticket], describe=describe) as run:
                        return next(run).value
                except Exception as error:
                    if run is not None and run.failed:
                        raise
                    text = f"what cannot be loaded could not be examined: {error}"
                    raise CannotExamineError(text) from error

            yield probe

    def size_after(self, job: Job, size: int) -> int:
        """Return how many tickets fit a job: several where loads are so quick and small sending tells."""
        packed: Packed = job.outcome
        count = len(job.tickets)
        quick = _JOB_NANOSECONDS * count // max(packed.nanoseconds, 1)
        small = _JOB_BYTES * count // max(packed.used, 1)
        return max(1, min(quick, small, 2 * size, self.ahead // (self.workers + 2)))

    def drop(self, scheduler: Scheduler, lane: Lane) -> None:
        """Close a lane; its tickets that still wait in workers are not loaded."""
        if scheduler is self.scheduler and self._crew is not None:
            for worker in scheduler.close_lane(lane):
                link = self._crew.links[worker]
                link.channel.put(wire.CANCEL, lane=lane.key)
                self._flush(link)

    def stop_workers(self, grace: float) -> None:
        """Have all workers end, and kill those that have not after `grace` seconds.

        What they have logged until now is handled, what they have loaded is not wanted.
        """
        reports = self._briefing.reports
        if self._crew is not None:
            for link in self._crew.links.values():
                reports.take_last(link.pid, link.channel)
            self._crew.close(grace)  # not by way of the finalizer, which is spent when it is interrupted
        if self._finalizer is not None:
            self._finalizer.detach()
        self._crew = self._finalizer = None
        reports.pass_on_records()


class _Sacrifice(ProcessPool):
    """One worker for tickets that may kill it; the first death is told and nothing is tried again.

    Args:
        parcel: the loader as the other workers got it, however the original has changed since.
        pool: the one that it serves.
    """

    examines = False
    deaths = 1

    def __init__(self, parcel: Parcel, pool: ProcessPool) -> None:
        super().__init__(workers=1, ahead=1, hash_seed=pool._hash_seed)
        self._parcel, self._deadline = parcel, pool._deadline
        self._briefing = pool._briefing.for_one_more(self._dispatch)

    def parcel_for(self, loader: Loader) -> Parcel:
        """Return the other pool's."""
        return self._parcel
