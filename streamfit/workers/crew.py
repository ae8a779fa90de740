"""What a pool of processes owns: the nursery, the workers, the slots, and what it has sent to whom.

Guarantee kept here: a descriptor is sent to a worker once, before the first frame that needs it, and its
owner lives until it was sent.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import cloudpickle
import numpy as np

from streamfit._base.errors import PicklingError
from streamfit.workers import slots, wire
from streamfit.workers.dataset import Parcel
from streamfit.workers.deadline import START_SECONDS, Deadline, Watch
from streamfit.workers.launcher import Launcher
from streamfit.workers.marker import Marker
from streamfit.workers.scheduler import Job
from streamfit.workers.surroundings import State
from streamfit.workers.values import Reader
from streamfit.workers.wire import Channel

_MAX_TICKET_IN_FRAME = 1 << 16
_ABORT_SECONDS = 0.5


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
        self._state = 0
        self._slots: set[int] = set()
        self._arenas: set[int] = set()
        self._parcels: dict[int, set[int]] = {}
        channel.put(wire.MARKER, fds=(self.marker.fd,), keep=self.marker)

    def close(self) -> None:
        """Give back what belongs to this worker alone."""
        self.channel.close()
        self.marker.close()

    def send_init(self, init: Parcel) -> None:
        """Send what a new worker calls before it loads anything."""
        self.channel.put(wire.INIT, fds=(init.fd,), keep=init)

    def send_state(self, state: State) -> None:
        """Send the state of this process, unless the worker has it."""
        if state.key != self._state:
            self._state = state.key
            self.channel.put(wire.STATE, fds=(state.fd,), number=state.key, keep=state)

    def send_slot(self, number: int, slot: slots.Slot) -> None:
        """Send a slot, unless the worker has it."""
        if number not in self._slots:
            self._slots.add(number)
            self.channel.put(wire.SLOT, fds=(slot.fd,), slot=number, keep=slot)

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
        self.channel.put(wire.LOADER, pickle.dumps(keys), fds=(parcel.fd,), number=parcel.key, keep=parcel)

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
        loans: of the slots whose values the consumer still refers to.
        returned: loans whose values it has given up; filled from any thread.
    """

    def __init__(self, preload: Iterable[str] = (), hash_seed: int | None = None) -> None:
        self._owner = os.getpid()
        self._slots: dict[int, slots.Slot] = {}
        self.links: dict[int, Link] = {}
        self.loans: dict[int, Loan] = {}
        self.returned: deque[Loan] = deque()
        self.launcher = Launcher(preload, hash_seed)

    def slot(self, number: int) -> slots.Slot:
        """Return a slot, making it at the first call."""
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = slots.Slot(slots.create(f"slot-{number}"))
        return slot

    def stop_hanging(self, passed: float, holds: Callable[[int], bool], deadline: Deadline) -> None:
        """Stop workers that take too long; called when nothing came meanwhile, so none waits to be heard.

        Args:
            passed: seconds since the last look.
            holds: tells whether a worker has anything to do.
            deadline: says how long it may take.
        """
        now = time.monotonic()
        for link in self.links.values():
            marker = link.marker
            load, begun = marker.under_way(), marker.begun()
            if not holds(link.key):
                continue
            waited = link.watch.look((begun, link.heard, load), passed)
            limit = deadline.seconds(load.attempt if load else 1)
            if marker.prepares() or (not begun and load is None):
                limit = max(limit, START_SECONDS)
            if waited > limit and not link.watch.stopped:
                link.overdue, link.watch.stopped = limit, now
                self.launcher.kill(link.key, signal.SIGABRT)  # its last words tell where it hangs
            elif link.watch.stopped and now > link.watch.stopped + _ABORT_SECONDS:
                self.launcher.kill(link.key)

    def lend(self, number: int, memory: Any) -> None:
        """Note that a slot comes back when `memory` and all views of it are gone."""
        loan = Loan(memory, self.returned.append)
        loan.slot = number
        self.loans[number] = loan

    def close(self) -> None:
        """Kill the workers and close everything; lent values stay valid."""
        if os.getpid() != self._owner:
            return
        try:
            self.launcher.close()
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
    slot.bytes(len(data))[:] = np.frombuffer(data, np.uint8)
    return wire.LARGE_TICKET, len(data).to_bytes(8, "little")
