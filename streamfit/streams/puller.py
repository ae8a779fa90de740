"""`Puller`: pull an iterator in a thread of its own, a bounded number of items ahead.

Guarantees kept here: one thread pulls, in order; never more than `ahead` items wait and never more than
`total` are pulled; an exception of the iterator comes out at its place, as it is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Puller(Generic[T]):
    """Iterate over `iterator` with a thread that works ahead.

    Args:
        iterator: What to pull; only the thread touches it.
        ahead: How many items may wait, at least 1.
        total: How many items will be asked for at most; None when that is not known.

    Example:
        >>> puller = Puller(iter("abc"), ahead=2)
        >>> list(puller)
        ['a', 'b', 'c']
        >>> puller.close()
    """

    def __init__(self, iterator: Iterator[T], ahead: int, total: int | None = None) -> None:
        self._iterator, self._ahead, self._left = iterator, max(1, ahead), total
        self._items: deque[T] = deque()
        self._error: BaseException | None = None
        self._ended = self._closed = self._pulling = False
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    def __iter__(self) -> Puller[T]:
        return self

    def __next__(self) -> T:
        if self._thread is None:
            # What the consumer has set for its thread (NumPy's error state) holds for the iterator too.
            work = partial(copy_context().run, self._pull)
            self._thread = threading.Thread(target=work, name="streamfit-puller", daemon=True)
            self._thread.start()
        with self._change:
            self._change.wait_for(lambda: self._items or self._ended)
            if self._items:
                item = self._items.popleft()
                self._change.notify_all()
                return item
        error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop pulling. A pull that is under way is not waited for; its item is dropped."""
        with self._change:
            self._closed = self._ended = True
            self._change.notify_all()
            waiting = self._thread is not None and not self._pulling
        if waiting and self._thread is not threading.current_thread() and self._thread is not None:
            self._thread.join()

    def _pull(self) -> None:
        while self._may_pull():
            try:
                item: Any = next(self._iterator)
            except StopIteration:
                self._end(None)
                return
            except BaseException as error:
                self._end(error)
                return
            with self._change:
                self._pulling = False
                if not self._closed:
                    self._items.append(item)
                    self._change.notify_all()
            del item
        self._end(None)

    def _may_pull(self) -> bool:
        with self._change:
            if self._left == 0:
                return False
            self._change.wait_for(lambda: self._closed or len(self._items) < self._ahead)
            if self._closed:
                return False
            self._pulling = True
            self._left = None if self._left is None else self._left - 1
            return True

    def _end(self, error: BaseException | None) -> None:
        with self._change:
            self._error, self._ended, self._pulling = error, True, False
            self._change.notify_all()
