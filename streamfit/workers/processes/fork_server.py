"""The process that workers are forked from: small, single-threaded, free of the user's code.

`fork_server_client` starts it. It imports the modules that every worker needs, and then does three things: it
forks a worker when asked, kills one when asked, and reports those that ended. When it is asked to finish, it
gives the workers a while to end by themselves; when its own parent is gone, it kills them at once. Last, it
ends processes that workers have started and left.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback

from streamfit.workers.pool import ending
from streamfit.workers.processes import worker_main
from streamfit.workers.recovery.crash_report import ExitReporter
from streamfit.workers.transport import descriptors, wire
from streamfit.workers.transport.wire import Channel, Frame

_MAX_DESCRIPTORS = 1 << 16


class ForkServer:
    """The state of the fork server.

    Args:
        sock: its end of the control socket.
        parent: process id of the parent.
    """

    def __init__(self, sock: socket.socket, parent: int) -> None:
        self._channel = Channel(sock)
        self._children: dict[int, int] = {}
        self._finish_at: float | None = None
        self._modules = frozenset(sys.modules)
        self._exit_reporter = ExitReporter()
        self._parent = _open_pidfd(parent)
        self._wakeup_read, self._wakeup_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        _raise_descriptor_limit()
        signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the mask of the parent's thread is inherited
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_write, warn_on_full_buffer=False)
        ending.adopt_orphans()

    def serve(self) -> None:
        """Serve until the parent closes its end or dies, or until all workers have ended as asked."""
        self._channel.put(wire.READY)
        self._channel.flush()
        poller = select.poll()
        poller.register(self._channel, select.POLLIN)
        poller.register(self._wakeup_read, select.POLLIN)
        if self._parent is not None:
            poller.register(self._parent, select.POLLIN)
        while not self._channel.ended:
            ready = {fd for fd, _ in poller.poll(self._poll_timeout())}
            if self._wakeup_read in ready:
                os.read(self._wakeup_read, 4096)
                self._reap()
            if self._parent in ready:
                break
            if self._channel.fileno() in ready:
                for frame in self._channel.receive():
                    self._handle(frame)
            self._channel.flush()
            if self._finish_at is not None and (not self._children or time.monotonic() > self._finish_at):
                break
        self._finish()

    def _poll_timeout(self) -> float | None:
        """Return the milliseconds until workers are killed; None for no limit."""
        return None if self._finish_at is None else max(self._finish_at - time.monotonic(), 0) * 1000 + 1

    def _handle(self, frame: Frame) -> None:
        if frame.kind == wire.PRELOAD:
            _preload(frame.body.decode().split())
        elif frame.kind == wire.SPAWN:
            self._spawn(frame.number, frame.fds[0])
        elif frame.kind == wire.KILL:
            for pid, worker in self._children.items():
                if worker == frame.number:  # not reaped yet, so the id is still its own
                    os.kill(pid, frame.extra)
        elif frame.kind == wire.FINISH:
            self._channel.put(wire.FINISH)  # a fork server that is stopped, or hangs, does not answer
            if self._finish_at is None:
                ending.ask(self._children)
            self._finish_at = time.monotonic() + frame.extra / 1000

    def _spawn(self, worker: int, fd: int) -> None:
        fork_server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(fd)
            self._channel.put(wire.SPAWN_FAILED, str(error).encode(), number=worker)
            return
        if pid == 0:
            self._run_worker(fd, fork_server)
        os.close(fd)
        self._children[pid] = worker
        self._channel.put(wire.SPAWNED, number=worker, extra=pid)

    def _run_worker(self, fd: int, fork_server: int) -> None:
        """Run a worker in this process, which was just forked."""
        status: int | None = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._wakeup_read)
            os.close(self._wakeup_write)
            if self._parent is not None:
                os.close(self._parent)
            self._channel.close()
            sock = socket.socket(fileno=fd)  # kept until the end: collected as garbage, it would warn
            if worker_main.main(sock, fork_server):
                ending.finish(self._modules)
        except SystemExit:  # of `finish`: the interpreter shuts down, in the last frame of `bootstrap`
            status = None
            raise
        except BaseException:  # nothing may return into the fork server's loop
            traceback.print_exc()
        finally:
            if status is not None:
                with contextlib.suppress(Exception):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(status)

    def _reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            worker = self._children.pop(pid, None)
            if worker is not None:
                report = self._exit_reporter.report(status, usage)
                self._channel.put(wire.EXITED, report, number=worker, extra=status)

    def _finish(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)
        self._children.clear()
        ending.end_orphans()


def _preload(names: list[str]) -> None:
    """Import modules that workers will need; one that fails will fail again, and be reported, in a worker."""
    for name in names:
        with contextlib.suppress(BaseException):
            importlib.import_module(name)


def _raise_descriptor_limit() -> None:
    """Let workers have as many descriptors as they may: a memory map of many files takes one for each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MAX_DESCRIPTORS)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends, or None where the system has none.

    The end of the control socket shows the same, unless a process that the parent forked in native code still
    holds a copy of it.
    """
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None


def main(fd: int, parent: int) -> None:
    """Run the fork server of the process `parent` on the control socket `fd`."""
    descriptors.fill_standard()
    fork_server = ForkServer(socket.socket(fileno=fd), parent)
    gc.freeze()  # all workers share these objects; a search for garbage in them would copy their pages
    gc.enable()
    fork_server.serve()
