"""What a pool of processes owns: the fork server, the workers, the slots, and what it has sent to whom.

Guarantee kept here: a descriptor is sent to a worker once, before the first frame that needs it, and its
owner lives until it was sent.
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
from streamfit.workers.pool.ending import ORDINARY_SECONDS
from streamfit.workers.pool.scheduler import Job
from streamfit.workers.processes.fork_server_client import ForkServerClient
from streamfit.workers.processes.parent_state import ProcessState
from streamfit.workers.recovery.deadline import START_SECONDS, Deadline, LoadTimer
from streamfit.workers.recovery.progress_page import ProgressPage
from streamfit.workers.transport import slots, wire
from streamfit.workers.transport.loader_pickle import PickledLoader
from streamfit.workers.transport.slot_budget import SlotBudget
from streamfit.workers.transport.slots import Array
from streamfit.workers.transport.uninterrupted import uninterrupted
from streamfit.workers.transport.values import ValueReader
from streamfit.workers.transport.wire import Channel

_MAX_TICKET_IN_FRAME = 1 << 16
_ABORT_SECONDS = 0.5
_ABOUT_TO_END_SECONDS = 0.1  # between the end of a socket and the word that its process has died


class SlotLease(weakref.ref[Array]):
    """Watches the memory of one delivered value; called back when nothing refers to it any more."""

    __slots__ = ("slot",)
    slot: int


class WorkerHandle:
    """What the parent knows of one worker.

    Attributes:
        key: number of this worker, never used again.
        pid: process id, once it is known.
        progress_page: which load it is at.
        readers: how to read the values it sends, by template number; an exception where that is not known.
        blocked: its socket is full.
        ended_at: when its socket ended, on the monotonic clock, if it did.
        heard: how many frames have come from it.
        watch: how long it has shown no sign of life while it should have.
        overdue: the seconds that it exceeded, if it was stopped for that.
        answered: how many results have come from it.
        state: which state of this process it was sent last; 0 for none.
    """

    def __init__(self, key: int, channel: Channel) -> None:
        self.key = key
        self.channel = channel
        self.pid: int | None = None
        self.readers: dict[int, ValueReader | Exception] = {}
        self.progress_page = ProgressPage()
        self.blocked = False
        self.ended_at: float | None = None
        self.heard = 0
        self.watch = LoadTimer()
        self.overdue = 0.0
        self.state = 0
        self.answered = 0
        self._closed = False
        self._slots: set[int] = set()
        self._segments: set[int] = set()
        self._pickled_loaders: dict[int, set[int]] = {}
        channel.put(wire.PROGRESS_PAGE, fds=(self.progress_page.fd,), keep=self.progress_page)

    def stray(self) -> str:
        """Return what came from it in place of messages, or nothing."""
        closed = self._closed or self.progress_page.strayed()
        return self.channel.stray or ("its socket was closed or written to" if closed else "")

    def lives_on(self, now: float) -> bool:
        """Return whether the worker, found out now, has lost its socket and goes on."""
        ended = self.ended_at is not None and now > self.ended_at + _ABOUT_TO_END_SECONDS
        if not ended or self._closed or self.channel.stray:
            return False
        self._closed = True
        return True

    def close(self) -> None:
        """Give back what belongs to this worker alone."""
        self.channel.close()
        self.progress_page.close()

    def send_init(self, init: PickledLoader) -> None:
        """Send what a new worker calls before it loads anything."""
        self.channel.put(wire.INIT, fds=(init.fd,), keep=init)

    def send_state(self, state: ProcessState) -> None:
        """Send the state of this process, unless the worker has it."""
        if state.key != self.state:
            self.state = state.key
            self.channel.put(wire.STATE, fds=(state.fd,), number=state.key, keep=state)

    def learn(self, frame: wire.Frame) -> None:
        """Take in how to read values of one kind."""
        try:
            self.readers[frame.number] = ValueReader(pickle.loads(frame.body))
        except Exception as error:  # a class that only the worker has; surfaces with the first value of it
            self.readers[frame.number] = error

    def overstays(self, deadline: Deadline, passed: float, now: float) -> signal.Signals | None:
        """Return the signal to stop the worker by if it has shown no sign of life for too long.

        Args:
            deadline: says how long loads may take.
            passed: seconds waited since the last look.
            now: on the monotonic clock.
        """
        load, begun, watch = self.progress_page.under_way(), self.progress_page.begun(), self.watch
        waited = watch.look((begun, self.heard, load), passed)
        limit = deadline.seconds(load.attempt if load else 1)
        if self.progress_page.prepares() or (not begun and load is None):
            limit = max(limit, START_SECONDS)
        if waited > limit and not watch.stopped:
            self.overdue, watch.stopped = limit, now
            return signal.SIGABRT  # its crash report tell where it hangs
        return signal.SIGKILL if watch.stopped and now > watch.stopped + _ABORT_SECONDS else None

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
        """Have the worker let go of a slot, if it has it."""
        if number in self._slots:
            self._slots.discard(number)
            self.channel.put(wire.DROP_SLOT, slot=number)

    def send_loader(self, pickled_loader: PickledLoader) -> None:
        """Send a loader and what it lies in, unless the worker has it."""
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
        """Have the worker let go of a loader, if it has it."""
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
    """A fork server, its workers and the slots they write to: all that has to be given back in the end.

    Args:
        preload: names of modules that the fork server imports.
        hash_seed: that of the fork server and all workers; None for that of the program.

    Attributes:
        budget: which slots have grown too large.
        leases: of the slots whose values the consumer still refers to.
        returned: leases whose values it has given up; filled from any thread.
    """

    def __init__(self, preload: Iterable[str] = (), hash_seed: int | None = None) -> None:
        self._owner = os.getpid()
        self._preload, self._hash_seed = tuple(preload), hash_seed
        self._closing = threading.Lock()
        self._slots: dict[int, slots.Slot] = {}
        self.handles: dict[int, WorkerHandle] = {}
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
        """Give up the memory of free slots that are far larger than what values need.

        Returns:
            the workers that have been sent word of it.
        """
        excess = self.budget.excess(free)
        for number in excess:
            uninterrupted(self._slots.pop(number).close)
            for handle in self.handles.values():
                handle.drop_slot(number)
        return list(self.handles.values()) if excess else []

    def stop_hung(self, holds: Callable[[int], bool], deadline: Deadline, passed: float) -> None:
        """Stop workers that take too long; called when nothing came lately, so none waits to be heard.

        Args:
            holds: says whether a worker has anything to do.
            deadline: says how long loads may take.
            passed: seconds waited since the last look.
        """
        now = time.monotonic()
        for handle in self.handles.values():
            by = handle.overstays(deadline, passed, now) if holds(handle.key) else None
            if by is not None:
                self.fork_server.kill(handle.key, by)

    def relaunch(self) -> None:
        """Start another fork server in place of one that is gone."""
        self.fork_server = ForkServerClient(self._preload, self._hash_seed)

    def lease(self, number: int, memory: Array) -> None:
        """Note that a slot comes back when `memory` and all views of it are gone."""
        lease = SlotLease(memory, self.returned.append)
        lease.slot = number
        self.leases[number] = lease

    def close(self, grace: float = ORDINARY_SECONDS) -> None:
        """End the workers and close everything; leased values stay valid.

        No signal handler interrupts this; after one that raises no worker is waited for any more.

        Args:
            grace: seconds that the workers may take to end by themselves.
        """
        if os.getpid() == self._owner:
            uninterrupted(lambda: self._close(grace), lambda: self.fork_server.hurry())

    def _close(self, grace: float) -> None:
        with self._closing:
            try:
                for handle in self.handles.values():
                    handle.channel.close()  # a worker that waits sees this at once
                self.fork_server.close(grace)
            finally:
                for handle in self.handles.values():
                    handle.close()
                for slot in self._slots.values():
                    slot.close()
                self.handles.clear()
                self._slots.clear()


def _ticket_frame(tickets: tuple[object, ...], slot: slots.Slot) -> tuple[int, bytes]:
    """Return the kind and body of a job's frame; a large one waits in its slot, which is its own."""
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
