"""The backlog of an iterator: items that were pulled and not used, kept for its next reader.

Guarantee kept here: each item of an iterator is used once and in order, however many streams read the
iterator one after the other; an exception of the iterator is raised at its place between the items.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamfit._base.identity import IdentityMap


@dataclass(slots=True)
class Backlog:
    """The unused items of one iterator.

    Attributes:
        items: Items that were pulled and not used, in order.
        error: The exception that the iterator raised after these items.
        thread: A thread that may still be inside the iterator, because the wait for it was given up.
    """

    items: deque[object] = field(default_factory=deque)
    error: BaseException | None = None
    thread: threading.Thread | None = None


_backlogs: IdentityMap[Backlog] = IdentityMap()
_lock = threading.Lock()


def of(iterator: object) -> Backlog | None:
    """Return the backlog of an iterator, or None."""
    with _lock:
        return _backlogs.get(iterator)


def settle(iterator: object) -> None:
    """Remove the backlog of an iterator, after all of it was used."""
    with _lock:
        _backlogs.pop(iterator)


def give_back(
    iterator: object,
    items: Iterable[object],
    error: BaseException | None = None,
    thread: threading.Thread | None = None,
) -> None:
    """Keep the items that were pulled last, before any items kept earlier.

    Args:
        iterator: The iterator.
        items: Items that were pulled and not used, in order.
        error: The exception that the iterator raised after them.
        thread: A thread that may still be inside the iterator; it gives back its item when the pull ends.
    """
    with _lock:
        left = _backlogs.get(iterator)
        if left is None:
            left = Backlog()
            _backlogs.put(iterator, left)
        left.items.extendleft(reversed(list(items)))
        left.error = left.error or error
        left.thread = thread
