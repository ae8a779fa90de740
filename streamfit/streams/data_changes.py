"""Changes of an object whose batches are loaded ahead, found at the beginning of an epoch.

What a callback changes between two epochs counts from the next batch on, so what was loaded ahead before has
to be loaded again; and when nothing was changed, nothing should be loaded twice. Noticed are assignments to a
`Sequence`, and differences of the pickled state of any object, attribute by attribute: of arrays of 1 MB and
more, and of what cannot be pickled, only whether it is another object.

Threads share the object, and a load may change it itself (a counter, a cache). An attribute that differed
before while loads ran is therefore not taken for a change, unless somebody else has assigned it.
"""

from __future__ import annotations

import hashlib

import cloudpickle
import numpy as np

from streamfit._base.inspection import attributes_of, differing
from streamfit.streams import rng_context
from streamfit.workers.transport.segments import address_of

LARGE_BYTES = 1 << 20
"""From how many bytes on an array counts as changed only when it is another one."""

_DEEP = 3  # levels of what cannot be pickled that are looked through
_OURS = __name__.partition(".")[0]
_SIMPLE = (str, bytes, int, float, complex, bool, type(None))
_MISSING = object()
_Digests = dict[str, bytes]

_watched: dict[int, list[ChangeWatch]] = {}


class ChangeWatch:
    """Look after one object from an epoch to the next.

    Args:
        thing: The object.
        shared: Whether loads run on the object itself, as those in threads do.

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
        self._own: set[str] = set()  # what loads change
        self._begun: _Digests = {}
        self._late: _Digests | None = None
        self._objects: list[object] = []
        self._begin(digests(thing))

    def look(self) -> None:
        """Note the state before the last batch of an epoch: what differs by now may have been loads."""
        if self._shared:
            self._late = digests(self._thing)
            self._own.update(differing(self._begun, self._late))

    def changed(self) -> bool:
        """Return whether somebody has changed the object since the epoch began, and begin another."""
        now = digests(self._thing)
        before = self._begun if self._late is None else self._late
        found = self._assigned or not self._own.issuperset(differing(before, now))
        self._begin(now)
        return found

    def close(self) -> None:
        """Look no more."""
        for part in self._objects:
            watches = _watched.get(id(part), [])
            if self in watches:
                watches.remove(self)
            if not watches:
                _watched.pop(id(part), None)
        self._objects = []

    def note(self) -> None:
        """Take note of an assignment."""
        self._assigned = True

    def _begin(self, now: _Digests) -> None:
        self.close()
        self._begun, self._late, self._assigned = now, None, False
        self._objects = list(rng_context.inside(self._thing))
        for part in self._objects:
            _watched.setdefault(id(part), []).append(self)


def assign(thing: object, name: str, value: object) -> None:
    """Note that an attribute is about to be assigned, unless a load does it."""
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
    except Exception:  # user code runs here; of what cannot be pickled, the parts perhaps can
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
    """A file that keeps a hash of what is written to it."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.hash.update(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles a value, large arrays by what they are."""

    def reducer_override(self, obj: object) -> object:
        if isinstance(obj, np.ndarray) and obj.nbytes >= LARGE_BYTES:
            return _large, (id(obj), address_of(obj), obj.shape, obj.dtype.str)
        return super().reducer_override(obj)


def _large(*what: object) -> object:
    return what
