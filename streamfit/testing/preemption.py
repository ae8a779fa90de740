"""Two loads at once: one is stopped at a line of the user's code while the other one runs whole.

A race between two threads needs one thread to be interrupted at the wrong moment. Instead of waiting for
that to happen by luck, the first thread is traced and stopped at its k-th line, for one k after the other,
while the second thread does a whole load. So the same race is found at every run.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_PATIENCE = 0.1  # seconds for the second load; one that takes longer is taken to wait for a lock
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_STANDARD = str(Path(threading.__file__).resolve().parent)


class Outcome(Generic[T]):
    """Hold what a function returned or raised."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: BaseException | None = None

    def keep(self, function: Callable[[], T]) -> None:
        """Call a function and keep what comes of it."""
        try:
            self.value = function()
        except BaseException as error:  # handed to whoever asks for the outcome
            self.error = error

    def get(self) -> T | None:
        """Return or raise it."""
        if self.error is not None:
            raise self.error
        return self.value


class _Stopper:
    """Trace a thread and stop it at its k-th line of user code until it may go on."""

    def __init__(self, at: int) -> None:
        self.at, self.lines, self.where = at, 0, ""
        self.stopped, self.go_on = threading.Event(), threading.Event()

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        """Follow a call if it runs user code."""
        return self._line if _is_users(frame.f_code.co_filename) else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            if self.lines == self.at:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                self.stopped.set()
                self.go_on.wait()
            self.lines += 1
        return self._line


def _is_users(filename: str) -> bool:
    if filename.startswith((_PACKAGE, "<frozen")):
        return False
    return not filename.startswith(_STANDARD) or ("site-packages" in filename and "numpy" not in filename)


def interleaved(
    first: Callable[[], T], second: Callable[[], T], at: int
) -> tuple[Outcome[T], Outcome[T], str] | None:
    """Run `first` in a thread, stop it at line `at`, run `second` in another thread, let `first` go on.

    Args:
        first: The load that is interrupted.
        second: The load that runs meanwhile.
        at: The line of user code, counted from 0 as they are executed, before which `first` is stopped.

    Returns:
        Both outcomes and the place in the source; None when `first` has no such line.

    Example:
        >>> interleaved(lambda: 1, lambda: 2, at=10_000) is None
        True
    """
    stopper, ones, others = _Stopper(at), Outcome[T](), Outcome[T]()

    def traced() -> None:
        sys.settrace(stopper.trace)
        ones.keep(first)
        sys.settrace(None)
        stopper.stopped.set()

    threads = [threading.Thread(target=traced), threading.Thread(target=others.keep, args=(second,))]
    threads[0].start()
    stopper.stopped.wait()
    if not stopper.where:
        threads[0].join()
        return None
    threads[1].start()
    threads[1].join(_PATIENCE)  # it may wait for a lock that the first one holds
    stopper.go_on.set()
    for thread in threads:
        thread.join()
    return ones, others, stopper.where


def lines_of(function: Callable[[], object]) -> int:
    """Count the lines of user code that a call executes."""
    stopper, outcome = _Stopper(at=-1), Outcome[object]()

    def traced() -> None:
        sys.settrace(stopper.trace)
        outcome.keep(function)
        sys.settrace(None)

    thread = threading.Thread(target=traced)
    thread.start()
    thread.join()
    return stopper.lines


def places(lines: int, seconds: float, cost: float) -> list[int]:
    """Choose the lines to stop at: all of them, or as many as there is time for, spread evenly.

    Example:
        >>> places(4, 1.0, 0.01), places(1000, 1.0, 0.25)
        ([0, 1, 2, 3], [0, 250, 500, 750])
    """
    most = max(4, int(seconds / max(cost, 1e-4)))
    return list(range(lines)) if lines <= most else [number * lines // most for number in range(most)]


def timed(function: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
