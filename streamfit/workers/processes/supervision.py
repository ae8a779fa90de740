"""Supervision of worker processes: how they come and go, and what passes between them and the pool.

Guarantees kept here: a worker that dies, for whatever reason, is replaced and what it had not finished is
loaded again; nothing is shared between workers, so a dead one harms only its own socket.
"""

from __future__ import annotations

import os
import select
import struct
import time
import weakref
from collections.abc import Callable
from dataclasses import replace

from streamfit._base.errors import WorkerError
from streamfit._base.telling import warn
from streamfit.workers.contract import Init, fresh_id
from streamfit.workers.pool.ending import HASTY_SECONDS
from streamfit.workers.pool.ordered_run import LOOK_SECONDS, ScheduledPool
from streamfit.workers.pool.scheduler import Job
from streamfit.workers.processes.interpreter import hash_seed_of_program
from streamfit.workers.processes.interpreter_exit import Parking, tell_at_exit
from streamfit.workers.processes.reports import KINDS as REPORTS
from streamfit.workers.processes.worker_group import WorkerGroup, WorkerHandle
from streamfit.workers.processes.worker_setup import WorkerSetup
from streamfit.workers.recovery import crash_report
from streamfit.workers.recovery.crash_report import WorkerExit
from streamfit.workers.recovery.deadline import Deadline
from streamfit.workers.recovery.restart_limit import RestartLimit
from streamfit.workers.transport import wire
from streamfit.workers.transport.loader_pickle import LoaderRegistry
from streamfit.workers.transport.packing import Packed
from streamfit.workers.transport.uninterrupted import uninterrupted
from streamfit.workers.transport.wire import Frame

_REPORT_SECONDS = 5.0
_IN, _OUT = select.POLLIN, select.POLLOUT


class SupervisedPool(ScheduledPool):
    """A pool whose workers are processes: it starts them, hears them, and replaces those that die.

    Args:
        workers: number of processes.
        ahead: how many tickets may be out beyond the delivered one.
        timeout: seconds that a load may take; None judges by the loads before it.
        init: what each of them calls before its first load.
        hash_seed: that of all workers; None for that of the program.
    """

    def __init__(
        self,
        workers: int,
        ahead: int,
        timeout: float | None = None,
        *,
        init: Init | None = None,
        hash_seed: int | None = None,
    ) -> None:
        super().__init__(workers, ahead)
        self._hash_seed = hash_seed_of_program() if hash_seed is None else hash_seed
        self._preload: tuple[str, ...] = ()
        self._registry = LoaderRegistry()
        self._setup = WorkerSetup(self._registry, init)
        self._deadline = Deadline(timeout)
        self._worker_group: WorkerGroup | None = None
        self._poller = select.poll()
        self._finalizer: weakref.finalize[..., SupervisedPool] | None = None
        self._restart_limit = RestartLimit()
        self._parking = Parking(self.lock)
        self._handlers: dict[int, Callable[[WorkerHandle, Frame], None]] = {
            wire.TEMPLATE: WorkerHandle.learn,
            wire.RESULT: self._on_result,
            wire.SKIPPED: self._on_skipped,
        }

    # -- workers come and go ----------------------------------------------------------------------------

    def _engage(self) -> None:
        self._worker_group = worker_group = WorkerGroup(self._preload, self._hash_seed)
        self._finalizer = weakref.finalize(self, worker_group.close)
        self._finalizer.atexit = False  # see `end_with_interpreter`
        tell_at_exit(self)
        self._poller = _listening_to(worker_group)

    def _live_group(self) -> WorkerGroup:
        if self._worker_group is None:
            raise WorkerError("The workers of this pool were stopped; open another run.")
        return self._worker_group

    def _staff(self) -> None:
        """Have as many workers as there should be."""
        worker_group = self._live_group()
        if len(worker_group.handles) < self.workers:
            uninterrupted(lambda: self._hire(worker_group))

    def _hire(self, worker_group: WorkerGroup) -> None:
        while len(worker_group.handles) < self.workers:
            key = fresh_id()
            handle = worker_group.handles[key] = WorkerHandle(key, worker_group.fork_server.spawn(key))
            self._poller.register(handle.channel, _IN)
            self._setup.greet(handle)
            self.scheduler.join(key)

    def _lose(
        self, worker_group: WorkerGroup, handle: WorkerHandle, death: WorkerExit, *, blame: bool = False
    ) -> WorkerExit:
        """Take in the end of a worker: first what it had finished, then what it had not.

        Returns:
            how it ended, as far as that is known then.
        """
        while not handle.channel.ended:
            frames = handle.channel.receive(wait=False)
            if not frames and not handle.channel.ended:
                break
            self._handle(handle, frames)
        if handle.ended_at is None:
            self._poller.unregister(handle.channel)
        del worker_group.handles[handle.key]
        stray = handle.stray()
        loading: tuple[int, int, int] | None = handle.progress_page.under_way() if blame else None
        if stray:  # it was written before the next answer, however far the worker has come since
            loading = self.scheduler.first_of(handle.key)
            death = replace(death, stray=stray)
        in_vain = stray or not handle.progress_page.begun() or (loading is None and not handle.answered)
        self._restart_limit.worker(in_vain=bool(in_vain))
        handle.close()
        self.scheduler.died(handle.key, death, loading)
        if death.pid is not None:
            hit = self.scheduler.find(*loading[:2]) if loading else None
            crash_report.log_exit(death, self.describe(hit) if hit else "", self.restarts)
        return death

    def _on_death(self, worker_group: WorkerGroup, frame: Frame) -> None:
        handle = worker_group.handles.get(frame.number)
        if handle is not None:
            death = crash_report.exit_of(
                handle.pid, frame.extra, frame.body, handle.progress_page.fd, handle.overdue
            )
            death = self._lose(worker_group, handle, death, blame=True)
            self.restarts += 1
            self._restart_limit.check(death)
            self._staff()

    def _on_unborn(self, worker_group: WorkerGroup, frame: Frame) -> None:
        handle = worker_group.handles.get(frame.number)
        if handle is not None:
            self._lose(worker_group, handle, WorkerExit())
        message = f"a worker process could not be started ({frame.body.decode()})"
        if not worker_group.handles:
            raise WorkerError(f"{message}; use fewer workers, or threads (use_multiprocessing=False)")
        warn(f"{message}; going on with {len(worker_group.handles)}", RuntimeWarning, stacklevel=2)

    def _fork_server_lost(self, worker_group: WorkerGroup) -> None:
        """The fork server died, and the workers with it: start both again."""
        worker_group.fork_server.check_start()
        self._restart_limit.fork_server()
        worker_group.fork_server.close()
        for handle in list(worker_group.handles.values()):
            self._lose(worker_group, handle, WorkerExit(pid=handle.pid))
            self.restarts += 1
        uninterrupted(worker_group.relaunch)
        self._poller = _listening_to(worker_group)
        self._staff()

    def end_with_interpreter(self) -> None:
        """Stop the workers under daemon threads that still use them, which sleep from now on."""
        worker_group = self._worker_group
        if worker_group is not None and os.getpid() == self._owner:
            self._parking.close(lambda: worker_group.close(HASTY_SECONDS))

    # -- frames out -------------------------------------------------------------------------------------

    def _send(self, worker_group: WorkerGroup, handle: WorkerHandle, job: Job) -> None:
        slot = worker_group.slot(job.slot)
        if handle.state != self._setup.state:
            self._setup.send(handle)
        handle.send_slot(job.slot, slot)
        handle.send_loader(job.loader_handle)
        try:
            handle.send_job(job, slot)
        except Exception as error:  # surfaces at its place in the order
            if len(job.tickets) > 1:
                self.scheduler.withdraw(job)
                return
            failed = self.scheduler.failed(job.worker, job.queue, job.number, job.attempt, job.slot)
            if failed is not None:
                failed.outcome = error

    def _flush(self, handle: WorkerHandle) -> None:
        """Send what the worker's socket takes; the rest goes when it has room."""
        blocked = not handle.channel.flush()
        if blocked != handle.blocked and handle.ended_at is None:
            handle.blocked = blocked
            self._poller.modify(handle.channel, _IN | _OUT if blocked else _IN)

    def _take_back(self, worker_group: WorkerGroup) -> None:
        """Free the slots of values that were given up, and have workers forget loaders that were."""
        while worker_group.returned:
            slot = worker_group.returned.popleft().slot
            del worker_group.leases[slot]
            self.scheduler.give_back(slot)
        while self._registry.retired:
            key = self._registry.retired.popleft()
            for handle in worker_group.handles.values():
                handle.forget_loader(key)

    # -- frames in --------------------------------------------------------------------------------------

    def _collect(self, timeout: int) -> None:
        """Read what is there, waiting for something for `timeout` milliseconds."""
        worker_group = self._live_group()
        gone = [
            at
            for handle in worker_group.handles.values()
            for at in (handle.ended_at, handle.watch.stopped)
            if at
        ]
        if gone and time.monotonic() > min(gone) + _REPORT_SECONDS:  # the fork server is stopped or hangs
            return self._fork_server_lost(worker_group)
        for handle in worker_group.handles.values() if gone else ():
            if handle.lives_on(time.monotonic()):
                worker_group.fork_server.kill(handle.key)
        by_fd = {handle.channel.fileno(): handle for handle in worker_group.handles.values()}
        control = worker_group.fork_server.channel.fileno()
        before = time.monotonic()
        found = self._poller.poll(timeout)
        if not found and timeout:
            # Longer than a look only if this process was stopped, and perhaps the workers: it does not count.
            passed = min(time.monotonic() - before, LOOK_SECONDS)
            worker_group.stop_hung(self.scheduler.holds, self._deadline, passed)
        for fd, events in found:
            if fd == control:
                return self._on_control(
                    worker_group
                )  # workers may come and go: what else is ready is seen next time
            self._on_events(worker_group, by_fd[fd], events)
        return None

    def _on_events(self, worker_group: WorkerGroup, handle: WorkerHandle, events: int) -> None:
        if events & _OUT:
            self._flush(handle)
        if events & ~_OUT:
            self._handle(handle, handle.channel.receive())
            if handle.channel.ended and handle.ended_at is None:
                self._hang_up(worker_group, handle)

    def _hang_up(self, worker_group: WorkerGroup, handle: WorkerHandle) -> None:
        """See to a worker whose socket has ended: the fork server reports its death, or it dies soon."""
        self._poller.unregister(handle.channel)
        handle.ended_at = time.monotonic()
        if handle.channel.stray:
            worker_group.fork_server.kill(handle.key)

    def _on_control(self, worker_group: WorkerGroup) -> None:
        channel = worker_group.fork_server.channel
        for frame in worker_group.fork_server.frames():
            if frame.kind == wire.BORN:
                if frame.number in worker_group.handles:
                    worker_group.handles[frame.number].pid = frame.extra
            elif frame.kind == wire.UNBORN:
                self._on_unborn(worker_group, frame)
            elif frame.kind == wire.DEAD:
                self._on_death(worker_group, frame)
        if channel.ended:
            self._fork_server_lost(worker_group)

    def _handle(self, handle: WorkerHandle, frames: list[Frame]) -> None:
        handle.heard += len(frames)
        for frame in frames:
            handler = self._handlers.get(frame.kind)
            if handler is None and frame.kind in REPORTS:
                self._setup.reports.take(handle.pid, frame)
                continue
            if handler is None:
                handle.channel.give_up(f"a message of kind {frame.kind} came, which is none of ours")
                return
            try:
                handler(handle, frame)
            except (LookupError, ValueError, struct.error) as error:
                handle.channel.give_up(
                    f"a message came that cannot be read ({type(error).__name__}: {error})"
                )
                return

    def _on_result(self, handle: WorkerHandle, frame: Frame) -> None:
        packed = Packed(frame.body, handle.readers)
        handle.answered += 1
        answer = self.scheduler.failed if packed.failure else self.scheduler.done
        job = answer(handle.key, frame.queue, frame.number, frame.attempt, frame.slot)
        if job is not None:
            job.outcome = packed
            self._deadline.note(packed.nanoseconds)
            self._restart_limit.progress()

    def _on_skipped(self, handle: WorkerHandle, frame: Frame) -> None:
        self.scheduler.done(handle.key, frame.queue, frame.number, frame.attempt, frame.slot)


def _listening_to(worker_group: WorkerGroup) -> select.poll:
    poller = select.poll()
    poller.register(worker_group.fork_server.channel, _IN)
    return poller
