"""The parent's side of the nursery: starts it, asks for workers, hears of their ends.

Guarantees kept here: the nursery and with it all workers end when this process does, however that happens;
a copy of this process made by `fork` keeps neither alive.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Iterable
from pathlib import Path

from streamfit._base.errors import WorkerError
from streamfit.workers import descriptors, wire
from streamfit.workers.slots import taking_descriptors
from streamfit.workers.wire import Channel, Frame

# A worker is one of many: each has its share of the processor, not a pool of threads per library.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_NEEDED = ((os, "fork"), (socket, "AF_UNIX"), (socket, "SCM_RIGHTS"))
_END_SECONDS = 2.0
_LOOK_MILLISECONDS = 20
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class Launcher:
    """A running nursery.

    Args:
        preload: names of modules that it imports before it forks workers.

    Attributes:
        channel: to be polled together with the workers; `frames` reads it.
    """

    def __init__(self, preload: Iterable[str] = ()) -> None:
        check_platform()
        descriptors.fill_standard()
        ours, theirs = _pair()
        command = [
            sys.executable,
            str(Path(__file__).with_name("bootstrap.py")),
            str(theirs.fileno()),
            str(os.getpid()),
            json.dumps([[os.path.abspath(e) for e in sys.path if isinstance(e, str)], sys.argv]),
        ]
        try:
            with taking_descriptors():
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, env=_environment(), pass_fds=(theirs.fileno(),)
                )
        except WorkerError:
            ours.close()
            raise
        except OSError as error:
            ours.close()
            raise WorkerError(
                f"worker processes cannot be started with {sys.executable!r}: {error}"
            ) from error
        finally:
            theirs.close()
        self._up = False
        self._hurry = False
        self.channel = Channel(ours)
        self.preload(preload)

    @property
    def pid(self) -> int:
        """Return the nursery's process id."""
        return self._process.pid

    def preload(self, names: Iterable[str]) -> None:
        """Have modules imported before further workers are forked."""
        text = " ".join(sorted(names))
        if text:
            self.channel.put(wire.PRELOAD, text.encode())

    def spawn(self, worker: int) -> Channel:
        """Ask for a worker; return the channel to it, which can be written to at once."""
        ours, theirs = _pair()
        try:
            self.channel.put(wire.SPAWN, fds=(theirs.fileno(),), number=worker)
            self._push()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Channel(ours)

    def frames(self) -> list[Frame]:
        """Return what the nursery reports."""
        frames = self.channel.receive()
        self._up = self._up or any(frame.kind == wire.BORN for frame in frames)
        return frames

    def kill(self, worker: int, by: int = signal.SIGKILL) -> None:
        """Ask for the death of a worker by a signal; it is reported like any other."""
        self.channel.put(wire.KILL, number=worker, extra=by)
        self._push()

    def close(self, grace: float = 0.0) -> None:
        """End the workers and the nursery; safe to call again when this was interrupted.

        Args:
            grace: seconds that workers may take to end by themselves, once their sockets are closed.
        """
        if self._process.returncode is not None:
            return
        self.frames()
        if (
            not self._up or self.channel.ended
        ):  # it has no workers, and may be busy with its imports for a while
            self._process.kill()
        else:
            self._finish(grace)
        self.channel.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # it was stopped or hangs; its workers die with it
            self._process.kill()
            self._process.wait()

    def hurry(self) -> None:
        """Have a `close` that is under way in another thread, and those to come, wait for no worker."""
        self._hurry = True

    def _finish(self, grace: float) -> None:
        """Have the workers end by themselves, and wait until the nursery has seen to it."""
        poller = select.poll()
        poller.register(self.channel, select.POLLIN)
        told: float | None = None
        until = time.monotonic() + _END_SECONDS
        while not self.channel.ended and time.monotonic() < until:
            wanted = 0.0 if self._hurry else grace
            if told != wanted:
                told = wanted
                self.channel.put(wire.FINISH, extra=int(wanted * 1000))
                self.channel.flush()
            if poller.poll(_LOOK_MILLISECONDS) and any(f.kind == wire.FINISH for f in self.frames()):
                until = (
                    time.monotonic() + wanted + 2 * _END_SECONDS
                )  # it is at work, and will keep to the time

    def _push(self) -> None:
        """Send what is queued: a few dozen bytes, for which there is room unless the nursery hangs."""
        if not self.channel.flush():
            raise WorkerError(f"the process that starts workers (process id {self.pid}) does not answer")


def check_platform() -> None:
    """Raise if worker processes cannot work here."""
    missing = [name for owner, name in _NEEDED if not hasattr(owner, name)]
    if missing:
        raise WorkerError(
            f"worker processes need {', '.join(missing)}, which {sys.platform} does not offer; use threads "
            "(use_multiprocessing=False)."
        )
    if not sys.executable:
        raise WorkerError(
            "worker processes need the path of a Python interpreter, and sys.executable is empty here; "
            "use threads (use_multiprocessing=False)."
        )


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return a non-blocking end for this process and a blocking one for the other."""
    with taking_descriptors():
        both = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours, theirs = (descriptors.lifted_socket(end) for end in both)
    ours.setblocking(False)
    _sockets.add(ours)
    return ours, theirs


def _environment() -> dict[str, str]:
    environment = os.environ | _ENVIRONMENT
    environment.pop("NUMBA_THREADING_LAYER", None)
    return environment


def _close_copies() -> None:
    """After a fork, in the child: give up the copies of our sockets, which would outlive their owner."""
    for sock in list(_sockets):
        with contextlib.suppress(OSError):
            sock.close()
    _sockets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)
