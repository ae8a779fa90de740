"""What a pool of processes owns: the nursery, the workers, the slots, and what it has sent to whom.

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
from typing import Any

import cloudpickle

from streamfit._base.errors import PicklingError
from streamfit.workers import slots, wire
from streamfit.workers.budget import Budget
from streamfit.workers.dataset import Parcel
from streamfit.workers.deadline import START_SECONDS, Deadline, Watch
from streamfit.workers.ending import ORDINARY_SECONDS
from streamfit.workers.launcher import Launcher
from streamfit.workers.marker import Marker
from streamfit.workers.scheduler import Job
from streamfit.workers.surroundings import State
from streamfit.workers.uninterrupted import uninterrupted
from streamfit.workers.values import Reader
from streamfit.workers.wire import Channel

_MAX_TICKET_IN_FRAME = 1 << 16
_ABORT_SECONDS = 0.5
_ABOUT_TO_END_SECONDS = 0.1  # between the end of a socket and the word that its process has died


class Loan(weakref.ref[Any]):
    """Watches the memory of one delivered value; called back when nothing refers to it any more."""

    __slots__ = ("slot",)
    slot: int


class Link:
    """What the parent knows of one worker.

    Attributes:
        key: number of this worker, never used again.
        pid: process id, once it is known.
        marker: which load it is at.
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
        self.readers: dict[int, Reader | Exception] = {}
        self.marker = Marker()
        self.blocked = False
        self.ended_at: float | None = None
        self.heard = 0
        self.watch = Watch()
        self.overdue = 0.0
        self.state = 0
        self.answered = 0
        self._closed = False
        self._slots: set[int] = set()
        self._arenas: set[int] = set()
        self._parcels: dict[int, set[int]] = {}
        channel.put(wire.MARKER, fds=(self.marker.fd,), keep=self.marker)

    def stray(self) -> str:
        """Return what came from it in place of messages, or nothing."""
        closed = self._closed or self.marker.strayed()
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
        self.marker.close()

    def send_init(self, init: Parcel) -> None:
        """Send what a new worker calls before it loads anything."""
        self.channel.put(wire.INIT, fds=(init.fd,), keep=init)

    def send_state(self, state: State) -> None:
        """Send the state of this process, unless the worker has it."""
        if state.key != self.state:
            self.state = state.key
            self.channel.put(wire.STATE, fds=(state.fd,), number=state.key, keep=state)

    def learn(self, frame: wire.Frame) -> None:
        """Take in how to read values of one kind."""
        try:
            self.readers[frame.number] = Reader(pickle.loads(frame.body))
        except Exception as error:  # a class that only the worker has; surfaces with the first value of it
            self.readers[frame.number] = error

    def overstays(self, deadline: Deadline, passed: float, now: float) -> signal.Signals | None:
        """Return the signal to stop the worker by if it has shown no sign of life for too long.

        Args:
            deadline: says how long loads may take.
            passed: seconds waited since the last look.
            now: on the monotonic clock.
        """
        load, begun, watch = self.marker.under_way(), self.marker.begun(), self.watch
        waited = watch.look((begun, self.heard, load), passed)
        limit = deadline.seconds(load.attempt if load else 1)
        if self.marker.prepares() or (not begun and load is None):
            limit = max(limit, START_SECONDS)
        if waited > limit and not watch.stopped:
            self.overdue, watch.stopped = limit, now
            return signal.SIGABRT  # its last words tell where it hangs
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

    def send_parcel(self, parcel: Parcel) -> None:
        """Send a loader and what it lies in, unless the worker has it."""
        if parcel.key in self._parcels:
            return
        for arena in parcel.arenas:
            if arena.key not in self._arenas:
                self._arenas.add(arena.key)
                self.channel.put(wire.SHARE, fds=(arena.fd,), number=arena.key, keep=arena)
        keys = [arena.key for arena in parcel.arenas]
        self._parcels[parcel.key] = set(keys)
        body = pickle.dumps((keys, parcel.size))
        self.channel.put(wire.LOADER, body, fds=(parcel.fd,), number=parcel.key, keep=parcel)

    def forget_parcel(self, key: int) -> None:
        """Have the worker let go of a loader, if it has it."""
        if self._parcels.pop(key, None) is not None:
            self._arenas = set().union(*self._parcels.values())
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
            lane=job.lane,
            number=job.number,
            attempt=job.attempt,
            slot=job.slot,
            extra=job.cargo.key,
        )


class Crew:
    """A nursery, its workers and the slots they write to: all that has to be given back in the end.

    Args:
        preload: names of modules that the nursery imports.
        hash_seed: that of the nursery and all workers; None for that of the program.

    Attributes:
        budget: which slots have grown too large.
        loans: of the slots whose values the consumer still refers to.
        returned: loans whose values it has given up; filled from any thread.
    """

    def __init__(self, preload: Iterable[str] = (), hash_seed: int | None = None) -> None:
        self._owner = os.getpid()
        self._preload, self._hash_seed = tuple(preload), hash_seed
        self._closing = threading.Lock()
        self._slots: dict[int, slots.Slot] = {}
        self.links: dict[int, Link] = {}
        self.budget = Budget()
        self.loans: dict[int, Loan] = {}
        self.returned: deque[Loan] = deque()
        self.launcher = Launcher(self._preload, hash_seed)

    def slot(self, number: int) -> slots.Slot:
        """Return a slot, making it at the first call."""
        slot = self._slots.get(number)
        if slot is None:
            uninterrupted(lambda: self._make_slot(number))
            slot = self._slots[number]
        return slot

    def _make_slot(self, number: int) -> None:
        self._slots[number] = slots.Slot(slots.create(f"slot-{number}"), guarded=True)

    def trim(self, free: Iterable[int]) -> list[Link]:
        """Give up the memory of free slots that are far larger than what values need.

        Returns:
            the workers that have been sent word of it.
        """
        excess = self.budget.excess(free)
        for number in excess:
            uninterrupted(self._slots.pop(number).close)
            for link in self.links.values():
                link.drop_slot(number)
        return list(self.links.values()) if excess else []

    def stop_hung(self, holds: Callable[[int], bool], deadline: Deadline, passed: float) -> None:
        """Stop workers that take too long; called when nothing came lately, so none waits to be heard.

        Args:
            holds: says whether a worker has anything to do.
            deadline: says how long loads may take.
            passed: seconds waited since the last look.
        """
        now = time.monotonic()
        for link in self.links.values():
            by = link.overstays(deadline, passed, now) if holds(link.key) else None
            if by is not None:
                self.launcher.kill(link.key, by)

    def relaunch(self) -> None:
        """Start another nursery in place of one that is gone."""
        self.launcher = Launcher(self._preload, self._hash_seed)

    def lend(self, number: int, memory: Any) -> None:
        """Note that a slot comes back when `memory` and all views of it are gone."""
        loan = Loan(memory, self.returned.append)
        loan.slot = number
        self.loans[number] = loan

    def close(self, grace: float = ORDINARY_SECONDS) -> None:
        """End the workers and close everything; lent values stay valid.

        No signal handler interrupts this; after one that raises no worker is waited for any more.

        Args:
            grace: seconds that the workers may take to end by themselves.
        """
        if os.getpid() == self._owner:
            uninterrupted(lambda: self._close(grace), lambda: self.launcher.hurry())

    def _close(self, grace: float) -> None:
        with self._closing:
            try:
                for link in self.links.values():
                    link.channel.close()  # a worker that waits sees this at once
                self.launcher.close(grace)
            finally:
                for link in self.links.values():
                    link.close()
                for slot in self._slots.values():
                    slot.close()
                self.links.clear()
                self._slots.clear()


def _ticket_frame(tickets: tuple[Any, ...], slot: slots.Slot) -> tuple[int, bytes]:
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
