"""The backlog of an iterator: what was pulled from it and not used, kept for whoever reads it next.

Guarantee kept here: what was pulled from an iterator is used in its order and once, however many streams read
it one after the other; an exception that it raised meanwhile comes out at its place.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from streamfit._base.identity import IdentityMap


@dataclass(slots=True)
class Backlog:
    """What is left over of one iterator.

    Attributes:
        items: What was pulled and not used, in order.
        error: What the iterator raised after these.
        thread: One that was not waited for, and may still be inside the iterator.
    """

    items: deque[object] = field(default_factory=deque)
    error: BaseException | None = None
    thread: threading.Thread | None = None


_backlogs: IdentityMap[Backlog] = IdentityMap()
_lock = threading.Lock()


def of(iterator: object) -> Backlog | None:
    """Return what is left over of an iterator, if anything is."""
    with _lock:
        return _backlogs.get(iterator)


def settle(iterator: object) -> None:
    """Take note that everything that was left over was used."""
    with _lock:
        _backlogs.pop(iterator)


def give_back(
    iterator: object,
    items: Iterable[object],
    error: BaseException | None = None,
    thread: threading.Thread | None = None,
) -> None:
    """Keep what was pulled last, ahead of what was left over before.

    Args:
        iterator: Where it comes from.
        items: What was pulled and not used, in order.
        error: What the iterator raised after them.
        thread: One that may still be inside the iterator; it gives back what it has when it comes out.
    """
    with _lock:
        left = _backlogs.get(iterator)
        if left is None:
            left = Backlog()
            _backlogs.put(iterator, left)
        left.items.extendleft(reversed(list(items)))
        left.error = left.error or error
        left.thread = thread
