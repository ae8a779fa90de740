"""Supervision of worker processes: starts them, exchanges frames with them, replaces those that die.

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
from streamfit._base.uninterrupted import uninterrupted
from streamfit.workers.contract import Init, fresh_id
from streamfit.workers.pool.ending import HASTY_SECONDS
from streamfit.workers.pool.ordered_run import LOOK_SECONDS, ScheduledPool
from streamfit.workers.pool.scheduler import Job
from streamfit.workers.processes.interpreter import hash_seed_of_program
from streamfit.workers.processes.interpreter_exit import ExitGate, register_for_exit
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
from streamfit.workers.transport.wire import Frame

_REPORT_SECONDS = 5.0
_IN, _OUT = select.POLLIN, select.POLLOUT


class SupervisedPool(ScheduledPool):
    """A pool whose workers are processes: it starts them, listens to them, and replaces those that die.

    Args:
        workers: number of processes.
        ahead: how many tickets may be in flight beyond the delivered one.
        timeout: seconds that a load may take; None judges by the loads before it.
        init: called in each of them before its first load.
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
        self._exit_gate = ExitGate(self.lock)
        self._handlers: dict[int, Callable[[WorkerHandle, Frame], None]] = {
            wire.TEMPLATE: WorkerHandle.add_template,
            wire.RESULT: self._on_result,
            wire.CANCELLED: self._on_cancelled,
        }

    # -- workers come and go ----------------------------------------------------------------------------

    def _start_group(self) -> None:
        self._worker_group = worker_group = WorkerGroup(self._preload, self._hash_seed)
        self._finalizer = weakref.finalize(self, worker_group.close)
        self._finalizer.atexit = False  # see `end_with_interpreter`
        register_for_exit(self)
        self._poller = _poller_of(worker_group)

    def _live_group(self) -> WorkerGroup:
        if self._worker_group is None:
            raise WorkerError("The workers of this pool were stopped; open another run.")
        return self._worker_group

    def _ensure_workers(self) -> None:
        """Have as many workers as there should be."""
        worker_group = self._live_group()
        if len(worker_group.workers) < self.workers:
            uninterrupted(lambda: self._spawn_workers(worker_group))

    def _spawn_workers(self, worker_group: WorkerGroup) -> None:
        while len(worker_group.workers) < self.workers:
            key = fresh_id()
            handle = worker_group.workers[key] = WorkerHandle(key, worker_group.fork_server.spawn(key))
            self._poller.register(handle.channel, _IN)
            self._setup.send_init(handle)
            self.scheduler.join(key)

    def _lose(
        self, worker_group: WorkerGroup, handle: WorkerHandle, death: WorkerExit, *, blame: bool = False
    ) -> WorkerExit:
        """Take in the end of a worker: first the results it has sent, then the jobs it has not finished.

        Returns:
            how it ended, with what is known at this point.
        """
        while not handle.channel.ended:
            frames = handle.channel.receive(wait=False)
            if not frames and not handle.channel.ended:
                break
            self._handle(handle, frames)
        if handle.ended_at is None:
            self._poller.unregister(handle.channel)
        del worker_group.workers[handle.key]
        stray = handle.stray()
        loading: tuple[int, int, int] | None = handle.progress_page.under_way() if blame else None
        if stray:  # before the next result, however far the worker has come since
            loading = self.scheduler.next_ticket_of(handle.key)
            death = replace(death, stray=stray)
        # It replaced another worker without any progress: its limit counts such workers in a row.
        in_vain = stray or not handle.progress_page.begun() or (loading is None and not handle.n_results)
        self._restart_limit.worker(in_vain=bool(in_vain))
        handle.close()
        self.scheduler.died(handle.key, death, loading)
        if death.pid is not None:
            blamed = self.scheduler.find(*loading[:2]) if loading else None
            crash_report.log_exit(death, self.describe(blamed) if blamed else "", self.restarts)
        return death

    def _on_death(self, worker_group: WorkerGroup, frame: Frame) -> None:
        handle = worker_group.workers.get(frame.number)
        if handle is not None:
            death = crash_report.exit_of(
                handle.pid, frame.extra, frame.body, handle.progress_page.fd, handle.overdue
            )
            death = self._lose(worker_group, handle, death, blame=True)
            self.restarts += 1
            self._restart_limit.check(death)
            self._ensure_workers()

    def _on_spawn_failed(self, worker_group: WorkerGroup, frame: Frame) -> None:
        handle = worker_group.workers.get(frame.number)
        if handle is not None:
            self._lose(worker_group, handle, WorkerExit())
        message = f"a worker process could not be started ({frame.body.decode()})"
        if not worker_group.workers:
            raise WorkerError(f"{message}; use fewer workers, or threads (use_multiprocessing=False)")
        warn(f"{message}; going on with {len(worker_group.workers)}", RuntimeWarning, stacklevel=2)

    def _restart_fork_server(self, worker_group: WorkerGroup) -> None:
        """Start the fork server and its workers again: it died, and they with it."""
        worker_group.fork_server.check_start()
        self._restart_limit.fork_server()
        worker_group.fork_server.close()
        for handle in list(worker_group.workers.values()):
            self._lose(worker_group, handle, WorkerExit(pid=handle.pid))
            self.restarts += 1
        uninterrupted(worker_group.relaunch)
        self._poller = _poller_of(worker_group)
        self._ensure_workers()

    def end_with_interpreter(self) -> None:
        """Stop the workers; daemon threads that still use them sleep from now on."""
        worker_group = self._worker_group
        if worker_group is not None and os.getpid() == self._owner:
            self._exit_gate.close(lambda: worker_group.close(HASTY_SECONDS))

    # -- frames out -------------------------------------------------------------------------------------

    def _send(self, worker_group: WorkerGroup, handle: WorkerHandle, job: Job) -> None:
        slot = worker_group.slot(job.slot)
        if handle.state_key != self._setup.state_key:
            self._setup.send_state(handle)
        handle.send_slot(job.slot, slot)
        handle.send_loader(job.loader_handle)
        try:
            handle.send_job(job, slot)
        except Exception as error:  # raised at its place in the order
            if len(job.tickets) > 1:
                self.scheduler.withdraw(job)
                return
            failed = self.scheduler.failed(job.worker, job.queue, job.number, job.attempt, job.slot)
            if failed is not None:
                failed.outcome = error

    def _flush(self, handle: WorkerHandle) -> None:
        """Send as much as the worker's socket takes; the rest goes when it has room."""
        blocked = not handle.channel.flush()
        if blocked != handle.blocked and handle.ended_at is None:
            handle.blocked = blocked
            self._poller.modify(handle.channel, _IN | _OUT if blocked else _IN)

    def _reclaim(self, worker_group: WorkerGroup) -> None:
        """Free the slots of values without references; have workers forget loaders without references."""
        while worker_group.returned:
            slot = worker_group.returned.popleft().slot
            del worker_group.leases[slot]
            self.scheduler.give_back(slot)
        while self._registry.retired:
            key = self._registry.retired.popleft()
            for handle in worker_group.workers.values():
                handle.forget_loader(key)

    # -- frames in --------------------------------------------------------------------------------------

    def _collect(self, timeout: int) -> None:
        """Read the messages that are there, waiting up to `timeout` milliseconds for one."""
        worker_group = self._live_group()
        gone = [
            at
            for handle in worker_group.workers.values()
            for at in (handle.ended_at, handle.timer.stopped)
            if at
        ]
        if gone and time.monotonic() > min(gone) + _REPORT_SECONDS:  # the fork server is stopped or hangs
            return self._restart_fork_server(worker_group)
        for handle in worker_group.workers.values() if gone else ():
            if handle.outlives_socket(time.monotonic()):
                worker_group.fork_server.kill(handle.key)
        by_fd = {handle.channel.fileno(): handle for handle in worker_group.workers.values()}
        control = worker_group.fork_server.channel.fileno()
        before = time.monotonic()
        found = self._poller.poll(timeout)
        if not found and timeout:
            # More only if this process was stopped, perhaps together with the workers: that does not count.
            passed = min(time.monotonic() - before, LOOK_SECONDS)
            worker_group.stop_hung(self.scheduler.holds, self._deadline, passed)
        for fd, events in found:
            if fd == control:
                return self._on_control(
                    worker_group
                )  # workers may come and go: the next call sees the other events
            self._on_events(worker_group, by_fd[fd], events)
        return None

    def _on_events(self, worker_group: WorkerGroup, handle: WorkerHandle, events: int) -> None:
        if events & _OUT:
            self._flush(handle)
        if events & ~_OUT:
            self._handle(handle, handle.channel.receive())
            if handle.channel.ended and handle.ended_at is None:
                self._on_socket_end(worker_group, handle)

    def _on_socket_end(self, worker_group: WorkerGroup, handle: WorkerHandle) -> None:
        """Listen no more to a worker whose socket has ended: it has died, or dies soon."""
        self._poller.unregister(handle.channel)
        handle.ended_at = time.monotonic()
        if handle.channel.stray:
            worker_group.fork_server.kill(handle.key)

    def _on_control(self, worker_group: WorkerGroup) -> None:
        channel = worker_group.fork_server.channel
        for frame in worker_group.fork_server.frames():
            if frame.kind == wire.SPAWNED:
                if frame.number in worker_group.workers:
                    worker_group.workers[frame.number].pid = frame.extra
            elif frame.kind == wire.SPAWN_FAILED:
                self._on_spawn_failed(worker_group, frame)
            elif frame.kind == wire.EXITED:
                self._on_death(worker_group, frame)
        if channel.ended:
            self._restart_fork_server(worker_group)

    def _handle(self, handle: WorkerHandle, frames: list[Frame]) -> None:
        handle.n_frames += len(frames)
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
        handle.n_results += 1
        answer = self.scheduler.failed if packed.failure else self.scheduler.done
        job = answer(handle.key, frame.queue, frame.number, frame.attempt, frame.slot)
        if job is not None:
            job.outcome = packed
            self._deadline.note(packed.nanoseconds)
            self._restart_limit.progress()

    def _on_cancelled(self, handle: WorkerHandle, frame: Frame) -> None:
        self.scheduler.done(handle.key, frame.queue, frame.number, frame.attempt, frame.slot)


def _poller_of(worker_group: WorkerGroup) -> select.poll:
    poller = select.poll()
    poller.register(worker_group.fork_server.channel, _IN)
    return poller
