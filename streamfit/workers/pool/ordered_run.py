"""Runs on a scheduler: what pools of threads and pools of processes have in common.

Guarantees kept here: values are delivered in the order of the tickets, each once; an exception surfaces
at its ticket's place, after everything before it; tickets are pulled at most `ahead` beyond the delivered
one; a run never ends early without an exception; whatever interrupts a run leaves no worker behind.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from streamfit._base.errors import WorkerError
from streamfit.workers.contract import AnyLoader, Describe, Loaded, Loader, Pool, Run, TicketT, ValueT
from streamfit.workers.pool.ending import HASTY_SECONDS, ORDINARY_SECONDS
from streamfit.workers.pool.scheduler import Job, JobState, Scheduler, TicketQueue
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.bad_samples import BadSampleFinder, Probe
from streamfit.workers.recovery.crash_report import WorkerExit
from streamfit.workers.transport.packing import Unreadable

LOOK_SECONDS = 0.2
"""How long a thread waits for workers before it looks whether another has closed the pool."""

# A value that is ready is not kept waiting for tickets that are slow to come (a generator may work between
# them): after this long, pulling stops and goes on with the next call.
_PULL_SECONDS = 0.005


class OrderedRun(Run[TicketT, ValueT]):
    """One queue of a `ScheduledPool`."""

    def __init__(
        self,
        pool: ScheduledPool,
        loader: Loader[TicketT, ValueT],
        tickets: Iterable[TicketT],
        describe: Callable[[TicketT], str],
        tolerance: int | None,
    ) -> None:
        self._pool = pool
        self._loader = loader
        self._finder = BadSampleFinder(loader, describe, tolerance)
        self.describe = describe
        self._tickets: Iterator[TicketT] | None = iter(tickets)
        self._late: Exception | None = None
        self._opened: deque[Loaded[TicketT, ValueT]] = deque()
        self._broken: tuple[Job, TicketT] | None = None
        self._size = 1
        self._closed = ""
        self._restarts_before = pool.restarts
        self.scheduler = pool.scheduler
        self.queue: TicketQueue = pool.scheduler.open_queue(pool.ahead, pool.prepare(loader))

    def begin(self) -> None:
        """Have the first tickets loaded before the first value is asked for."""
        try:
            if self._pull():
                self._pool.issue()
        except BaseException:
            self._interrupted()
            raise

    def __next__(self) -> Loaded[TicketT, ValueT]:
        """Return the next value, waiting for it if need be."""
        pool = self._pool
        pool.check_owner()
        with pool.lock:
            if self._closed:
                self._refuse()
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
        """Give up what has not been delivered; the pool stays usable."""
        with self._pool.lock:
            self._stop("This run was closed before its last value; open another.")

    def __del__(self) -> None:
        """Have the queue closed later: garbage is collected in any thread, at any point."""
        if getattr(self, "queue", None) is not None and not self._closed:
            self._pool.abandoned.append((self.scheduler, self.queue))

    @property
    def failed(self) -> bool:
        """Whether it was a load that ended this run."""
        return self._closed == _FAILED

    def lose(self, why: str) -> None:
        """Note that the workers were stopped under this run."""
        self._closed = self._closed or why
        self._opened.clear()

    def _refuse(self) -> NoReturn:
        if self._closed == _FINISHED:
            raise StopIteration
        raise WorkerError(self._closed)

    def _refuse_closing(self) -> NoReturn:
        self.lose(_POOL_CLOSED)
        self._refuse()

    def _interrupted(self) -> None:
        """After anything but the run's own end (Ctrl-C, a failing system call): start from clean workers."""
        if not self._closed:
            self._pool.reset("This run was ended because its pool was interrupted; open another.")

    def _open_next(self) -> None:
        """Wait for the next job and open it: its values are delivered one by one."""
        if self._broken is not None:
            self._settle(*self._broken)
            return
        pool, queue = self._pool, self.queue
        if self._size > 1 and self._pull():  # what the last job was delivered from makes room
            pool.issue()
        while not self.scheduler.ready(queue):
            if self._pull():
                pool.issue()
                pool.step(wait=False)
            elif self.scheduler.finished(queue):
                self._end()
            elif pool.closing:  # in another thread, which waits for this one to let go
                self._refuse_closing()
            else:
                pool.step(wait=True)
        self._open(self.scheduler.take(queue))
        if self._worth_pulling() and self._pull():
            pool.issue()

    def _room(self) -> int:
        """Return how many more tickets may be out; of the job being opened, one value counts as delivered."""
        return self.scheduler.room(self.queue) - max(len(self._opened) - 1, 0)

    def _worth_pulling(self) -> bool:
        """Return whether to issue tickets now: in groups while values are waiting, else at once."""
        enough = self._pool.group if self._size == 1 else self._size
        return self._room() >= enough or not self.scheduler.ready(self.queue)

    def _pull(self) -> bool:
        """Pull tickets while there is room for a job; return whether any came."""
        room, before = self._room(), self.queue.planned
        until = time.monotonic() + _PULL_SECONDS
        while room >= self._size and self._tickets is not None:
            group = self._next_group(self._tickets, until)
            if group:
                self.scheduler.plan(self.queue, *group)
            room -= len(group)
            if time.monotonic() > until:
                break
        return self.queue.planned > before

    def _next_group(self, tickets: Iterator[TicketT], until: float) -> list[TicketT]:
        """Return the tickets of the next job: fewer than usual if they end or are slow to come."""
        group: list[TicketT] = []
        try:
            for _ in range(self._size):
                group.append(next(tickets))
                if time.monotonic() > until:
                    break
        except StopIteration:
            self._no_more()
        except Exception as error:  # surfaces at its place, after everything before it
            self._late = error
            self._no_more()
        return group

    def _no_more(self) -> None:
        self._tickets = None
        self.scheduler.end(self.queue)

    def _open(self, job: Job) -> None:
        """Take in the values of a job; what failed after them is raised when they were delivered."""
        if self.queue.retried or self._pool.restarts:
            self._count()
        try:
            values = self._pool.values_of(job)
        except Exception as error:  # the slot cannot be mapped: no descriptors are left, for one
            self._raise(error, job.ticket)
        for ticket, value in zip(job.tickets, values, strict=False):
            self._opened.append(Loaded(ticket, value, job.attempt))
        if job.state is JobState.READY:
            # What cannot be loaded can be left out of a job of its own only.
            if self._finder.tolerance is None:
                self._size = self._pool.size_after(job, self._size)
            return
        self._broken = job, job.tickets[len(values)]
        if not values:
            self._settle(*self._broken)
            return
        self._tickets = None
        self._pool.drop(self.scheduler, self.queue)  # nothing after the failure is wanted

    def _settle(self, job: Job, ticket: TicketT) -> None:
        """Take in what can be loaded of a ticket that failed, or close the run and raise."""
        self._broken = None
        cause = self._pool.failure_of(job)
        try:
            if isinstance(cause, WorkerExit) and not self._pool.examines:
                raise exceptions.death(self.describe(ticket), cause, job.deaths)
            with self._pool.probing(self._loader, self.queue.loader_handle, self.describe) as probe:
                self._opened.append(self._finder.settle(ticket, probe, cause, job.attempt, job.deaths))
        except Exception:
            self._stop(_FAILED)
            raise

    def _raise(self, failure: Exception, ticket: TicketT) -> NoReturn:
        self._stop(_FAILED)
        raise exceptions.add_place(failure, self.describe(ticket))

    def _end(self) -> NoReturn:
        late = self._late
        self._stop(_FINISHED if late is None else "This run was ended by its tickets; open another.")
        if late is not None:
            raise late
        raise StopIteration

    def _stop(self, why: str) -> None:
        if not self._closed:
            self._count()
            self._closed = why
            self._tickets = None
            self._opened.clear()
            self._pool.drop(self.scheduler, self.queue)

    def _count(self) -> None:
        self.retried = self.queue.retried
        self.restarts = self._pool.restarts - self._restarts_before


_FINISHED = "finished"
_FAILED = "This run was ended by an exception from its loader; open another."
_POOL_CLOSED = "This run was ended because its pool was closed."


class ScheduledPool(Pool):
    """A pool whose runs share one scheduler.

    A subclass carries out the scheduler's orders (`issue`) and takes in what workers report (`step`).

    Attributes:
        examines: whether a ticket that has killed its workers is examined, or simply reported.
    """

    examines = True

    def __init__(self, workers: int, ahead: int) -> None:
        self.workers = workers
        self.ahead = ahead
        self.group = max(1, (ahead - workers) // 2)
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
    ) -> OrderedRun[TicketT, ValueT]:
        """Begin to load `tickets` and return their run."""
        with self.lock:
            self.start()
            self.sweep()
            run = OrderedRun(self, loader, tickets, describe, tolerance)
            self._runs.add(run)
            run.begin()
        return run

    def check_usable(self) -> None:
        """Raise if the pool is closed or belongs to another process."""
        self.check_owner()
        if self.closing:
            raise WorkerError("This pool is closed; make another with make_pool().")

    def check_owner(self) -> None:
        """Raise if the pool belongs to the process that this one was forked from."""
        if os.getpid() != self._owner:
            raise WorkerError(
                f"This pool belongs to process {self._owner}; this is process {os.getpid()}, forked from it. "
                "Make a pool of its own with make_pool()."
            )

    def close(self) -> None:
        """Stop the workers; safe to call twice, also when it was interrupted. Values delivered stay valid."""
        if os.getpid() != self._owner:
            return
        self.closing = True
        with self.lock:
            if not self._closed:
                self.reset(_POOL_CLOSED, ORDINARY_SECONDS)
                self._closed = True

    def describe(self, job: Job) -> str:
        """Name the first ticket of a job, or say nothing if its run is gone."""
        return next((run.describe(job.ticket) for run in self._runs if run.queue.key == job.queue), "")

    def sweep(self) -> None:
        """Drop the queues of runs that were garbage collected."""
        while self.abandoned:
            self.drop(*self.abandoned.popleft())

    def reset(self, why: str, grace: float = HASTY_SECONDS) -> None:
        """Stop all workers and end all runs; the next `open` starts anew.

        Args:
            why: what whoever asks a run for more is told.
            grace: seconds that worker processes may take to end by themselves.
        """
        for run in list(self._runs):
            run.lose(why)
        self._runs.clear()
        self.abandoned.clear()
        self.scheduler = self.new_scheduler()
        self.stop_workers(grace)

    @abstractmethod
    def new_scheduler(self) -> Scheduler:
        """Return a scheduler without queues or workers."""

    @abstractmethod
    def prepare(self, loader: AnyLoader) -> Any:
        """Make a loader ready for the workers; what is returned rides along as `loader_handle`."""

    @abstractmethod
    def issue(self) -> None:
        """Carry out what the scheduler wants loaded."""

    @abstractmethod
    def step(self, *, wait: bool) -> None:
        """Take in what workers report; with `wait`, wait a while for something."""

    @abstractmethod
    def values_of(self, job: Job) -> list[Any]:
        """Return the values of a job, up to what failed, and see that its slot is given back."""

    @abstractmethod
    def failure_of(self, job: Job) -> WorkerExit | Exception:
        """Return why a job that is not READY ended: what its load raised, or how its last worker ended."""

    @abstractmethod
    def probing(
        self, loader: AnyLoader, loader_handle: Any, describe: Describe
    ) -> AbstractContextManager[Probe[Any, Any]]:
        """Return what loads tickets, one at a time, where a death does no harm.

        Args:
            loader: the one of the run.
            loader_handle: what `prepare` returned for it.
            describe: names a ticket in messages.
        """

    def size_after(self, job: Job, size: int) -> int:
        """Return how many tickets the next jobs should be of, given one that was done and the size so far."""
        return size

    @abstractmethod
    def drop(self, scheduler: Scheduler, queue: TicketQueue) -> None:
        """Close a queue, unless its scheduler is gone, and let go of its loader."""

    @abstractmethod
    def stop_workers(self, grace: float) -> None:
        """Stop all workers; those that can be killed are, when they have not ended after `grace` seconds."""
