"""Ownership: which arrays their producer may still write to, and which it can no longer reach.

Guarantee kept here: the result of `detached` shares no memory with any object that its producer can reach, so
it may wait in a queue while the producer continues. A new array is not copied; in case of doubt it is.

Ownership is read from the reference count: an array that owns its memory, and to which only its container
refers, cannot be reached from elsewhere. A variable in the frame of a generator counts as a reference, so
``x = make(); yield x`` is copied and ``yield make()`` is not.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from sys import getrefcount
from typing import Any, Protocol
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray  # looked up for every batch

from streamfit._base.errors import StreamfitError
from streamfit._base.specs import Array
from streamfit._base.tree import as_tuple
from streamfit.streams.leaves import as_array, is_arraylike, is_structure, rebuild_entry

_PLAIN = (str, bytes, int, float, complex, bool, type(None), np.generic)


def detached(box: list[Any], *, listed: bool, copied: list[tuple[Array, Array]] | None = None) -> Any:
    """Return the only item in `box`, with a copy in place of each array that other code may write to.

    Args:
        box: A list with one item of a producer; no variable of the caller refers to the item.
        listed: Whether a list of two or three is read like a tuple (x, y, sample_weight).
        copied: A list to which each copied array is appended, with its copy.

    Example:
        >>> buffer = np.zeros(3)
        >>> x, y = detached([(buffer, buffer + 1)], listed=True)
        >>> buffer[:] = 7
        >>> x.tolist(), y.tolist()
        ([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    """
    mine = _count(box, 0) == _ALONE and not _SHARED_COUNTS
    item = box[0]
    if mine and type(item) is tuple and _all_fresh(item):  # nearly all new items, in a microsecond
        return item
    work = _Work(copied)
    if isinstance(item, tuple) or (listed and isinstance(item, list) and len(item) in (2, 3)):
        entries = [work.part(item, place, mine) for place in range(len(item))]
        return entries if isinstance(item, list) else as_tuple(type(item), entries)
    del item
    return work.part(box, 0, not _SHARED_COUNTS)


class _Holder(Protocol):
    """A list, tuple or mapping that holds one item, or the parts of one."""

    def __getitem__(self, key: Any, /) -> object:
        """Return an entry."""
        ...


class _Work:
    """One call of `detached`."""

    def __init__(self, copied: list[tuple[Array, Array]] | None) -> None:
        self._copied = copied

    def part(self, holder: _Holder, key: object, mine: bool) -> object:
        """Return a part of an item: one array, or a structure of arrays.

        Args:
            holder: The container of the part.
            key: The key of the part.
            mine: Whether no other code refers to the container.
        """
        mine = mine and _count(holder, key) == _ALONE
        value = holder[key]
        if isinstance(value, Mapping):
            return {name: self._leaf(value, name, mine and type(value) is dict) for name in value}
        if isinstance(value, (list, tuple)) and is_structure(value):
            entries = [self._leaf(value, place, mine) for place in range(len(value))]
            return entries if isinstance(value, list) else as_tuple(type(value), entries)
        return self._whole(value, mine)

    def _leaf(self, holder: _Holder, key: object, mine: bool) -> object:
        mine = mine and _count(holder, key) == _ALONE
        return rebuild_entry(holder[key], lambda value, _: self._whole(value, mine), "")

    def _whole(self, value: object, mine: bool) -> object:
        if isinstance(value, np.ndarray):
            return value if _is_fixed(value) or (mine and _owns(value)) else self._copy(value)
        if isinstance(value, _PLAIN):
            return value
        try:
            array = as_array(value, "item", text=True)
        except (StreamfitError, ValueError, TypeError, OverflowError):  # `unpack` reports it later
            return value
        listed = isinstance(value, (list, tuple)) and not is_arraylike(value)
        if listed and array.dtype.hasobject:
            return array.tolist()  # text; who takes no text sees the list that was given
        return array if listed else self._copy(array)

    def _copy(self, array: Array) -> Array:
        copy = array.copy(order="K")
        if self._copied is not None:
            self._copied.append((array, copy))
        return copy


def _owns(array: Array) -> bool:
    """Return whether only this array refers to its memory; no other code refers to the array."""
    if getweakrefcount(array):
        return False
    if array.base is None:
        return bool(array.flags.owndata)
    return (
        type(array.base) is np.ndarray
        and getrefcount(array.base) == _ALONE
        and array.base.base is None
        and bool(array.base.flags.owndata)
        and not getweakrefcount(array.base)
    )


def _all_fresh(parts: tuple[object, ...]) -> bool:
    """Return whether a tuple holds only plain arrays to which nothing else refers."""
    for part in parts:
        if part is not None and not (
            type(part) is ndarray
            and getrefcount(part) == _IN_LOOP
            and part.base is None
            and part.flags.owndata
            and not getweakrefcount(part)
        ):
            return False
    return True


def _is_fixed(array: Array) -> bool:
    """Return whether the memory is read-only for everybody."""
    return type(memory_owner(array)) is bytes


def memory_owner(array: Array) -> object:
    """Return the object that owns the memory of an array: an array, or another object with a buffer."""
    owner: object = array
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return owner


def _count_in_loop(parts: tuple[object, ...]) -> int:
    for part in parts:
        return getrefcount(part)
    return 0


def _count(holder: _Holder, key: object) -> int:
    return getrefcount(holder[key])


# The reference count of an object that only its container holds; it differs between versions of Python.
_ALONE = _count([np.empty(1)], 0)
_IN_LOOP = _count_in_loop((np.empty(1),))
# Without the global lock a reference count may be split, so it may be too small.
_SHARED_COUNTS = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
