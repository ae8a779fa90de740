"""The fork server, workers and slots of a pool of processes, and a record of what each worker was sent.

Guarantee kept here: a descriptor is sent to a worker once, before the first frame that needs it, and its
owner lives until then.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable

import cloudpickle

from streamfit._base.errors import PicklingError
from streamfit._base.uninterrupted import uninterrupted
from streamfit.workers.pool.ending import ORDINARY_SECONDS
from streamfit.workers.pool.scheduler import Job
from streamfit.workers.processes.fork_server_client import ForkServerClient
from streamfit.workers.processes.parent_state import StateSnapshot
from streamfit.workers.recovery.deadline import START_SECONDS, Deadline, LoadTimer
from streamfit.workers.recovery.progress_page import ProgressPage
from streamfit.workers.transport import slots, wire
from streamfit.workers.transport.loader_pickle import PickledLoader
from streamfit.workers.transport.slot_budget import SlotBudget
from streamfit.workers.transport.slots import Array
from streamfit.workers.transport.values import ValueReader
from streamfit.workers.transport.wire import Channel

_MAX_TICKET_IN_FRAME = 1 << 16
_ABORT_SECONDS = 0.5
_ABOUT_TO_END_SECONDS = 0.1  # between the end of a socket and the report that its process has died


class SlotLease(weakref.ref[Array]):
    """Watches the memory of one delivered value; called back when nothing refers to it any more."""

    __slots__ = ("slot",)
    slot: int


class WorkerHandle:
    """One worker, as the parent knows it.

    Attributes:
        key: number of this worker, never used again.
        pid: process id, once it is known.
        progress_page: which load it is at.
        readers: how to read the values it sends, by template number; an exception where that is not known.
        blocked: its socket is full.
        ended_at: when its socket ended, on the monotonic clock, if it did.
        n_frames: how many frames it has sent.
        timer: how long it has shown no sign of life while it should have.
        overdue: the seconds that a load was given and exceeded, if the worker was stopped for that.
        n_results: how many results it has sent.
        state_key: of the state of this process that it was sent last; 0 for none.
    """

    def __init__(self, key: int, channel: Channel) -> None:
        self.key = key
        self.channel = channel
        self.pid: int | None = None
        self.readers: dict[int, ValueReader | Exception] = {}
        self.progress_page = ProgressPage()
        self.blocked = False
        self.ended_at: float | None = None
        self.n_frames = 0
        self.timer = LoadTimer()
        self.overdue = 0.0
        self.state_key = 0
        self.n_results = 0
        self._closed = False
        self._slots: set[int] = set()
        self._segments: set[int] = set()
        self._pickled_loaders: dict[int, set[int]] = {}
        channel.put(wire.PROGRESS_PAGE, fds=(self.progress_page.fd,), keep=self.progress_page)

    def stray(self) -> str:
        """Return why its socket is no longer used by it alone, in words, or nothing."""
        closed = self._closed or self.progress_page.is_stray()
        return self.channel.stray or ("its socket was closed or written to" if closed else "")

    def outlives_socket(self, now: float) -> bool:
        """Return, once, True for a worker that still runs although its socket has ended."""
        ended = self.ended_at is not None and now > self.ended_at + _ABOUT_TO_END_SECONDS
        if not ended or self._closed or self.channel.stray:
            return False
        self._closed = True
        return True

    def close(self) -> None:
        """Close the channel and the progress page of this worker."""
        self.channel.close()
        self.progress_page.close()

    def send_init(self, init: PickledLoader) -> None:
        """Send the function that a new worker calls before it loads anything."""
        self.channel.put(wire.INIT, fds=(init.fd,), keep=init)

    def send_state(self, state: StateSnapshot) -> None:
        """Send the state of this process, unless the worker has it."""
        if state.key != self.state_key:
            self.state_key = state.key
            self.channel.put(wire.STATE, fds=(state.fd,), number=state.key, keep=state)

    def add_template(self, frame: wire.Frame) -> None:
        """Take in the template of values of one kind."""
        try:
            self.readers[frame.number] = ValueReader(pickle.loads(frame.body))
        except Exception as error:  # a class that only the worker has; raised with the first value of it
            self.readers[frame.number] = error

    def overdue_signal(self, deadline: Deadline, passed: float, now: float) -> signal.Signals | None:
        """Return the signal to stop the worker by if it has shown no sign of life for too long.

        Args:
            deadline: says how long loads may take.
            passed: seconds waited since the last look.
            now: on the monotonic clock.
        """
        load, begun, timer = self.progress_page.under_way(), self.progress_page.begun(), self.timer
        waited = timer.look((begun, self.n_frames, load), passed)
        limit = deadline.seconds(load.attempt if load else 1)
        if self.progress_page.is_preparing() or (not begun and load is None):
            limit = max(limit, START_SECONDS)
        if waited > limit and not timer.stopped:
            self.overdue, timer.stopped = limit, now
            return signal.SIGABRT  # its crash report shows where it hangs
        return signal.SIGKILL if timer.stopped and now > timer.stopped + _ABORT_SECONDS else None

    def send_slot(self, number: int, slot: slots.Slot) -> None:
        """Send a slot, unless the worker has it.

        Raises:
            WorkerError: user code has closed its descriptor.
        """
        if number not in self._slots:
            slot.check()
            self._slots.add(number)
            self.channel.put(wire.SLOT, fds=(slot.fd,), slot=number, keep=slot)

    def drop_slot(self, number: int) -> None:
        """Have the worker close a slot, if it has it."""
        if number in self._slots:
            self._slots.discard(number)
            self.channel.put(wire.DROP_SLOT, slot=number)

    def send_loader(self, pickled_loader: PickledLoader) -> None:
        """Send a loader and the memory of its arrays, unless the worker has it."""
        if pickled_loader.key in self._pickled_loaders:
            return
        for segment in pickled_loader.segments:
            if segment.key not in self._segments:
                self._segments.add(segment.key)
                self.channel.put(wire.SHARE, fds=(segment.fd,), number=segment.key, keep=segment)
        keys = [segment.key for segment in pickled_loader.segments]
        self._pickled_loaders[pickled_loader.key] = set(keys)
        body = pickle.dumps((keys, pickled_loader.size))
        self.channel.put(
            wire.LOADER, body, fds=(pickled_loader.fd,), number=pickled_loader.key, keep=pickled_loader
        )

    def forget_loader(self, key: int) -> None:
        """Have the worker forget a loader, if it has it."""
        if self._pickled_loaders.pop(key, None) is not None:
            self._segments = set().union(*self._pickled_loaders.values())
            self.channel.put(wire.FORGET, number=key)

    def send_job(self, job: Job, slot: slots.Slot) -> None:
        """Send the tickets of a job.

        Raises:
            PicklingError: one of them cannot travel.
        """
        kind, body = _ticket_frame(job.tickets, slot)
        self.channel.put(
            kind,
            body,
            queue=job.queue,
            number=job.number,
            attempt=job.attempt,
            slot=job.slot,
            extra=job.loader_handle.key,
        )


class WorkerGroup:
    """A fork server, its workers and the slots they write to: everything that must be released in the end.

    Args:
        preload: names of modules that the fork server imports.
        hash_seed: that of the fork server and all workers; None for that of the program.

    Attributes:
        workers: by their keys.
        budget: which slots have grown too large.
        leases: of the slots whose values the consumer still refers to, by slot.
        returned: leases whose values it no longer refers to; filled from any thread.
    """

    def __init__(self, preload: Iterable[str] = (), hash_seed: int | None = None) -> None:
        self._owner = os.getpid()
        self._preload, self._hash_seed = tuple(preload), hash_seed
        self._closing = threading.Lock()
        self._slots: dict[int, slots.Slot] = {}
        self.workers: dict[int, WorkerHandle] = {}
        self.budget = SlotBudget()
        self.leases: dict[int, SlotLease] = {}
        self.returned: deque[SlotLease] = deque()
        self.fork_server = ForkServerClient(self._preload, hash_seed)

    def slot(self, number: int) -> slots.Slot:
        """Return a slot, making it at the first call."""
        slot = self._slots.get(number)
        if slot is None:
            uninterrupted(lambda: self._make_slot(number))
            slot = self._slots[number]
        return slot

    def _make_slot(self, number: int) -> None:
        self._slots[number] = slots.Slot(slots.create(f"slot-{number}"), guarded=True)

    def trim(self, free: Iterable[int]) -> list[WorkerHandle]:
        """Release the memory of free slots that are far larger than values need.

        Returns:
            the workers for which a message about it is queued.
        """
        excess = self.budget.excess(free)
        for number in excess:
            uninterrupted(self._slots.pop(number).close)
            for handle in self.workers.values():
                handle.drop_slot(number)
        return list(self.workers.values()) if excess else []

    def stop_hung(self, holds: Callable[[int], bool], deadline: Deadline, passed: float) -> None:
        """Stop workers that take too long; called when nothing came lately, so no message is unread.

        Args:
            holds: says whether a worker has anything to do.
            deadline: says how long loads may take.
            passed: seconds waited since the last look.
        """
        now = time.monotonic()
        for handle in self.workers.values():
            by = handle.overdue_signal(deadline, passed, now) if holds(handle.key) else None
            if by is not None:
                self.fork_server.kill(handle.key, by)

    def relaunch(self) -> None:
        """Start another fork server in place of one that is gone."""
        self.fork_server = ForkServerClient(self._preload, self._hash_seed)

    def lease(self, number: int, memory: Array) -> None:
        """Note that a slot is free again when `memory` and all views of it are gone."""
        lease = SlotLease(memory, self.returned.append)
        lease.slot = number
        self.leases[number] = lease

    def close(self, grace: float = ORDINARY_SECONDS) -> None:
        """End the workers and close everything; leased values stay valid.

        No signal handler interrupts this; after a handler that raises, no worker is waited for any more.

        Args:
            grace: seconds that the workers may take to end by themselves.
        """
        if os.getpid() == self._owner:
            uninterrupted(lambda: self._close(grace), lambda: self.fork_server.hurry())

    def _close(self, grace: float) -> None:
        with self._closing:
            try:
                for handle in self.workers.values():
                    handle.channel.close()  # a worker that waits sees this at once
                self.fork_server.close(grace)
            finally:
                for handle in self.workers.values():
                    handle.close()
                for slot in self._slots.values():
                    slot.close()
                self.workers.clear()
                self._slots.clear()


def _ticket_frame(tickets: tuple[object, ...], slot: slots.Slot) -> tuple[int, bytes]:
    """Return the kind and body of a job's frame; a large one lies in the slot of the job."""
    try:
        data = pickle.dumps(tickets, 5)
        if b"__main__" in data:  # loads by reference here, yet not in another process
            data = cloudpickle.dumps(tickets, 5)
    except Exception as error:
        raise PicklingError(
            f"a ticket of type {type(tickets[0]).__name__} cannot be sent to a worker "
            f"({type(error).__name__}: {error}); let it hold numbers, text and arrays"
        ) from error
    if len(data) <= _MAX_TICKET_IN_FRAME:
        return wire.TICKET, data
    slot.reserve(len(data))
    slot.fill(memoryview(data))
    return wire.LARGE_TICKET, len(data).to_bytes(8, "little")
