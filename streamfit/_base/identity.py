"""`IdentityMap`: values for objects that may support neither hashing nor weak references.

Guarantee kept here: an entry belongs to one object, never to a later object at the same address.
"""

from __future__ import annotations

import sys
import weakref
from typing import Generic, TypeVar

T = TypeVar("T")
_Reference = weakref.ref[object] | None  # None where the map keeps the object itself


class IdentityMap(Generic[T]):
    """Map objects to values by identity, not by equality.

    An entry is removed when its object is freed. The map itself keeps objects without weak references (many
    iterators of the standard library), until nothing else refers to them and the map is used again.

    Example:
        >>> names = IdentityMap()
        >>> first, second = iter("ab"), iter("ab")
        >>> names.put(first, "first")
        >>> names.get(first), names.get(second), names.pop(first), names.get(first)
        ('first', None, 'first', None)
    """

    def __init__(self) -> None:
        self._entries: dict[int, tuple[_Reference, T]] = {}
        self._held: dict[int, object] = {}

    def put(self, key: object, value: T) -> None:
        """Store a value for an object."""
        self._sweep()
        number = id(key)
        try:
            entries = self._entries
            self._entries[number] = (weakref.ref(key, lambda ref: _forget(entries, number, ref)), value)
        except TypeError:
            self._entries[number] = (None, value)
            self._held[number] = key

    def get(self, key: object) -> T | None:
        """Return the value of an object, or None."""
        entry = self._entries.get(id(key))
        return None if entry is None or not self._is_of(entry[0], key) else entry[1]

    def pop(self, key: object) -> T | None:
        """Remove and return the value of an object, or None."""
        value = self.get(key)
        self._entries.pop(id(key), None)
        self._held.pop(id(key), None)
        self._sweep()
        return value

    def _is_of(self, ref: _Reference, key: object) -> bool:
        return self._held.get(id(key)) is key if ref is None else ref() is key

    def _sweep(self) -> None:
        for number in list(self._held):
            if sys.getrefcount(self._held[number]) == _ALONE:
                del self._held[number], self._entries[number]


def _forget(entries: dict[int, tuple[_Reference, T]], number: int, ref: _Reference) -> None:
    if entries.get(number, (None,))[0] is ref:
        del entries[number]


def _count_alone() -> int:
    kept = {0: iter("")}
    return sys.getrefcount(kept[0])


_ALONE = _count_alone()  # the reference count of an object that only a dictionary holds
