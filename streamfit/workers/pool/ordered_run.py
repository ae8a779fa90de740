"""Runs on a scheduler: the common part of pools of threads and pools of processes.

Guarantees kept here: values are delivered in the order of the tickets, each once; an exception is raised
at its ticket's place, after everything before it; a run never ends early without an exception; an
interrupted run leaves no worker behind.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from streamfit._base.errors import WorkerError
from streamfit.workers.contract import AnyLoader, Describe, Loaded, Loader, Pool, Run, TicketT, ValueT
from streamfit.workers.pool.ending import HASTY_SECONDS, ORDINARY_SECONDS
from streamfit.workers.pool.run_state import RunState
from streamfit.workers.pool.scheduler import Job, JobState, Scheduler, TicketQueue
from streamfit.workers.pool.ticket_puller import TicketPuller
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.bad_samples import BadSampleFinder, Probe
from streamfit.workers.recovery.crash_report import WorkerExit
from streamfit.workers.transport.packing import Unreadable

LOOK_SECONDS = 0.2
"""How long a thread waits for workers before it checks whether another thread has closed the pool."""

_OPEN = RunState.OPEN


class OrderedRun(Run[TicketT, ValueT]):
    """A run of a `ScheduledPool`, with a queue of its own."""

    def __init__(
        self,
        pool: ScheduledPool,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        describe: Callable[[TicketT], str],
        tolerance: int | None,
        ahead: int,
    ) -> None:
        self._pool = pool
        self._loader = loader
        self._finder = BadSampleFinder(loader, describe, tolerance)
        self.describe = describe
        pulled = iter(tickets)
        self._opened: deque[Loaded[TicketT, ValueT]] = deque()
        self._failed_job: tuple[Job, TicketT] | None = None
        self._state = RunState.OPEN
        self._restarts_before = pool.restarts
        self.scheduler = pool.scheduler
        self.queue: TicketQueue = pool.scheduler.open_queue(ahead, pool.register_loader(loader))
        batch = max(1, (ahead - pool.workers) // 2)
        self._puller = TicketPuller(pulled, self.scheduler, self.queue, batch)

    def begin(self) -> None:
        """Start to load the first tickets before the first value is asked for."""
        try:
            if self._puller.pull(0):
                self._pool.issue()
        except BaseException:
            self._interrupted()
            raise

    def __next__(self) -> Loaded[TicketT, ValueT]:
        """Return the next value, waiting for it if need be."""
        pool = self._pool
        pool.check_owner()
        with pool.lock:
            if self._state is not _OPEN:
                self._state.refuse()
            try:
                if not self._opened:
                    self._open_next()
                loaded = self._opened.popleft()
                if isinstance(loaded.value, Unreadable):
                    self._raise(loaded.value.error, loaded.ticket)
                return loaded
            except BaseException:
                self._interrupted()
                raise

    def close(self) -> None:
        """Discard the values that are not delivered; the pool stays usable."""
        with self._pool.lock:
            self._stop(RunState.CLOSED)

    def __del__(self) -> None:
        """Have the queue closed later, since garbage is collected in any thread, at any point."""
        if getattr(self, "queue", None) is not None and self._state is _OPEN:
            self._pool.abandoned.append((self.scheduler, self.queue))

    @property
    def failed(self) -> bool:
        """Whether a failed load ended this run."""
        return self._state is RunState.LOADER_FAILED

    def lose_workers(self, why: RunState) -> None:
        """Note that the workers of this run were stopped."""
        if self._state is _OPEN:
            self._state = why
        self._opened.clear()

    def _interrupted(self) -> None:
        """After an interruption (Ctrl-C, a failed system call): stop all workers."""
        if self._state is _OPEN:
            self._pool.reset(RunState.INTERRUPTED)

    def _open_next(self) -> None:
        """Wait for the next job and open it: its values are delivered one by one."""
        if self._failed_job is not None:
            self._settle(*self._failed_job)
            return
        pool, queue, puller = self._pool, self.queue, self._puller
        if puller.job_size > 1 and puller.pull(0):  # the last job is delivered, which makes room
            pool.issue()
        while not self.scheduler.ready(queue):
            if puller.pull(0):
                pool.issue()
                pool.step(wait=False)
            elif self.scheduler.finished(queue):
                self._end()
            elif pool.closing:  # in another thread, which waits for this one to release the lock
                self.lose_workers(RunState.POOL_CLOSED)
                self._state.refuse()
            else:
                pool.step(wait=True)
        self._open(self.scheduler.take(queue))
        opened = len(self._opened)
        if puller.worth_pulling(opened) and puller.pull(opened):
            pool.issue()

    def _open(self, job: Job) -> None:
        """Take in the values of a job; a failure after them is raised when they have been delivered."""
        if self.queue.retried or self._pool.restarts:
            self._count()
        try:
            values = self._pool.values_of(job)
        except Exception as error:  # the slot cannot be mapped: no descriptors are left, for one
            self._raise(error, job.ticket)
        for ticket, value in zip(job.tickets, values, strict=False):
            self._opened.append(Loaded(ticket, value, job.attempt))
        if job.state is JobState.READY:
            # A part can be left out only if its ticket has a job of its own.
            if self._finder.tolerance is None:
                size = self._pool.next_job_size(job, self._puller.job_size)
                self._puller.job_size = max(1, min(size, self.queue.ahead // (self._pool.workers + 2)))
            return
        self._failed_job = job, job.tickets[len(values)]
        if not values:
            self._settle(*self._failed_job)
            return
        self._puller.stop()
        self._pool.drop(self.scheduler, self.queue)  # nothing after the failure is wanted

    def _settle(self, job: Job, ticket: TicketT) -> None:
        """Take in the good parts of a ticket that failed, or close the run and raise."""
        self._failed_job = None
        cause = self._pool.failure_of(job)
        try:
            probing = self._pool.probing(self._loader, self.queue.loader_handle, self.describe)
            if probing is None:
                raise self._as_reported(ticket, cause, job.deaths)
            with probing as probe:
                self._opened.append(self._finder.settle(ticket, probe, cause, job.attempt, job.deaths))
        except Exception:
            self._stop(RunState.LOADER_FAILED)
            raise

    def _as_reported(self, ticket: TicketT, cause: WorkerExit | Exception, deaths: int) -> Exception:
        place = self.describe(ticket)
        if isinstance(cause, WorkerExit):
            return exceptions.death(place, cause, deaths)
        return exceptions.add_place(cause, place)

    def _raise(self, failure: Exception, ticket: TicketT) -> NoReturn:
        self._stop(RunState.LOADER_FAILED)
        raise exceptions.add_place(failure, self.describe(ticket))

    def _end(self) -> NoReturn:
        error = self._puller.error
        self._stop(RunState.FINISHED if error is None else RunState.TICKETS_FAILED)
        if error is not None:
            raise error
        raise StopIteration

    def _stop(self, why: RunState) -> None:
        if self._state is _OPEN:
            self._count()
            self._state = why
            self._puller.stop()
            self._opened.clear()
            self._pool.drop(self.scheduler, self.queue)

    def _count(self) -> None:
        self.retried = self.queue.retried
        self.restarts = self._pool.restarts - self._restarts_before


class ScheduledPool(Pool):
    """A pool whose runs share one scheduler.

    A subclass carries out the scheduler's orders (`issue`) and takes in what workers report (`step`).
    """

    def __init__(self, workers: int, ahead: int) -> None:
        self.workers = workers
        self.ahead = ahead
        self.lock = threading.RLock()
        self.scheduler = self.new_scheduler()
        self.abandoned: deque[tuple[Scheduler, TicketQueue]] = deque()
        self._runs: weakref.WeakSet[OrderedRun[Any, Any]] = weakref.WeakSet()
        self._owner = os.getpid()
        self.closing = False
        self._closed = False

    def open(
        self,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        *,
        describe: Callable[[TicketT], str] = str,
        tolerance: int | None = None,
        ahead: int | None = None,
    ) -> OrderedRun[TicketT, ValueT]:
        """Begin to load `tickets` and return their run."""
        with self.lock:
            self.start()
            self.drop_abandoned()
            most = self.ahead if ahead is None else min(ahead, self.ahead)
            run = OrderedRun(self, loader, tickets, describe, tolerance, most)
            self._runs.add(run)
            run.begin()
        return run

    def check_usable(self) -> None:
        """Raise if the pool is closed or belongs to another process."""
        self.check_owner()
        if self.closing:
            raise WorkerError("This pool is closed; make another with make_pool().")

    def check_owner(self) -> None:
        """Raise if the pool belongs to the process from which this one was forked."""
        if os.getpid() != self._owner:
            raise WorkerError(
                f"This pool belongs to process {self._owner}; this is process {os.getpid()}, forked from it. "
                "Make a pool of its own with make_pool()."
            )

    def close(self) -> None:
        """Stop the workers; safe to call twice, also when it was interrupted. Delivered values stay valid."""
        if os.getpid() != self._owner:
            return
        self.closing = True
        with self.lock:
            if not self._closed:
                self.reset(RunState.POOL_CLOSED, ORDINARY_SECONDS)
                self._closed = True

    def describe(self, job: Job) -> str:
        """Return the name of the first ticket of a job, or nothing if its run is gone."""
        return next((run.describe(job.ticket) for run in self._runs if run.queue.key == job.queue), "")

    def drop_abandoned(self) -> None:
        """Drop the queues of runs that were garbage collected."""
        while self.abandoned:
            self.drop(*self.abandoned.popleft())

    def reset(self, why: RunState, grace: float = HASTY_SECONDS) -> None:
        """Stop all workers and end all runs; the next `open` starts anew.

        Args:
            why: the new state of the runs.
            grace: seconds that worker processes may take to end by themselves.
        """
        for run in list(self._runs):
            run.lose_workers(why)
        self._runs.clear()
        self.abandoned.clear()
        self.scheduler = self.new_scheduler()
        self.stop_workers(grace)

    @abstractmethod
    def new_scheduler(self) -> Scheduler:
        """Return a scheduler without queues or workers."""

    @abstractmethod
    def register_loader(self, loader: AnyLoader) -> Any:
        """Make a loader ready for the workers; return the `loader_handle` of its jobs."""

    @abstractmethod
    def issue(self) -> None:
        """Give workers the jobs that the scheduler issues."""

    @abstractmethod
    def step(self, *, wait: bool) -> None:
        """Take in reports of workers; with `wait`, wait a while for one."""

    @abstractmethod
    def values_of(self, job: Job) -> list[Any]:
        """Return the values of a job, up to the first failure, and see that its slot is given back."""

    @abstractmethod
    def failure_of(self, job: Job) -> WorkerExit | Exception:
        """Return why a job failed: the exception that its load raised, or how its last worker ended."""

    def probing(
        self, loader: AnyLoader, loader_handle: Any, describe: Describe
    ) -> AbstractContextManager[Probe[Any, Any]] | None:
        """Return a probe for tickets that cannot be loaded; None where their failure is only reported.

        A probe loads tickets, one at a time, where the death of a worker does no harm.

        Args:
            loader: the one of the run.
            loader_handle: the handle that `register_loader` returned for it.
            describe: names a ticket in messages.
        """
        return None

    def next_job_size(self, job: Job, size: int) -> int:
        """Return how many tickets the next jobs should have, given a finished one and the size so far."""
        return size

    @abstractmethod
    def drop(self, scheduler: Scheduler, queue: TicketQueue) -> None:
        """Close a queue, unless its scheduler is gone, and release its loader."""

    @abstractmethod
    def stop_workers(self, grace: float) -> None:
        """Stop all workers; those that can be killed are, when they have not ended after `grace` seconds."""
