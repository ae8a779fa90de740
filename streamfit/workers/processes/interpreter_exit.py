"""Stops threads that still use workers when the interpreter ends.

Daemon threads run on while the interpreter ends: one in the middle of a run would find everything closed, and
print errors that nobody can handle. So such threads are blocked first, where that is possible.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections.abc import Callable
from typing import Protocol

_PATIENCE_SECONDS, _LOOK_SECONDS = 1.0, 0.02


class ExitGate:
    """Blocks the threads that use one pool for ever when the interpreter ends.

    Args:
        lock: held by the thread that uses the pool.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._closed = False
        self._blocked = threading.Event()

    def pass_through(self) -> None:
        """Block for ever if the gate is closed; called now and then by the thread that holds the lock."""
        if self._closed:
            self._blocked.set()
            threading.Event().wait()

    def close(self, work: Callable[[], object]) -> None:
        """Do the last work on the pool once no thread uses it; if one goes on to use it, do nothing."""
        self._closed = True
        until = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until:
            # Never released: a thread that wants the pool now waits for the end of the process.
            if self._lock.acquire(timeout=_LOOK_SECONDS) or self._blocked.is_set():
                work()
                return


class EndsWithInterpreter(Protocol):
    """An object that stops its work when the interpreter ends."""

    def end_with_interpreter(self) -> None:
        """Release everything that must not be left when the interpreter ends."""


_known: weakref.WeakSet[EndsWithInterpreter] = weakref.WeakSet()


def register_for_exit(ending: EndsWithInterpreter) -> None:
    """Call an object's `end_with_interpreter` when the interpreter ends, if it lives until then."""
    _known.add(ending)


def _end_all() -> None:
    for ending in list(_known):
        ending.end_with_interpreter()


atexit.register(_end_all)
