"""Buffer reuse: detect an object that returns the same memory to several threads that load at the same time.

The result of a load is copied before its thread loads again. But if two threads get the same buffer, the
second load overwrites the batch that the first has not copied yet, and no copy can help: that is an error.
Memory that is returned repeatedly and never changes (weights, a row of ones) is no error, nor is one buffer
for each thread.
"""

from __future__ import annotations

import threading
import time
import weakref
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.errors import DataError
from streamfit._base.identity import IdentityMap
from streamfit._base.specs import Array
from streamfit.streams.ownership import memory_owner
from streamfit.workers.transport.segments import address_of

_MOST = 4096  # addresses that are kept for one object
_WHOLE_BYTES = 1 << 14  # of larger arrays only some bytes are read
_SAMPLES = 1 << 9


@dataclass(slots=True)
class _Use:
    """The last load that returned one address, and what is known of the loads before it."""

    ids: ArrayLike
    owner: Callable[[], object]
    thread: int
    until: int
    digest: int
    raced: bool = False
    varies: bool = False


class ReuseWatch:
    """The memory that one object returned to several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: dict[int, _Use] = {}
        self._begun = time.monotonic_ns()

    def note(self, ids: ArrayLike, since: int, copied: Sequence[tuple[Array, Array]]) -> ArrayLike | None:
        """Record the memory that a load returned.

        Args:
            ids: Ids of the load.
            since: The start of the load, by `time.monotonic_ns`.
            copied: The arrays to which the object still refers, each with its copy.

        Returns:
            The ids of a load that got the same memory at the same time, or None.
        """
        if since < self._begun:  # a load that began before the object may have changed
            return None
        found = [
            (address_of(array), memory_owner(array), _digest(copy)) for array, copy in copied if array.nbytes
        ]
        thread, until = threading.get_ident(), time.monotonic_ns()
        with self._lock:
            for address, owner, digest in found:
                last = self._uses.pop(address, None)
                use = self._uses[address] = _Use(ids, _reference(owner), thread, until, digest)
                if last is None or last.owner() is not owner:  # the memory of the last load was freed
                    continue
                other = not _same(last.ids, ids)
                use.varies = last.varies or (other and last.digest != digest)
                use.raced = last.raced or (other and last.thread != thread and last.until > since)
                if use.varies and use.raced:
                    return last.ids
            while len(self._uses) > _MOST:
                del self._uses[next(iter(self._uses))]
        return None


_watches: IdentityMap[ReuseWatch] = IdentityMap()
_lock = threading.Lock()


def begin(producer: object) -> None:
    """Start anew for an object: its contents may have changed."""
    with _lock:
        _watches.put(producer, ReuseWatch())


def check(producer: object, ids: ArrayLike, since: int, copied: Sequence[tuple[Array, Array]]) -> None:
    """Raise if two threads got the same memory of an object.

    Raises:
        DataError: Two threads got the same memory at the same time.
    """
    watch = _watches.get(producer)
    if watch is None:
        begin(producer)
        watch = _watches.get(producer)
    assert watch is not None
    other = watch.note(ids, since, copied)
    if other is not None:
        raise DataError(
            f"{type(producer).__name__} returned the same memory for {_brief(other)} and {_brief(ids)}, "
            "which two threads loaded at once: one has overwritten the batch of the other. Return a new "
            "array or a copy (buffer.copy()), or load with workers=1 or with use_multiprocessing=True"
        )


def _same(one: ArrayLike, other: ArrayLike) -> bool:
    return bool(np.array_equal(one, other))


def _brief(ids: ArrayLike) -> str:
    return f"samples {ids[0]}..{ids[-1]}" if isinstance(ids, np.ndarray) and ids.size else f"index {ids!s}"


def _reference(owner: object) -> Callable[[], object]:
    try:
        return weakref.ref(owner)
    except TypeError:  # a map of a file, a bytearray: kept until its entry is removed
        return lambda: owner


def _digest(copy: Array) -> int:
    flat = copy.reshape(-1) if copy.flags.c_contiguous else copy.ravel(order="K")
    if flat.dtype.hasobject:  # text: its memory holds references
        return zlib.crc32(repr(flat.tolist()).encode())
    data = flat.view(np.uint8)
    if data.size > _WHOLE_BYTES:
        data = np.ascontiguousarray(data[:: data.size // _SAMPLES])
    return zlib.crc32(data.data)
