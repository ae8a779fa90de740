"""How a worker ends when it is asked to: as Python processes do.

A load whose result is no longer wanted is interrupted by a signal, as by Ctrl-C: its `finally` clauses run.
Then threads are waited for, exit functions and finalizers run, files are flushed. Where this takes too long,
the fork server kills the worker. Processes that a worker has started and left end with the fork server.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

ORDINARY_SECONDS = 3.0
"""How long workers may take to end when a pool is closed; they end side by side."""
HASTY_SECONDS = 1.0
"""The same after an exception."""

_PR_SET_CHILD_SUBREAPER = 36
_TERM_SECONDS, _KILL_SECONDS = 0.5, 1.0
_LOOK_SECONDS = 0.01
# Neither the terminal, nor the system, nor user code sends this one by chance.
_SIGNAL = signal.SIGRTMIN + 11 if hasattr(signal, "SIGRTMIN") else None


class Finished(BaseException):
    """Raised in a load whose result is no longer wanted."""


# -- in the worker ------------------------------------------------------------------------------------------


class Interruptible:
    """Lets `ask` interrupt a load while it is on, and no other code.

    Attributes:
        asked: this worker is to end.
        on: the code that runs now may be interrupted.
    """

    def __init__(self) -> None:
        self.asked = False
        self.on = False

    def open(self) -> None:
        """Install the signal handler; called in the main thread."""
        if _SIGNAL is not None:
            signal.signal(_SIGNAL, self._asked)

    def close(self) -> None:
        """Ignore the signal: at its end the interpreter removes its handlers, and a signal would kill it."""
        if _SIGNAL is not None:
            signal.signal(_SIGNAL, signal.SIG_IGN)

    def _asked(self, *_: object) -> None:
        self.asked = True
        if self.on:
            self.on = False
            raise Finished


def finish(known: Iterable[str]) -> None:
    """End this process as Python does.

    Args:
        known: names of the modules that were there before any user code.

    Raises:
        SystemExit: foreign modules were imported, and only the interpreter itself shuts them down properly.
    """
    if any(_is_of_others(name) for name in sys.modules.keys() - set(known)):
        raise SystemExit(0)
    for step in (threading._shutdown, atexit._run_exitfuncs, gc.collect, _flush):  # type: ignore[attr-defined]
        with contextlib.suppress(BaseException):  # user code runs here, which has reported its errors
            step()
    os._exit(0)


def _is_of_others(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in sys.stdlib_module_names and top not in ("streamfit", "numpy", "cloudpickle")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


# -- in the fork server ------------------------------------------------------------------------------------


def ask(pids: Iterable[int]) -> None:
    """Interrupt the loads that are under way in these children."""
    if _SIGNAL is not None:
        for pid in pids:
            os.kill(pid, _SIGNAL)


def adopt_orphans() -> None:
    """Make processes that a worker has started and left children of this process, where that works."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans() -> None:
    """End all children of this process that are left: processes that workers have started and not ended."""
    for by, seconds in ((signal.SIGTERM, _TERM_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        signalled: set[int] = set()
        until = time.monotonic() + seconds
        while _has_children() and time.monotonic() < until:
            pids = _children()
            for pid in pids - signalled:
                with contextlib.suppress(OSError):
                    os.kill(pid, by)
            signalled |= pids
            time.sleep(_LOOK_SECONDS)


def _has_children() -> bool:
    """Return whether there are children that live, and reap the others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> set[int]:
    """Return the process ids of all children, as far as the system shows them."""
    me, found = os.getpid(), set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    stat = Path(f"/proc/{name}/stat").read_bytes()
                    if int(stat.rpartition(b")")[2].split()[1]) == me:
                        found.add(int(name))
    return found
