"""The pool of worker processes: carries out the scheduler's orders over sockets and shared memory.

Guarantees kept here, on top of those of `contract`: a worker that dies, for whatever reason, is replaced
and what it had not finished is loaded again; nothing is shared between workers, so a dead one harms only
its own socket; memory is bounded by the slots in flight, a few that are leased, and what the consumer keeps;
nothing outlives this process.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamfit._base.uninterrupted import uninterrupted
from streamfit.workers.contract import AnyLoader, Init, Kind
from streamfit.workers.pool.ending import HASTY_SECONDS
from streamfit.workers.pool.ordered_run import LOOK_SECONDS
from streamfit.workers.pool.run_state import RunState
from streamfit.workers.pool.scheduler import MAX_DEATHS, Job, Scheduler, TicketQueue
from streamfit.workers.processes.interpreter import check_platform
from streamfit.workers.processes.supervision import SupervisedPool
from streamfit.workers.processes.worker_group import WorkerHandle
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.crash_report import WorkerExit
from streamfit.workers.transport import wire
from streamfit.workers.transport.loader_pickle import PickledLoader
from streamfit.workers.transport.packing import Packed
from streamfit.workers.transport.slot_budget import SMALL

# A consumer that keeps more values than this gets the further ones as copies, so that slots stay few.
_MAX_LEASED = 4
# A job takes in further tickets up to this time and this memory; larger jobs save no more time.
_JOB_NANOSECONDS = 2_000_000
_JOB_BYTES = 1 << 22
_LOOK_MILLISECONDS = int(LOOK_SECONDS * 1000)


class ProcessPool(SupervisedPool):
    """Loads in worker processes.

    Args:
        workers: number of processes.
        ahead: how many tickets may be in flight beyond the delivered one.
        timeout: seconds that a load may take; None: a limit from earlier loads.
        init: called in each of them before its first load.
        hash_seed: hash seed of all workers; None: the program's.

    Attributes:
        deaths: how many workers a ticket may kill before it is quarantined.
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

    # -- the contract of pools --------------------------------------------------------------------------

    def start(self, preload: Iterable[str] = ()) -> None:
        """Start the process that workers are forked from, unless it runs; return at once."""
        self.check_usable()
        with self.lock:
            self._preload = tuple(preload) or self._preload
            if self._worker_group is None:
                self._setup.note_environment()
                try:
                    uninterrupted(self._start_group)
                except BaseException:
                    self.stop_workers(HASTY_SECONDS)
                    raise

    def use_hash_seed(self, hash_seed: int) -> None:
        """Have all workers hash with another seed; ends open runs if there are workers already."""
        with self.lock:
            if hash_seed != self._hash_seed:
                self._hash_seed = hash_seed
                if self._worker_group is not None:
                    self.reset(RunState.OTHER_HASH_SEED)

    def pids(self) -> list[int]:
        """Return the process ids of the workers that are alive, waiting for those that are being forked."""
        with self.lock:
            self.check_usable()
            while self._worker_group is not None and any(
                handle.pid is None for handle in self._worker_group.workers.values()
            ):
                self._collect(100)
            handles = self._worker_group.workers.values() if self._worker_group is not None else ()
            return [handle.pid for handle in handles if handle.pid is not None]

    def close(self) -> None:
        """Stop the workers; safe to call twice. Values already delivered stay valid."""
        super().close()
        self._registry.clear()
        self._setup.clear()

    # -- orders of the runs -----------------------------------------------------------------------------

    def new_scheduler(self) -> Scheduler:
        """Return a scheduler on which the workers together can hold all tickets that are ahead."""
        return Scheduler(-(-self.ahead // self.workers) + 1, self.deaths)

    def register_loader(self, loader: AnyLoader) -> PickledLoader:
        """Pickle a loader, if needed, and start workers that are missing."""
        self._setup.update()
        pickled_loader = self.pickled_loader_for(loader)
        # Ours are known to be safe to fork with; the user's own modules are imported in each worker.
        ours = [name for name in pickled_loader.modules if name.partition(".")[0] == "streamfit"]
        self._live_group().fork_server.preload(ours)
        self._ensure_workers()
        return pickled_loader

    def pickled_loader_for(self, loader: AnyLoader) -> PickledLoader:
        """Return the pickled loader that is sent to workers."""
        return self._registry.pickled_loader_for(loader)

    def issue(self) -> None:
        """Send workers the jobs that the scheduler issues."""
        worker_group = self._live_group()
        self._reclaim(worker_group)
        if worker_group.budget.large:
            for handle in worker_group.trim(self.scheduler.free_slots()):
                self._flush(handle)
        touched: dict[int, WorkerHandle] = {}
        while jobs := self.scheduler.issue():  # tickets that cannot be sent together come again, one by one
            for job in jobs:
                handle = touched[job.worker] = worker_group.workers[job.worker]
                self._send(worker_group, handle, job)
        for handle in touched.values():
            self._flush(handle)

    def step(self, *, wait: bool) -> None:
        """Take in reports of workers and the fork server."""
        if wait:
            self._exit_gate.pass_through()
        self.drop_abandoned()
        self._collect(_LOOK_MILLISECONDS if wait else 0)
        self.issue()
        self._setup.reports.pass_on()

    def values_of(self, job: Job) -> list[object]:
        """Return the values as views of the job's slot, or as copies if many slots are leased already."""
        packed = job.outcome
        if not isinstance(packed, Packed):
            self.scheduler.give_back(job.slot)
            return []
        self.worked += packed.nanoseconds
        worker_group = self._live_group()
        self._reclaim(worker_group)  # values that were given up are not leased any more
        slot = worker_group.slot(job.slot)
        slot.attach(packed.capacity)
        memory = slot.bytes(max(packed.used, 1))
        if packed.capacity > SMALL or worker_group.budget.large:
            worker_group.budget.note(job.slot, packed.capacity, packed.used)
        if packed.used and self.scheduler.leased(job.slot) <= _MAX_LEASED:
            worker_group.lease(job.slot, memory)
            return packed.values(memory, apart=False)
        try:
            return packed.values(memory, apart=True)
        finally:
            self.scheduler.give_back(job.slot)

    def failure_of(self, job: Job) -> WorkerExit | Exception:
        """Return the exception that the loader raised, or how the last worker ended."""
        outcome = job.outcome
        if isinstance(outcome, WorkerExit | Exception):
            return outcome
        packed: Packed = outcome
        return exceptions.unpack(packed.failure)

    def next_job_size(self, job: Job, size: int) -> int:
        """Return how many tickets a job may have: several where loads are quick and small."""
        packed: Packed = job.outcome
        count = len(job.tickets)
        quick = _JOB_NANOSECONDS * count // max(packed.nanoseconds, 1)
        small = _JOB_BYTES * count // max(packed.used, 1)
        return max(1, min(quick, small, 2 * size))

    def drop(self, scheduler: Scheduler, queue: TicketQueue) -> None:
        """Close a queue; its tickets that still wait in workers are not loaded."""
        if scheduler is self.scheduler and self._worker_group is not None:
            for worker in scheduler.close_queue(queue):
                handle = self._worker_group.workers[worker]
                handle.channel.put(wire.CANCEL, queue=queue.key)
                self._flush(handle)

    def stop_workers(self, grace: float) -> None:
        """Have all workers end, and kill those that have not after `grace` seconds.

        Their log records until now are handled; their results are discarded.
        """
        reports = self._setup.reports
        if self._worker_group is not None:
            for handle in self._worker_group.workers.values():
                reports.take_last(handle.pid, handle.channel)
            # Not through the finalizer: after an interruption it cannot run again.
            self._worker_group.close(grace)
        if self._finalizer is not None:
            self._finalizer.detach()
        self._worker_group = self._finalizer = None
        reports.pass_on_records()
