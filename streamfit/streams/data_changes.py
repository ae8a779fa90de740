"""Changes of an object whose batches are loaded ahead, detected at the beginning of an epoch.

A change that a callback makes between two epochs takes effect with the next batch, so batches that were
loaded ahead must be loaded again; without a change, no batch should be loaded twice. Two kinds of changes
are detected: assignments to attributes of a `Sequence`, and differences in the pickled state of any object,
attribute by attribute. Arrays of 1 MB and more, and values that cannot be pickled, are compared by identity.

Threads share the object, and a load may change it (a counter, a cache). An attribute that changed while loads
ran is therefore not counted as a change, unless other code assigned it.
"""

from __future__ import annotations

import hashlib

import cloudpickle
import numpy as np

from streamfit._base.inspection import attributes_of, differing
from streamfit.streams import rng_context
from streamfit.workers.transport.segments import address_of

LARGE_BYTES = 1 << 20
"""Arrays of this size and more count as changed only when they are other objects."""

_DEEP = 3  # levels of values that cannot be pickled that are searched
_OURS = __name__.partition(".")[0]
_SIMPLE = (str, bytes, int, float, complex, bool, type(None))
_MISSING = object()
_Digests = dict[str, bytes]

_watched: dict[int, list[ChangeWatch]] = {}


class ChangeWatch:
    """Watch one object for changes from one epoch to the next.

    Args:
        thing: The object.
        shared: Whether loads run on the object itself, as loads in threads do.

    Example:
        >>> class Data:
        ...     level = 0
        >>> data = Data()
        >>> watch = ChangeWatch(data, shared=False)
        >>> watch.changed()
        False
        >>> data.level = 1
        >>> watch.changed(), watch.changed()
        (True, False)
    """

    def __init__(self, thing: object, *, shared: bool) -> None:
        self._thing, self._shared = thing, shared
        self._assigned = False
        self._own: set[str] = set()  # attributes that loads change
        self._begun: _Digests = {}
        self._late: _Digests | None = None
        self._objects: list[object] = []
        self._begin(digests(thing))

    def look(self) -> None:
        """Record the state before the last batch of an epoch; loads may have made the changes up to now."""
        if self._shared:
            self._late = digests(self._thing)
            self._own.update(differing(self._begun, self._late))

    def changed(self) -> bool:
        """Return whether the object was changed since the epoch began, and begin the next epoch."""
        now = digests(self._thing)
        before = self._begun if self._late is None else self._late
        found = self._assigned or not self._own.issuperset(differing(before, now))
        self._begin(now)
        return found

    def close(self) -> None:
        """Stop watching."""
        for part in self._objects:
            watches = _watched.get(id(part), [])
            if self in watches:
                watches.remove(self)
            if not watches:
                _watched.pop(id(part), None)
        self._objects = []

    def note(self) -> None:
        """Record an assignment."""
        self._assigned = True

    def _begin(self, now: _Digests) -> None:
        self.close()
        self._begun, self._late, self._assigned = now, None, False
        self._objects = list(rng_context.inside(self._thing))
        for part in self._objects:
            _watched.setdefault(id(part), []).append(self)


def assign(thing: object, name: str, value: object) -> None:
    """Record that an attribute is about to be assigned, unless a load assigns it."""
    watches = _watched.get(id(thing))
    if not watches or rng_context.loading():
        return
    before = getattr(thing, "__dict__", {}).get(name, _MISSING)
    if before is value or (type(before) is type(value) and isinstance(value, _SIMPLE) and before == value):
        return
    for watch in tuple(watches):
        watch.note()


def digests(thing: object) -> _Digests:
    """Return a digest of each attribute of an object, and of the values in its classes."""
    found = {name: _digest(value) for name, value in attributes_of(thing)}
    for kind in type(thing).__mro__:
        if kind.__module__.partition(".")[0] not in (_OURS, "builtins", "abc", "typing", "collections"):
            for name, value in list(vars(kind).items()):
                if not (name.startswith(("__", "_abc_")) or callable(value) or hasattr(value, "__get__")):
                    found[f"{kind.__qualname__}.{name}"] = _digest(value)
    return found


def _digest(value: object, depth: int = 0) -> bytes:
    hashed = _Hashed()
    try:
        _Pickler(hashed, protocol=5).dump(value)
    except Exception:  # user code runs here; parts of the value may be picklable
        hashed = _Hashed()
        hashed.write(b"object %d" % id(value))
        for name, part in _entries(value) if depth < _DEEP else ():
            hashed.write(repr(name).encode())
            hashed.write(_digest(part, depth + 1))
    return hashed.hash.digest()


def _entries(value: object) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    return list(attributes_of(value))


class _Hashed:
    """A file that hashes the bytes written to it."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.hash.update(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a value, and large arrays by their identity."""

    def reducer_override(self, obj: object) -> object:
        if isinstance(obj, np.ndarray) and obj.nbytes >= LARGE_BYTES:
            return _large, (id(obj), address_of(obj), obj.shape, obj.dtype.str)
        return super().reducer_override(obj)


def _large(*what: object) -> object:
    return what
