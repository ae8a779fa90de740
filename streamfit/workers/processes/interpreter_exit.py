"""The end of the interpreter under threads that still use workers.

Daemon threads run on while the interpreter ends: one that is in the middle of a run would find everything
closed, with nobody left to tell but the terminal. So they are put to sleep first, where they can be.
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
    """Where the threads of one pool are held up for ever when the interpreter ends.

    Args:
        lock: held by whoever uses the pool.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._wanted = False
        self._blocked = threading.Event()

    def look(self) -> None:
        """Stay here if the interpreter ends; called now and then by whoever holds the lock."""
        if self._wanted:
            self._blocked.set()
            threading.Event().wait()

    def close(self, work: Callable[[], object]) -> None:
        """Do the last work on the pool once nobody else uses it; if somebody goes on to, do nothing."""
        self._wanted = True
        until = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < until:
            # Never released: whoever comes for the pool now waits for the end.
            if self._lock.acquire(timeout=_LOOK_SECONDS) or self._blocked.is_set():
                work()
                return


class EndsWithInterpreter(Protocol):
    """What has to be told that the interpreter ends."""

    def end_with_interpreter(self) -> None:
        """End what would outlive the interpreter or be met by it half ended."""


_known: weakref.WeakSet[EndsWithInterpreter] = weakref.WeakSet()


def register_for_exit(ending: EndsWithInterpreter) -> None:
    """Have an object told when the interpreter ends, if it lives until then."""
    _known.add(ending)


def _tell() -> None:
    for ending in list(_known):
        ending.end_with_interpreter()


atexit.register(_tell)
