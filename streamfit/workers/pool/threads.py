"""The pool of threads: loads run in daemon threads of this process.

Guarantees kept here: those of `contract`; values are the loader's own objects, except that a loader which may
write to their memory later gives copies of it (`load_apart`), taken before the same thread loads again.
Threads cannot be killed: closing waits for the loads that are under way.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue

from streamfit.workers.contract import AnyLoader, Describe, Init, Kind
from streamfit.workers.pool.ordered_run import LOOK_SECONDS, ScheduledPool
from streamfit.workers.pool.scheduler import Job, JobState, Scheduler, TicketQueue
from streamfit.workers.recovery import exceptions
from streamfit.workers.recovery.bad_samples import AnyProbe, local_probe

# All threads take from one queue, so to the scheduler they are one worker that holds any number of jobs.
_ALL_THREADS = 0
# A job, whether it was loaded, and its value or its exception.
_Report = tuple[Job, bool, object]


class _LoaderHandle:
    """A loader, and whether its values are still wanted.

    Attributes:
        context: the context variables of the consumer's thread, NumPy's error state among them; loads run
            in copies.
    """

    __slots__ = ("__weakref__", "context", "loader", "wanted")

    def __init__(self, loader: AnyLoader) -> None:
        self.loader, self.wanted = loader, True
        self.context = copy_context()


class _InitFailed:
    """The outcome of a job whose thread could not run `worker_init`."""

    def __init__(self, error: Exception) -> None:
        error.add_note("worker_init raised this in a new worker thread.")
        self.error = error


class ThreadPool(ScheduledPool):
    """Loads in threads.

    Args:
        workers: number of threads.
        ahead: how many tickets may be in flight beyond the delivered one.
        init: called in each thread before its first load.

    Example:
        >>> class Square:
        ...     def load(self, ticket):
        ...         return ticket * ticket
        >>> with ThreadPool(workers=2, ahead=4) as pool:
        ...     [loaded.value for loaded in pool.open(Square(), range(4))]
        [0, 1, 4, 9]
    """

    kind: Kind = "threads"

    def __init__(self, workers: int, ahead: int, init: Init | None = None) -> None:
        super().__init__(workers, ahead)
        self._init = init
        self._tasks: SimpleQueue[Job | None] = SimpleQueue()
        self._reports: SimpleQueue[_Report] = SimpleQueue()
        self._loader_handles: weakref.WeakSet[_LoaderHandle] = weakref.WeakSet()
        self._threads: list[threading.Thread] = []
        self._finalizer: weakref.finalize[..., ThreadPool] | None = None

    def start(self, preload: Iterable[str] = ()) -> None:
        """Start the threads, unless they run."""
        self.check_usable()
        with self.lock:
            if self._threads:
                return
            self._tasks, self._reports = SimpleQueue(), SimpleQueue()
            self._finalizer = weakref.finalize(self, _stop_threads, self._tasks, self.workers, os.getpid())
            self._finalizer.atexit = False  # daemon threads end with the interpreter
            self.scheduler.join(_ALL_THREADS)
            for number in range(self.workers):
                thread = threading.Thread(
                    target=_work,
                    args=(self._tasks, self._reports, self._init, self.workers > 1),
                    name=f"streamfit-worker-{number}",
                    daemon=True,
                )
                self._threads.append(thread)
                thread.start()

    def pids(self) -> list[int]:
        """Return an empty list: there are no worker processes."""
        return []

    def new_scheduler(self) -> Scheduler:
        """Return a scheduler on which one worker takes any number of jobs."""
        return Scheduler(depth=1 << 62)

    def register_loader(self, loader: AnyLoader) -> _LoaderHandle:
        """Return a handle of the loader for the threads."""
        loader_handle = _LoaderHandle(loader)
        self._loader_handles.add(loader_handle)
        return loader_handle

    def issue(self) -> None:
        """Queue the jobs that the scheduler issues."""
        for job in self.scheduler.issue():
            self._tasks.put(job)

    def step(self, *, wait: bool) -> None:
        """Take in reports of threads."""
        self.drop_abandoned()
        while wait or not self._reports.empty():
            try:
                job, loaded, outcome = self._reports.get(timeout=LOOK_SECONDS)
            except Empty:
                return
            if isinstance(outcome, _InitFailed):
                raise outcome.error
            answer = self.scheduler.done if loaded else self.scheduler.failed
            if answer(_ALL_THREADS, job.queue, job.number, job.attempt, job.slot) is not None:
                job.outcome = outcome
            wait = False

    def values_of(self, job: Job) -> list[object]:
        """Return the object that the loader returned, if it did."""
        self.scheduler.give_back(job.slot)
        return [job.outcome] if job.state is JobState.READY else []

    def failure_of(self, job: Job) -> Exception:
        """Return the exception that the loader raised."""
        return exceptions.ordinary(job.outcome)

    def probing(
        self, loader: AnyLoader, loader_handle: _LoaderHandle, describe: Describe
    ) -> AbstractContextManager[AnyProbe]:
        """Return a probe that calls the loader here: a failing load only raises."""
        return nullcontext(local_probe(loader))

    def drop(self, scheduler: Scheduler, queue: TicketQueue) -> None:
        """Close a queue; its tickets that are still queued are not loaded."""
        queue.loader_handle.wanted = False
        if scheduler is self.scheduler:
            scheduler.close_queue(queue)

    def stop_workers(self, grace: float) -> None:
        """Have the threads stop and wait for the loads that are under way."""
        for loader_handle in self._loader_handles:
            loader_handle.wanted = False
        threads, self._threads = self._threads, []
        if threads and self._finalizer is not None:
            self._finalizer()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()


def _work(
    tasks: SimpleQueue[Job | None], reports: SimpleQueue[_Report], init: Init | None, several: bool
) -> None:
    """Load tasks until None comes; holds no reference to the pool, so that the pool can be collected."""
    context, source = Context(), None
    while (job := tasks.get()) is not None:
        if job.loader_handle.context is not source:  # no context can be entered by two threads
            source = job.loader_handle.context
            context = source.copy()
        if init is not None:
            try:
                context.run(init)
            except BaseException as error:
                reports.put((job, False, _InitFailed(exceptions.ordinary(error))))
                return
            init = None
        try:
            outcome = (
                context.run(_load, job.loader_handle.loader, job.ticket, several)
                if job.loader_handle.wanted
                else None
            )
        except BaseException as error:  # of any class: the consumer gets it
            reports.put((job, False, error))
            del error
        else:
            reports.put((job, True, outcome))
            del outcome
        del job


def _load(loader: AnyLoader, ticket: object, several: bool) -> object:
    apart = getattr(loader, "load_apart", None)
    return loader.load(ticket) if apart is None else apart(ticket, threads=several)


def _stop_threads(tasks: SimpleQueue[Job | None], workers: int, owner: int) -> None:
    if os.getpid() == owner:
        for _ in range(workers):
            tasks.put(None)
