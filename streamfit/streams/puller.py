"""`Puller`: pull an iterator in a thread of its own, a bounded number of items ahead.

Guarantees kept here: one thread pulls, in order; at most `ahead` items wait, and at most `total` items, and
only as many as were allowed, are pulled; an exception of the iterator is raised unchanged at its place; when
`close` has returned, the thread has ended and unused items were given back.
"""

from __future__ import annotations

import contextvars
import logging
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""How long to wait for a pull before a warning."""

_INTERRUPTED_SECONDS = 1.0  # after Ctrl-C: long enough for an ordinary pull, not for one that hangs
_LOOK_SECONDS = 0.5


class Puller(Generic[T]):
    """Iterate over `iterator` with a thread that reads ahead.

    Args:
        iterator: The iterator; only the thread uses it.
        ahead: How many items may wait, at least 1.
        total: The largest number of items that will be read; None if that is not known.
        name: Name of the iterator in messages.
        give_back: Called once with the unused items, the exception of the iterator that was not raised yet,
            and None. If the wait for a pull is given up, it is called first without items but with the
            thread, and by that thread again as soon as its pull has ended.

    Example:
        >>> puller = Puller(iter("abc"), ahead=2)
        >>> list(puller)
        ['a', 'b', 'c']
        >>> puller.close()
    """

    def __init__(
        self,
        iterator: Iterator[T],
        ahead: int,
        total: int | None = None,
        *,
        name: str = "data",
        give_back: Callable[[list[T], BaseException | None, threading.Thread | None], None] | None = None,
    ) -> None:
        self._iterator, self._ahead, self._left = iterator, max(1, ahead), total
        self._name, self._give_back = name, give_back
        self._allowed: int | None = None
        self._items: deque[T] = deque()
        self._error: BaseException | None = None
        self._ended = self._closed = self._pulling = self._abandoned = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Puller[T]:
        return self

    def __next__(self) -> T:
        if self._thread is None and not self._closed:
            self._start()
        with self._change:
            if self._allowed == 0 and not (self._items or self._pulling):
                self.allow(1)
            self._change.wait_for(lambda: self._items or self._ended)
            if self._items:
                item = self._items.popleft()
                self._change.notify_all()
                return item
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def allow(self, count: int | None) -> None:
        """Set how many more items may be pulled for now; None for any number."""
        with self._change:
            pulled = len(self._items) + self._pulling
            self._allowed = None if count is None else max(0, count - pulled)
            self._change.notify_all()

    def close(self) -> None:
        """Stop pulling, and wait for the current pull; Ctrl-C ends the wait."""
        with self._change:
            first, self._closed = not self._closed, True
            self._change.notify_all()
        thread = self._thread
        if not first or thread is threading.current_thread():
            return
        try:
            if thread is not None:
                patience = _INTERRUPTED_SECONDS if isinstance(sys.exception(), KeyboardInterrupt) else None
                await_pull(thread, self._name, patience)
        finally:
            self._hand_over(thread)

    def _start(self) -> None:
        # The thread gets the caller's context: NumPy's error handling, the precision of decimals.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._pull,), name="streamfit-puller", daemon=True
        )
        self._thread.start()

    def _hand_over(self, thread: threading.Thread | None) -> None:
        """Give back the unused items, or let the thread do so if it is still pulling."""
        with self._change:
            self._abandoned = thread is not None and not self._ended
            if self._abandoned:
                if self._give_back is not None:
                    self._give_back([], None, thread)
                return
            self._ended = True
            items, error = list(self._items), self._error
            self._items.clear()
            self._error = None
            self._change.notify_all()
        if self._give_back is not None and (items or error is not None):
            self._give_back(items, error, None)

    def _pull(self) -> None:
        while self._may_pull():
            try:
                item = next(self._iterator)
            except StopIteration:
                self._end(None)
                return
            except BaseException as error:
                self._end(error)
                return
            with self._change:
                self._pulling = False
                self._items.append(item)
                self._change.notify_all()
            del item
        self._end(None)

    def _may_pull(self) -> bool:
        with self._change:
            if self._left == 0:
                return False
            self._change.wait_for(
                lambda: self._closed or (len(self._items) < self._ahead and self._allowed != 0)
            )
            if self._closed:
                return False
            self._pulling = True
            self._left = None if self._left is None else self._left - 1
            self._allowed = None if self._allowed is None else self._allowed - 1
            return True

    def _end(self, error: BaseException | None) -> None:
        with self._change:
            self._error, self._ended, self._pulling = error, True, False
            late = self._abandoned
            self._change.notify_all()
        if late:
            self._hand_over(None)


def await_pull(thread: threading.Thread, name: str, patience: float | None = None) -> None:
    """Wait until a thread inside an iterator has ended, and warn if that takes long.

    Args:
        thread: The thread.
        name: Name of the iterator in messages.
        patience: Seconds after which to give up; None never gives up.
    """
    thread.join(PATIENCE_SECONDS if patience is None else patience)
    if not thread.is_alive():
        return
    if patience is not None:
        _warn(
            f"source {name!r}: its generator is still making an item, in a thread that ends with that; the "
            "item is kept for the next stream that reads it"
        )
        return
    _warn(
        f"source {name!r}: waiting for its generator, which has been making an item for more than "
        f"{PATIENCE_SECONDS:.0f} seconds; press Ctrl-C to go on without it"
    )
    while thread.is_alive():
        thread.join(_LOOK_SECONDS)


def _warn(text: str) -> None:
    try:
        warnings.warn(text, RuntimeWarning, stacklevel=4)
    except RuntimeWarning:  # a filter raises warnings; the end of a call must not raise
        _log.warning(text)
