"""A worker process: reads tickets, loads them, writes the values to their slots, sends headers.

Guarantees kept here: a value is complete in its slot before its header is sent; any exception of a load is
sent to the parent; the worker ends when its parent does; if user code has closed its socket, or written to
it, the worker notes that and ends.
"""

from __future__ import annotations

import contextlib
import copyreg
import ctypes
import logging
import mmap
import os
import pickle
import random
import resource
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import seed as seed_numpy  # NumPy would import it when it is first used: in every worker

from streamfit._base.errors import PicklingError, WorkerError
from streamfit.workers.contract import AnyLoader, enter_worker, name_of
from streamfit.workers.pool.ending import Finished, Interruptible
from streamfit.workers.processes.parent_state import StateApplier
from streamfit.workers.recovery import crash_report, exceptions
from streamfit.workers.recovery.progress_page import ProgressPage
from streamfit.workers.transport import shared_arrays, slots, wire
from streamfit.workers.transport.outbox import Outbox
from streamfit.workers.transport.packing import Packer
from streamfit.workers.transport.scratch import SCRATCH
from streamfit.workers.transport.slots import Slot
from streamfit.workers.transport.values import Template, dump
from streamfit.workers.transport.wire import Channel, Frame

_MAX_TEMPLATES = 256
_LOOK_SECONDS = 0.001
_PAGE = os.sysconf("SC_PAGESIZE")
_MAX_FILE_PAGES = (64 << 20) // _PAGE
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LOGGER = logging.getLogger("streamfit.workers")
_PR_SET_PDEATHSIG = 1


class Worker:
    """The state of one worker.

    Args:
        sock: its end of the socket pair that joins it to the parent.

    Attributes:
        interruptible: lets the fork server interrupt a load when the worker is to end.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._channel = Channel(sock)
        self._outbox = Outbox(self._channel)
        self._applier = StateApplier(self._send_record, self._report_unsent)
        self._initialize: mmap.mmap | None = None
        self._slots: dict[int, Slot] = {}
        self._loaders: dict[int, _ReceivedLoader] = {}
        self._templates: dict[Template, int] = {}
        self._pending: deque[Frame] = deque()
        self._progress_page = ProgressPage()
        self.interruptible = Interruptible()
        self._handlers: dict[int, Callable[[Frame], None]] = {
            wire.PROGRESS_PAGE: self._on_progress_page,
            wire.STATE: self._on_state,
            wire.INIT: self._on_init,
            wire.SLOT: self._on_slot,
            wire.SHARE: self._on_share,
            wire.LOADER: self._on_loader,
            wire.FORGET: self._on_forget,
            wire.TICKET: self._pending.append,
            wire.LARGE_TICKET: self._pending.append,
            wire.CANCEL: self._on_cancel,
            wire.DROP_SLOT: self._on_drop_slot,
        }

    def serve(self) -> bool:
        """Work until the parent closes its end; return False if user code has ended the channel instead."""
        with contextlib.suppress(Finished):
            while not self._channel.ended and not self.interruptible.asked:
                for frame in self._channel.receive(wait=not self._pending):
                    self._handlers.get(frame.kind, self._on_unknown)(frame)
                # Quick loads are done one after the other, before the next look for cancellations.
                until = time.monotonic() + _LOOK_SECONDS
                while self._pending and not self.interruptible.asked:
                    self._work(self._pending.popleft())
                    if time.monotonic() > until:
                        break
        if self._channel.stray:
            self._progress_page.mark_stray()
        # Released in order, not as garbage: files in a cycle would be closed before they are flushed.
        self._handlers.clear()
        for received in self._loaders.values():
            received.close()
        self._loaders.clear()
        return not self._channel.stray

    def _on_unknown(self, frame: Frame) -> None:
        self._channel.give_up(f"a message of kind {frame.kind} came, which is none of ours")

    def _work(self, frame: Frame) -> None:
        """Load the tickets of a job, one after the other, and send the outcome."""
        if len(self._templates) >= _MAX_TEMPLATES:
            self._templates.clear()
        slot, progress_page, failure = self._slots[frame.slot], self._progress_page, b""
        received = self._loaders[frame.extra]
        packer = Packer(slot, self._number_of)
        began = time.monotonic_ns()
        try:
            self.interruptible.on = True
            load = self._ready(received)
            began = time.monotonic_ns()
            SCRATCH.open(slot)
            for number, ticket in enumerate(_tickets(frame, slot), frame.number):
                progress_page.begin(frame.queue, number, frame.attempt)
                SCRATCH.end = packer.used
                _pack(packer, load(ticket))
        except BaseException as error:  # user code ran; the consumer gets its exception, of any class
            failure = exceptions.pack(error)
        self.interruptible.on = False
        SCRATCH.close()
        self._answer(wire.RESULT, frame, packer.body(time.monotonic_ns() - began, failure))
        progress_page.end()
        received.drop_pages()

    def _ready(self, received: _ReceivedLoader) -> Callable[[object], object]:
        """Return the function that loads tickets; it is made ready once, which does not count as a load."""
        self._applier.settle()
        if received.load is not None and self._initialize is None:
            return received.load
        self._progress_page.set_preparing(True)
        try:
            with self._applier.importing():
                loader = received.loader()
            self._run_initialize()
            received.load = loader.load
            return loader.load
        finally:
            self._progress_page.set_preparing(False)

    def _run_initialize(self) -> None:
        """Call `worker_init`, once in each worker; the run ends if it fails."""
        data, self._initialize = self._initialize, None
        if data is None:
            return
        try:
            with self._applier.importing():
                initialize = pickle.loads(data)
            initialize()
        except BaseException as error:  # user code ran; the consumer gets its exception, of any class
            self._outbox.send(wire.INIT_FAILED, exceptions.pack(error))
            raise

    def _answer(self, kind: int, frame: Frame, body: bytes = b"") -> None:
        self._outbox.send(kind, body, frame.number, frame.queue, frame.attempt, frame.slot)
        if self._channel.stray:
            self._pending.clear()

    def _send_record(self, record: bytes) -> None:
        self._outbox.send(wire.RECORD, record)

    def _report_unsent(self, names: list[str]) -> None:
        self._outbox.send(wire.UNSENT, pickle.dumps(names))

    def _number_of(self, template: Template) -> int:
        """Return the number of a template; send a new one to the parent."""
        known = self._templates.get(template)
        if known is None:
            known = len(self._templates)
            self._outbox.put(wire.TEMPLATE, dump(template)[0], number=known)
            self._templates[template] = known  # not before: a template that cannot travel was not sent
        return known

    def _on_progress_page(self, frame: Frame) -> None:
        self._progress_page.close()
        self._progress_page = ProgressPage(frame.fds[0])
        crash_report.write_stacks_to(frame.fds[0])

    def _on_state(self, frame: Frame) -> None:
        self._applier.want(_mapped(frame.fds[0]))

    def _on_init(self, frame: Frame) -> None:
        self._initialize = _mapped(frame.fds[0])

    def _on_slot(self, frame: Frame) -> None:
        self._on_drop_slot(frame)
        self._slots[frame.slot] = Slot(frame.fds[0])

    def _on_drop_slot(self, frame: Frame) -> None:
        slot = self._slots.pop(frame.slot, None)
        if slot is not None:
            slot.close()

    def _on_share(self, frame: Frame) -> None:
        shared_arrays.RECEIVER.add_segment(frame.number, frame.fds[0])

    def _on_loader(self, frame: Frame) -> None:
        segments, size = pickle.loads(frame.body)
        self._loaders[frame.number] = _ReceivedLoader(frame.fds[0], size, segments)

    def _on_forget(self, frame: Frame) -> None:
        received = self._loaders.pop(frame.number, None)
        if received is not None:
            received.close()
        shared_arrays.RECEIVER.keep_segments(
            {key for received in self._loaders.values() for key in received.segments}
        )

    def _on_cancel(self, frame: Frame) -> None:
        for waiting in [item for item in self._pending if item.queue == frame.queue]:
            self._pending.remove(waiting)
            self._answer(wire.CANCELLED, waiting)


class _ReceivedLoader:
    """A loader as it was received; unpickled when it is first needed."""

    def __init__(self, fd: int, size: int, segments: list[int]) -> None:
        data = _mapped(fd)
        self._data: mmap.mmap | None = data
        self._places = np.frombuffer(data[size:], np.int64).reshape(-1, 2)
        self._loader: AnyLoader | None = None
        self.load: Callable[[object], object] | None = None  # once the worker is ready
        self._resident = 0
        self.segments = segments

    def loader(self) -> AnyLoader:
        """Return the loader."""
        if self._loader is None and self._data is not None:
            try:
                with shared_arrays.RECEIVER.placing(self._places):
                    loader: AnyLoader = pickle.loads(self._data)
            except Exception as error:
                error.add_note("This happened when the data set was unpickled in a worker process.")
                raise
            opened = getattr(loader, "open_in_worker", None)
            if opened is not None:
                opened()
            self._loader, self._data = loader, None
            self._resident = _file_pages()
        assert self._loader is not None
        return self._loader

    def close(self) -> None:
        """Call `close_in_worker` of the loader, if it was received and has one; an error in it is logged."""
        close = getattr(self._loader, "close_in_worker", None)
        if close is not None:
            try:
                close()
            except Exception:
                _LOGGER.warning("closing %s failed", name_of(self._loader), exc_info=True)

    def drop_pages(self) -> None:
        """Keep the resident memory of mapped files within bounds."""
        if shared_arrays.RECEIVER.has_files() and _file_pages() > self._resident + _MAX_FILE_PAGES:
            shared_arrays.RECEIVER.drop_pages()


def main(sock: socket.socket, parent: int) -> bool:
    """Run a worker until its end.

    Args:
        sock: its end of the socket pair.
        parent: process id of the fork server, which it was forked from.

    Returns:
        whether it has been asked to end.
    """
    if not _end_with_parent(parent):
        return False
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    enter_worker()
    _raise_oom_score()
    _keep_freed_memory()
    random.seed()
    seed_numpy()  # else all workers, forks of one process, would draw the same numbers
    copyreg.pickle(np.memmap, _reduce_memmap)
    worker = Worker(sock)
    worker.interruptible.open()
    asked = worker.serve()
    worker.interruptible.close()
    return asked


def _mapped(fd: int) -> mmap.mmap:
    """Map a descriptor and close it; its position is not used, since all workers share it."""
    try:
        return slots.mapping(fd, os.fstat(fd).st_size, access=mmap.ACCESS_READ)
    finally:
        os.close(fd)


def _end_with_parent(parent: int) -> bool:
    """Have the kernel kill this process when the fork server dies; return whether that is still alive."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):  # not Linux: the end of the socket is the only sign
        return True
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return os.getppid() == parent


def _raise_oom_score() -> None:
    """Make the system, when memory runs out, kill a worker, which can be replaced, before the parent."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def _keep_freed_memory() -> None:
    """Have the C library reuse freed memory up to 32 MB instead of returning it to the system.

    Otherwise each temporary array of some hundred KB comes as new pages, which the kernel fills with zeros
    first: that takes longer than what NumPy does with them (a chain of four functions on 512 KB: 1.9 times).
    """
    with contextlib.suppress(OSError, AttributeError):  # not the GNU C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _reduce_memmap(array: np.memmap) -> Any:
    """Pickle a memory map as the plain array that it arrives as."""
    return np.array(array, copy=None, subok=False).__reduce_ex__(5)


def _tickets(frame: Frame, slot: Slot) -> tuple[object, ...]:
    data = frame.body
    if frame.kind == wire.LARGE_TICKET:
        size = int.from_bytes(data, "little")
        slot.reserve(size)
        data = slot.bytes(size).tobytes()
    tickets: tuple[object, ...] = pickle.loads(data)
    return tickets


def _pack(packer: Packer, value: object) -> None:
    try:
        packer.add(value)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise PicklingError(
            "the loader returned something that cannot be sent to the main process "
            f"({type(error).__name__}: {error}). "
            "Return arrays, or tuples, lists, dicts or dataclasses of arrays."
        ) from error
    except MemoryError as error:
        raise WorkerError("a worker has no memory left to pass on a batch; use smaller batches") from error


def _file_pages() -> int:
    """Return how many pages of files and shared memory are resident in this process.

    Without /proc, return the largest resident size of this process so far, which never falls: then too many
    pages are dropped rather than too few.
    """
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[2])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // _PAGE
