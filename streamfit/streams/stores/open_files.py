"""`OpenFiles`: the files that a process has open, a bounded number of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_OPEN = 16


class OpenFiles(Generic[T]):
    """Keep the files that were used last, at most 16. In another process it is empty.

    Args:
        opener: Opens a path; its second argument is another thread's file of the same path, if there is one.
        per_thread: Whether each thread has files of its own, where one file must not be read by two at once.

    A file that is not kept any more is closed when its last reader has let go of it.

    Example:
        >>> files = OpenFiles(lambda path, other: [path])
        >>> files.get("a") is files.get("a")
        True
    """

    def __init__(self, opener: Callable[[str, T | None], T], *, per_thread: bool = True) -> None:
        self._opener, self._per_thread = opener, per_thread
        self._found: OrderedDict[tuple[str, int], T] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> tuple[Callable[[str, T | None], T], bool]:
        return self._opener, self._per_thread

    def __setstate__(self, state: tuple[Callable[[str, T | None], T], bool]) -> None:
        self._opener, self._per_thread = state
        self._found, self._lock = OrderedDict(), threading.Lock()

    def get(self, path: str) -> T:
        """Return an open file."""
        key = path, threading.get_ident() if self._per_thread else 0
        with self._lock:
            found = self._found.get(key)
            if found is None:
                other = next((file for (name, _), file in self._found.items() if name == path), None)
                found = self._opener(path, other)
                self._found[key] = found
                while len(self._found) > _OPEN:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return found

    def clear(self) -> None:
        """Let go of all of them."""
        with self._lock:
            self._found.clear()
