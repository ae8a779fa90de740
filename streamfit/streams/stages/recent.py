"""`Recent`: what a stage has worked out for the last passes, such as a table of an order.

Guarantee kept here: it does not travel. In another process, and in a copy, it is empty and filled again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

T = TypeVar("T")

_KEPT = 2  # a pass, and the next one, which is opened while the last batches of the first are used


class Recent:
    """Keep the last few values, by key.

    Example:
        >>> recent = Recent()
        >>> recent.get("a", lambda: 1), recent.get("a", lambda: 2)
        (1, 1)
    """

    def __init__(self) -> None:
        self._found: dict[Hashable, object] = {}
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple[type[Recent], tuple[()]]:
        return Recent, ()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key, made at the first request."""
        with self._lock:
            if key not in self._found:
                while len(self._found) >= _KEPT:
                    del self._found[next(iter(self._found))]
                self._found[key] = make()
            return cast(T, self._found[key])
