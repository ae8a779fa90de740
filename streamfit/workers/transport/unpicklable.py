"""Finds the part of a value that cannot be pickled, and its path: through attributes, items, closures and
globals, wherever pickle goes.

Guarantee kept here: finding it costs little memory, however large the arrays in the value are.
"""

from __future__ import annotations

import functools
import inspect
import pickle
from collections.abc import Iterator
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType

import cloudpickle
import numpy as np

_MAX_DEPTH = 24
_MOST_LOOKS = 5000
_GLOBAL = "the global "
Part = tuple[str, object]
Places = tuple[str, ...]


def explain(value: object, name: str, error: Exception) -> str:
    """Return a message: which part of a value cannot be sent to another process, and what to do about it.

    Args:
        value: the value that could not be pickled; modules that travel by value are still registered.
        name: its name in the message.
        error: the exception that pickle raised.
    """
    path, unpicklable = _PartSearch().find(value, (name,))
    kind = type(unpicklable)
    what = "" if unpicklable is value else f"{path}, is a {kind.__module__}.{kind.__qualname__} "
    what = what if "used in" in path else what.replace(f"{path},", path)
    return (
        f"{name!r} cannot be sent to worker processes: {what}({type(error).__name__}: {error}). "
        "Open files, locks, connections and the like where they are used (in __getitem__, in the mapped "
        "function or in worker_init), leave them out in __getstate__, or use threads "
        "(use_multiprocessing=False)."
    )


class _Null:
    def write(self, data: bytes | pickle.PickleBuffer) -> int:
        return memoryview(data).nbytes


class _Tester(cloudpickle.Pickler):  # type: ignore[misc]
    """Pickles all but arrays, to nowhere."""

    def reducer_override(self, obj: object) -> object:
        if isinstance(obj, np.ndarray) and not obj.dtype.hasobject:
            return bool, ()
        return super().reducer_override(obj)


class _PartSearch:
    def __init__(self) -> None:
        self._looks = 0
        self._seen: set[int] = set()

    def find(self, value: object, places: Places, depth: int = 0) -> Part:
        """Return the innermost part of a value that cannot be pickled, and how to reach it."""
        self._seen.add(id(value))
        for name, part in _parts(value):
            if depth >= _MAX_DEPTH or self._looks >= _MOST_LOOKS:
                break
            if id(part) not in self._seen and not self._travels(part):
                return self.find(part, _within(places, name), depth + 1)
        return ", used in ".join(places), value

    def _travels(self, value: object) -> bool:
        if type(value) in (str, bytes, int, float, bool, type(None)):
            return True
        self._looks += 1
        try:
            _Tester(_Null(), 5).dump(value)
        except Exception:  # user code runs here; a failure is the answer
            return False
        return True


def _within(places: Places, name: str) -> Places:
    """Add a part to a path; a global begins a path of its own, and the path that uses it is named too."""
    return (name, *places) if name.startswith(_GLOBAL) else (places[0] + name, *places[1:])


def _parts(value: object) -> Iterator[Part]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{place}]", part) for place, part in enumerate(value))
    if isinstance(value, FunctionType):
        yield from _parts_of_function(value)
        return
    if isinstance(value, MethodType):
        yield f".{value.__func__.__name__}", value.__func__
        yield ".__self__", value.__self__
        return
    if isinstance(value, functools.partial):
        yield ".func", value.func
        yield from ((f".args[{place}]", part) for place, part in enumerate(value.args))
        yield from ((f".keywords[{key!r}]", part) for key, part in value.keywords.items())
    if isinstance(value, (staticmethod, classmethod)):
        yield "", value.__func__
    elif isinstance(value, property):
        yield from (("", part) for part in (value.fget, value.fset, value.fdel) if part is not None)
    elif isinstance(value, type):
        yield from ((f".{name}", part) for name, part in vars(value).items() if _is_content(name, part))
        yield from ((f" (its base {base.__name__})", base) for base in value.__bases__ if base is not object)
    elif not isinstance(value, (ModuleType, BuiltinFunctionType, CellType, CodeType)):
        yield from _parts_of_object(value)


def _is_content(name: str, part: object) -> bool:
    if isinstance(part, property):
        return True
    return name not in ("__dict__", "__weakref__", "__doc__") and not inspect.isdatadescriptor(part)


def _parts_of_object(value: object) -> Iterator[Part]:
    """Yield the parts of an object that pickle takes, by the names of its attributes where it has any."""
    try:
        state = value.__getstate__()
    except Exception:  # user code; its own attributes have to do
        state = getattr(value, "__dict__", {})
    for part in state if isinstance(state, tuple) else (state,):
        if isinstance(part, dict):
            yield from ((f".{name}", item) for name, item in part.items())
        elif part is not None and not isinstance(value, (dict, list, tuple, set, frozenset)):
            yield ".__getstate__()", part
    yield f" (its class {type(value).__name__})", type(value)


def _parts_of_function(function: FunctionType) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            yield f" (its variable {name!r})", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for place, part in enumerate(function.__defaults__ or ()):
        yield f" (default {place} of its arguments)", part
    yield from (
        (f" (its default of {name!r})", part) for name, part in (function.__kwdefaults__ or {}).items()
    )
    module = str(function.__globals__.get("__name__", "<unknown>"))
    for name in _globals_of(function.__code__):
        if name in function.__globals__:
            yield f"{_GLOBAL}{module}.{name}", function.__globals__[name]
    yield from ((f".{name}", part) for name, part in vars(function).items())


def _globals_of(code: CodeType) -> list[str]:
    """Return the names that a function and those inside it look for in their module."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= dict.fromkeys(_globals_of(constant))
    return list(names)
