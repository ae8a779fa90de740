"""The parent's side of the fork server: starts it, asks for workers, receives reports of their ends.

Guarantees kept here: the fork server and with it all workers end when this process does, however that
happens; a copy of this process made by `fork` keeps neither alive.
"""

from __future__ import annotations

import contextlib
import marshal
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
from streamfit.workers.processes import interpreter
from streamfit.workers.transport import descriptors, slots, wire
from streamfit.workers.transport.slots import taking_descriptors
from streamfit.workers.transport.wire import Channel, Frame

# Search path, arguments, warning options and variables of the environment.
_Inherited = tuple[list[str], list[str], list[str], dict[str, str]]

_END_SECONDS = 2.0
_LOOK_MILLISECONDS = 20
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class ForkServerClient:
    """A running fork server.

    Args:
        preload: names of modules that it imports before it forks workers.
        hash_seed: that of its interpreter; None for that of the program.

    Attributes:
        hash_seed: as above.
        channel: to be polled together with the workers; `frames` reads it.
    """

    def __init__(self, preload: Iterable[str] = (), hash_seed: int | None = None) -> None:
        interpreter.check_platform()
        if hash_seed is None:
            hash_seed = interpreter.hash_seed_of_program()
        self.hash_seed = hash_seed
        descriptors.fill_standard()
        ours, theirs = _pair()
        inherited = -1
        try:
            variables, later = interpreter.environment(hash_seed)
            inherited = _memory((interpreter.search_path(), _arguments(), sys.warnoptions, later))
            fds = (theirs.fileno(), inherited)
            command = [
                sys.executable,
                *interpreter.flags(),
                str(Path(__file__).with_name("bootstrap.py")),
                *map(str, (*fds, os.getpid())),
            ]
            with taking_descriptors():
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, env=variables, pass_fds=fds
                )
        except OSError as error:
            ours.close()
            raise WorkerError(
                f"worker processes cannot be started with {sys.executable!r}: {error}"
            ) from error
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            if inherited >= 0:
                os.close(inherited)
        self._ready = self._has_workers = self._hurry = False
        self.channel = Channel(ours)
        self.preload(preload)

    @property
    def pid(self) -> int:
        """Return the fork server's process id."""
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
        """Return the reports of the fork server."""
        frames = self.channel.receive()
        if not self._has_workers:
            self._ready = self._ready or any(frame.kind == wire.READY for frame in frames)
            self._has_workers = any(frame.kind == wire.SPAWNED for frame in frames)
            frames = [frame for frame in frames if frame.kind != wire.READY]
        return frames

    def check_start(self) -> None:
        """Raise if the process ended by itself before it became a fork server: another try would fail too."""
        if self._ready:
            return
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # it is no fork server
            status, how = 1, "goes on without having answered,"
        else:
            how = f"ended with status {status}"
        if status >= 0:  # if it was killed, another may start
            raise WorkerError(
                f"worker processes cannot be started: {sys.executable!r} (sys.executable), which was to "
                f"start them, {how} before it was ready. Look at what it printed; if it is no Python "
                "interpreter, use threads (use_multiprocessing=False)."
            )

    def kill(self, worker: int, by: int = signal.SIGKILL) -> None:
        """Ask for the death of a worker by a signal; it is reported like any other."""
        self.channel.put(wire.KILL, number=worker, extra=by)
        self._push()

    def close(self, grace: float = 0.0) -> None:
        """End the workers and the fork server; safe to call again when this was interrupted.

        Args:
            grace: seconds that workers may take to end by themselves, once their sockets are closed.
        """
        if self._process.returncode is None:
            self.frames()
            if self._has_workers and not self.channel.ended:
                self._finish(grace)
            else:  # it has no workers, and may be busy with its imports for a while
                self._process.kill()
        self.channel.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:  # it was stopped or hangs; its workers die with it
            self._process.kill()
            self._process.wait()

    def hurry(self) -> None:
        """Make `close` wait for no worker, also a call that is under way in another thread."""
        self._hurry = True

    def _finish(self, grace: float) -> None:
        """Let the workers end by themselves, and wait for the end of the fork server."""
        poller = select.poll()
        poller.register(self.channel, select.POLLIN)
        sent: float | None = None
        until = time.monotonic() + _END_SECONDS
        while not self.channel.ended and time.monotonic() < until:
            wanted = 0.0 if self._hurry else grace
            if sent != wanted:
                sent = wanted
                self.channel.put(wire.FINISH, extra=int(wanted * 1000))
                self.channel.flush()
            if poller.poll(_LOOK_MILLISECONDS) and any(f.kind == wire.FINISH for f in self.frames()):
                until = time.monotonic() + wanted + 2 * _END_SECONDS  # it has answered, and keeps to the time

    def _push(self) -> None:
        """Send the queued frames: a few dozen bytes, for which there is room unless the fork server hangs."""
        if not self.channel.flush():
            raise WorkerError(f"the process that starts workers (process id {self.pid}) does not answer")


def _memory(content: _Inherited) -> int:
    """Return a descriptor of anonymous memory that holds plain data of any size for another interpreter."""
    data = marshal.dumps(content)
    fd = slots.create("inherited", len(data))
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(fd, 0, os.SEEK_SET)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _arguments() -> list[str]:
    return [os.fspath(argument) for argument in getattr(sys, "argv", [])]


def _pair() -> tuple[socket.socket, socket.socket]:
    """Return a non-blocking end for this process and a blocking one for the other."""
    with taking_descriptors():
        both = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours, theirs = (descriptors.socket_above_standard(end) for end in both)
    ours.setblocking(False)
    _sockets.add(ours)
    return ours, theirs


def _close_copies() -> None:
    """Close, in a forked child, the copies of our sockets, which would outlive their owner."""
    for sock in list(_sockets):
        with contextlib.suppress(OSError):
            sock.close()
    _sockets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)
