"""Two loads at once: the first stops at a line of the user's code while the second runs to its end.

A race between two threads needs an interruption at the wrong moment. Instead of waiting for that by luck, we
trace the first thread and stop it at its k-th line, for one k after the other, while the second thread does
a whole load. So every run finds the same race.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Generic, TypeVar

T = TypeVar("T")
TraceFunction = Callable[[FrameType, str, object], "TraceFunction | None"]
PATIENCE = 0.1  # seconds for the second load at most; if it takes longer, it probably waits for a lock
_PACKAGE = str(Path(__file__).resolve().parent.parent)
_STANDARD = str(Path(threading.__file__).resolve().parent)


class Outcome(Generic[T]):
    """The result or the exception of a function."""

    def __init__(self) -> None:
        self.value: T | None = None
        self.error: BaseException | None = None

    def keep(self, function: Callable[[], T]) -> None:
        """Call a function and keep its result or exception."""
        try:
            self.value = function()
        except BaseException as error:  # `get` raises it
            self.error = error

    def get(self) -> T | None:
        """Return the result or raise the exception."""
        if self.error is not None:
            raise self.error
        return self.value


class _Stopper:
    """Trace a thread and stop it at its k-th line of user code until `go_on` is set."""

    def __init__(self, at: int) -> None:
        self.at, self.lines, self.where = at, 0, ""
        self.stopped, self.go_on = threading.Event(), threading.Event()

    def trace(self, frame: FrameType, event: str, _: object) -> TraceFunction | None:
        """Trace a call if it runs user code."""
        return self._line if _is_user_code(frame.f_code.co_filename) else None

    def _line(self, frame: FrameType, event: str, _: object) -> TraceFunction:
        if event == "line":
            if self.lines == self.at:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                self.stopped.set()
                self.go_on.wait()
            self.lines += 1
        return self._line


def _is_user_code(filename: str) -> bool:
    if filename.startswith((_PACKAGE, "<frozen")):
        return False
    return not filename.startswith(_STANDARD) or ("site-packages" in filename and "numpy" not in filename)


def interleaved(
    first: Callable[[], T], second: Callable[[], T], at: int, patience: float = PATIENCE
) -> tuple[Outcome[T], Outcome[T], str] | None:
    """Run `first` in a thread, stop it at line `at`, run `second` in another thread, continue `first`.

    Args:
        first: The load to interrupt.
        second: The load that runs meanwhile.
        at: The line of user code before which `first` stops, counted from 0 in the order of execution.
        patience: For how many seconds `first` waits for `second`, which may itself wait for a lock that
            `first` holds.

    Returns:
        Both outcomes and the place in the source; None when `first` has no such line.

    Example:
        >>> interleaved(lambda: 1, lambda: 2, at=10_000) is None
        True
    """
    stopper, first_outcome, second_outcome = _Stopper(at), Outcome[T](), Outcome[T]()

    def traced() -> None:
        sys.settrace(stopper.trace)
        first_outcome.keep(first)
        sys.settrace(None)
        stopper.stopped.set()

    threads = [threading.Thread(target=traced), threading.Thread(target=second_outcome.keep, args=(second,))]
    threads[0].start()
    stopper.stopped.wait()
    if not stopper.where:
        threads[0].join()
        return None
    threads[1].start()
    threads[1].join(patience)
    stopper.go_on.set()
    for thread in threads:
        thread.join()
    return first_outcome, second_outcome, stopper.where


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
    """Choose the lines to stop at: all, or as many as there is time for, spread evenly.

    The first ones are spread over all lines, too, for where the time ends earlier.

    Example:
        >>> places(4, 1.0, 0.01), places(1000, 1.0, 0.25)
        ([0, 2, 1, 3], [0, 500, 250, 750])
    """
    most = min(lines, max(4, int(seconds / max(cost, 1e-4))))
    return [number * lines // most for number in sorted(range(most), key=_reversed_bits)]


def _reversed_bits(number: int) -> int:
    return int(f"{number:032b}"[::-1], 2)


def timed(function: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
