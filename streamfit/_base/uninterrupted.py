"""Sections that no signal handler can interrupt.

Python runs signal handlers in the main thread, between any two instructions. One that raises (Ctrl-C, an
alarm) may do so just when a process or a descriptor has been made and is not stored yet. Blocking signals
does not help: the kernel gives them to another thread then, and the handler runs in the main thread all the
same. So a thing that must be made and stored in one step is made by another thread, in which no handler
ever runs.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

_LOOK_SECONDS = 5.0  # on some systems, waiting for a lock without a limit cannot be interrupted


class _Section:
    """One call, made once, however many threads run it."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._token = threading.Lock()
        self._done = threading.Lock()
        self._done.acquire()
        self.error: BaseException | None = None
        self.over = False

    def run(self) -> None:
        """Make the call, unless another thread has begun to."""
        if not self._token.acquire(blocking=False):
            return
        try:
            self._work()
        except BaseException as error:
            self.error = error
        finally:
            self.over = True
            self._done.release()

    def begun(self) -> bool:
        """Return whether the call has begun."""
        return self._token.locked()

    def wait(self) -> None:
        """Wait for the end of the call, at most a few seconds."""
        if self._done.acquire(timeout=_LOOK_SECONDS):
            self._done.release()


def uninterrupted(work: Callable[[], object], hurry: Callable[[], object] | None = None) -> None:
    """Make a call that no signal handler interrupts; an exception of a handler is raised afterwards.

    Args:
        work: stores its results itself: a returned value could be lost.
        hurry: called when a handler has raised while `work` goes on.

    Raises:
        BaseException: what a signal handler raised, else what `work` raised.
    """
    if threading.current_thread() is not threading.main_thread():
        work()
        return
    section = _Section(work)
    raised: BaseException | None = None
    while True:
        try:
            while not section.over:
                if not section.begun():  # a second thread, after an interruption, finds nothing to do
                    _start(section)
                if raised is not None and hurry is not None:
                    hurry()
                section.wait()
            break
        except BaseException as error:
            raised = raised or error
    if raised is not None:
        raise raised
    if section.error is not None:
        raise section.error


def _start(section: _Section) -> None:
    try:
        _thread.start_new_thread(section.run, ())
    except RuntimeError:  # no more threads, or the interpreter is ending
        section.run()
