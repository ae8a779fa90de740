"""`Memo`: the elements that a process keeps for `cache`.

Guarantee kept here: what is kept shares no memory with what was delivered, so no function of the user's can
change it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np

from streamfit.streams.stages.elements import Element, map_leaves, named_leaves
from streamfit.workers.contract import inside_worker

_SEEDS = 2  # of training and of validation data, which may share what is below a cache
_MEMOS = 16  # of the last pipelines, in a worker
_in_worker: OrderedDict[str, Memo] = OrderedDict()
_lock = threading.Lock()


class Memo:
    """Keep elements by key, apart for each seed.

    Args:
        max_bytes: How much to keep; None for everything. What comes when it is full is not kept.

    Example:
        >>> memo = Memo()
        >>> memo.keep(seed=1, key=7, element=np.ones(2))
        True
        >>> memo.find(seed=1, key=7), memo.find(seed=2, key=7)
        ((array([1., 1.]),), None)
    """

    def __init__(self, max_bytes: int | None = None) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.RLock()
        self._kept: OrderedDict[int, dict[Hashable, Element]] = OrderedDict()
        self._sizes: dict[int, int] = {}

    def find(self, seed: int, key: Hashable) -> tuple[Element] | None:
        """Return a copy of an element in a tuple, or None."""
        with self._lock:
            found = self._kept.get(seed, {})
            if key not in found:
                return None
            element = found[key]
        return (copied(element),)

    def keep(self, seed: int, key: Hashable, element: Element) -> bool:
        """Keep a copy of an element; return whether there was room."""
        size = sum(np.asarray(leaf).nbytes for _, leaf in named_leaves(element))
        with self._lock:
            if seed not in self._kept:
                while len(self._kept) >= _SEEDS:
                    gone, _ = self._kept.popitem(last=False)
                    del self._sizes[gone]
                self._kept[seed], self._sizes[seed] = {}, 0
            kept = self._kept[seed]
            if key in kept:
                return True
            if self._max_bytes is not None and sum(self._sizes.values()) + size > self._max_bytes:
                return False
            kept[key] = copied(element)
            self._sizes[seed] += size
            return True


def copied(element: Element) -> Element:
    """Return an element that shares no memory with the given one."""
    return map_leaves(element, lambda leaf: leaf.copy() if isinstance(leaf, np.ndarray) else leaf)


def memo_here(token: str, max_bytes: int | None) -> Memo:
    """Return the memo of a cache that has come to this process.

    A worker gets a copy of the stages for each pass, and keeps the memo of each cache from pass to pass.
    """
    if not inside_worker():
        return Memo(max_bytes)
    with _lock:
        memo = _in_worker.setdefault(token, Memo(max_bytes))
        _in_worker.move_to_end(token)
        while len(_in_worker) > _MEMOS:
            _in_worker.popitem(last=False)
        return memo
