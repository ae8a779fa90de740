"""Values taken apart and put together: arrays, and a structure that is sent once per kind of value.

A value is any picklable structure of arrays. Tuples, lists, dicts with text keys and plain dataclasses are
taken apart into arrays and a structure (the *template*), which is sent once and then called by number.
Whatever is none of these travels by pickle, its buffers beside the arrays (`packing` lays all of it out).
Arrays are put together again as writable views, without a copy.

Guarantee kept here: what is put together equals what was taken apart, with the same types, dtypes, shapes
and memory order (C order if it had neither); an array that occurs twice is still one array. A memory map
arrives as a plain array.
"""

from __future__ import annotations

import copyreg
import dataclasses
import functools
import pickle
from collections.abc import Sequence
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# A template is a tree of tuples, so that it can be a key: ("array", place, dtype, dimensions, order),
# ("array", place) for one that occurred before, ("rest", place), ("none",), ("tuple" | "list", children),
# ("dict", keys, children), ("data", class, field names, children).
Template = tuple[Any, ...]
Leaf = tuple[Any, int, Any]

_MAX_DEPTH = 12
_STATE_HOOKS = (
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__getnewargs__",
    "__getnewargs_ex__",
)
_PLAIN_KINDS = frozenset("biufcmMSUV")


class Parts:
    """A value taken apart: its template, its arrays and what is neither.

    Args:
        value: any picklable structure of arrays.
    """

    __slots__ = ("_seen", "arrays", "rest", "template")

    def __init__(self, value: Any) -> None:
        self.arrays: list[Array] = []
        self.rest: list[Any] = []
        self._seen: dict[int, int] = {}
        self.template: Template = self._node(value, 0)

    def _node(self, value: Any, depth: int) -> Template:
        kind: Any = type(value)
        if (kind is np.ndarray or kind is np.memmap) and _is_plain(value.dtype):
            return self._array(value)
        if value is None:
            return ("none",)
        if depth < _MAX_DEPTH:
            if kind is tuple or kind is list:
                return (kind.__name__, tuple([self._node(item, depth + 1) for item in value]))
            if kind is dict and all(type(key) is str for key in value):
                return ("dict", tuple(value), tuple([self._node(item, depth + 1) for item in value.values()]))
            names = _field_names(kind)
            if names is not None and _has_only(value, names):
                children = tuple([self._node(getattr(value, name), depth + 1) for name in names])
                return ("data", kind, names, children)
        self.rest.append(value)
        return ("rest", len(self.rest) - 1)

    def _array(self, value: Array) -> Template:
        place = self._seen.setdefault(id(value), len(self.arrays))
        if place < len(self.arrays):
            return ("array", place)
        self.arrays.append(value)
        flags = value.flags
        order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
        return ("array", place, value.dtype, value.ndim, order)


class ValueReader:
    """Puts values of one template together again.

    Args:
        template: as `Parts` made it.

    Attributes:
        leaves: dtype, number of dimensions and memory order of each array.
    """

    def __init__(self, template: Template) -> None:
        self._template = template
        self.leaves: list[Leaf] = []
        _collect_leaves(template, self.leaves)

    def read(self, arrays: Sequence[Array], rest: Sequence[Any] = ()) -> Any:
        """Return the value with these arrays, and with `rest` in the places of what is no array."""
        return _build(self._template, arrays, rest)


def dump(value: Any) -> tuple[bytes, list[Array]]:
    """Pickle a value, its buffers apart; what only exists in `__main__` travels by value."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        data = pickle.dumps(value, 5, buffer_callback=buffers.append)
    except (pickle.PicklingError, AttributeError, TypeError):
        data = b"__main__"
    if b"__main__" in data:  # loads by reference here, yet not in another process
        buffers.clear()
        data = cloudpickle.dumps(value, 5, buffers.append)
    return data, [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]


@functools.lru_cache(maxsize=256)
def _field_names(kind: Any) -> tuple[str, ...] | None:
    """Return the field names of a dataclass whose state is nothing but its fields, else None."""
    if not dataclasses.is_dataclass(kind) or kind.__new__ is not object.__new__:
        return None
    if kind in copyreg.dispatch_table:
        return None
    for hook in _STATE_HOOKS:
        method = getattr(kind, hook, None)
        # Frozen dataclasses with slots bring their own hooks, which are the plain ones in other words.
        if method is not getattr(object, hook, None) and getattr(method, "__module__", "") != "dataclasses":
            return None
    bases: Any = kind
    for base in bases.__mro__:
        if base.__dict__.get("__slots__") and "__dataclass_fields__" not in base.__dict__:
            return None
    return tuple(field.name for field in dataclasses.fields(kind))


def _has_only(value: Any, names: tuple[str, ...]) -> bool:
    attributes = getattr(value, "__dict__", None)
    if attributes is not None:
        return tuple(attributes) == names
    return all(hasattr(value, name) for name in names)


def _is_plain(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in _PLAIN_KINDS and dtype.itemsize > 0 and not dtype.hasobject


def _collect_leaves(node: Template, leaves: list[Leaf]) -> None:
    if node[0] == "array":
        if len(node) == 5:
            leaves.append((node[2], node[3], node[4]))
    elif node[0] not in ("none", "rest"):
        for child in node[-1]:
            _collect_leaves(child, leaves)


def _build(node: Template, arrays: Sequence[Array], rest: Sequence[Any]) -> Any:
    kind = node[0]
    if kind == "array":
        return arrays[node[1]]
    if kind == "none":
        return None
    if kind == "rest":
        return rest[node[1]]
    children = [_build(child, arrays, rest) for child in node[-1]]
    if kind == "tuple":
        return tuple(children)
    if kind == "list":
        return children
    if kind == "dict":
        return dict(zip(node[1], children, strict=True))
    value = object.__new__(node[1])
    for name, child in zip(node[2], children, strict=True):
        object.__setattr__(value, name, child)
    return value
