"""The state of an object and of the user's modules, as text that can be compared over time and processes."""

from __future__ import annotations

import enum
import hashlib
import sys
from array import array
from collections import deque
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np

from streamfit._base.inspection import attributes_of, differing, is_foreign
from streamfit._base.specs import Array

_DEEPEST, _LONGEST = 5, 1000
_WHOLE_BYTES, _SAMPLED = 64 << 10, 4096  # largest array that is read whole; elements read of a larger one
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, type)
_MOST_MODULES = 100
State = dict[str, str]
Settings = dict[str, tuple[str, str]]  # fingerprint and short text of each value


def fingerprint(value: object, depth: int = 0) -> str:
    """Return a text that is equal for equal values, in every process.

    It reads only a part of large arrays and long lists.

    Example:
        >>> fingerprint({"a": {2, 1}}) == fingerprint({"a": {1, 2}}), fingerprint([1]) == fingerprint([2])
        (True, False)
    """
    if isinstance(value, (*_PLAIN, np.generic)):
        return repr(value)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, _FUNCTIONS):
        return f"{value.__module__}.{getattr(value, '__qualname__', '')}"
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if depth >= _DEEPEST:
        return kind
    if isinstance(value, Mapping):
        keys = list(value)
        pairs = [(fingerprint(k, depth + 1), fingerprint(value[k], depth + 1)) for k in keys[:_LONGEST]]
        return f"{kind}({_hashed(repr(pairs))}, {len(keys)})"
    if isinstance(value, (bytearray, memoryview, array)):
        return f"{kind}({_hashed(bytes(value))}, {len(value)})"
    if isinstance(value, (list, tuple, set, frozenset, deque, KeysView, ValuesView, ItemsView)):
        unordered = isinstance(value, (set, frozenset))
        looked = list(value) if unordered else list(islice(value, _LONGEST))
        entries = [fingerprint(entry, depth + 1) for entry in looked]
        return f"{kind}({_hashed(repr(sorted(entries) if unordered else entries))}, {len(value)})"
    if isinstance(value, np.random.Generator):
        return f"{kind}({fingerprint(value.bit_generator.state, depth + 1)})"
    module = type(value).__module__
    if is_foreign(module) and module not in ("__main__", "__mp_main__"):
        return kind  # locks, files, loggers and the like
    return f"{kind}({fingerprint(dict(attributes_of(value)), depth + 1)})"


def _of_array(array: Array) -> str:
    if array.dtype.hasobject:
        return f"array({array.dtype}, {array.shape})"
    if array.nbytes > _WHOLE_BYTES:
        places = np.linspace(0, array.size - 1, _SAMPLED).astype(np.int64)
        return f"array({array.dtype}, {array.shape}, {_hashed(array.flat[places].tobytes())})"
    return f"array({array.dtype}, {array.shape}, {_hashed(array.tobytes())})"


def _hashed(data: str | bytes) -> str:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    return hashlib.blake2b(raw, digest_size=12).hexdigest()


def state_of(thing: object) -> State:
    """Return the fingerprints of the attributes of an object, by name."""
    return {name: fingerprint(value) for name, value in attributes_of(thing)}


def changed(before: State, after: State) -> list[str]:
    """List the names that differ between two states, or that only one of them has.

    Example:
        >>> changed({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"})
        ['b', 'c']
    """
    return sorted(differing(before, after))


# -- modules ----------------------------------------------------------------------------------------------


def modules_behind(thing: object) -> list[str]:
    """List the user's modules that define an object, and the modules that these import, as far as workers
    import them by name.
    """
    first = {kind.__module__ for kind in type(thing).__mro__}
    for _, value in attributes_of(thing):
        first.add(value.__module__ if isinstance(value, _FUNCTIONS) else type(value).__module__)
    if isinstance(thing, _FUNCTIONS):
        first.add(thing.__module__)
    found: dict[str, None] = {}
    waiting = sorted(name for name in first if name and not is_foreign(name))
    while waiting and len(found) < _MOST_MODULES:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or module is None:
            continue
        found[name] = None
        waiting += [other for other in _used_by(module) if not is_foreign(other)]
    return sorted(found)


def _used_by(module: ModuleType) -> set[str]:
    used = set()
    for value in list(vars(module).values()):
        if isinstance(value, ModuleType):
            used.add(value.__name__)
        elif isinstance(value, _FUNCTIONS) and getattr(value, "__module__", None):
            used.add(value.__module__)
    return used


def settings_of(names: list[str]) -> Settings:
    """Return the variables of modules and their classes, by ``module.name``."""
    found: Settings = {}
    for name in names:
        module = sys.modules.get(name)
        for key, value in _settings(module, name) if module is not None else ():
            found[f"{name}.{key}"] = (fingerprint(value), shown(value))
    return found


def _settings(module: ModuleType, name: str) -> Iterator[tuple[str, object]]:
    for key, value in list(vars(module).items()):
        if key.startswith("__") or isinstance(value, ModuleType):
            continue
        yield key, value
        if isinstance(value, type) and value.__module__ == name and not issubclass(value, enum.Enum):
            for inner, entry in list(vars(value).items()):
                if not inner.startswith("_") and not _made_by_its_class(entry):
                    yield f"{key}.{inner}", entry


def _made_by_its_class(entry: object) -> bool:
    """Return whether an attribute is no setting but what a class made of one: a field of a named tuple."""
    return hasattr(type(entry), "__get__") and not isinstance(entry, _FUNCTIONS)


def shown(value: object) -> str:
    """Describe a value in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    text = repr(value) if isinstance(value, (*_PLAIN, list, tuple, dict)) else f"a {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."
