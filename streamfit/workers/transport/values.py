"""Values taken apart and put together: arrays, and a structure that is sent once per kind of value.

A value is any picklable structure of arrays. Tuples, lists, dicts with text keys and plain dataclasses are
taken apart into arrays and a structure (the *template*), which is sent once and then called by number.
Everything else travels by pickle, its buffers beside the arrays (`packing` lays all of it out).
Arrays are put together again as writable views, without a copy.

Guarantee kept here: the value that is put together equals the one that was taken apart, with the same
types, dtypes, shapes and memory order (C order if it had neither); an array that occurs twice is still one
array. A memory map arrives as a plain array.
"""

from __future__ import annotations

import copyreg
import dataclasses
import functools
import pickle
from collections.abc import Sequence
from typing import Any, Literal

import cloudpickle
import numpy as np

from streamfit.workers.transport.slots import Array

# A template is a tree of tuples, so that it can be a key.
Order = Literal["C", "F"]
_FirstArray = tuple[Literal["array"], int, np.dtype, int, Order]
"""Place, dtype, number of dimensions and memory order of an array."""
_SameArray = tuple[Literal["array"], int]
"""Place of an array that occurred before."""
_Rest = tuple[Literal["rest"], int]
"""Place of a part that travels by pickle."""
_None = tuple[Literal["none"]]
_Tuple = tuple[Literal["tuple"], tuple["Template", ...]]
_List = tuple[Literal["list"], tuple["Template", ...]]
_Dict = tuple[Literal["dict"], tuple[str, ...], tuple["Template", ...]]
"""Keys and values."""
_Data = tuple[Literal["data"], type, tuple[str, ...], tuple["Template", ...]]
"""Class, field names and field values of a dataclass."""
Template = _FirstArray | _SameArray | _Rest | _None | _Tuple | _List | _Dict | _Data
Leaf = tuple[np.dtype, int, Order]
"""Dtype, number of dimensions and memory order of an array."""

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
    """A value taken apart: its template, its arrays, and the rest, which travels by pickle.

    Args:
        value: any picklable structure of arrays.
    """

    __slots__ = ("_seen", "arrays", "rest", "template")

    def __init__(self, value: object) -> None:
        self.arrays: list[Array] = []
        self.rest: list[object] = []
        self._seen: dict[int, int] = {}
        self.template: Template = self._node(value, 0)

    def _node(self, value: Any, depth: int) -> Template:
        kind = type(value)
        if (kind is np.ndarray or kind is np.memmap) and _is_plain(value.dtype):
            return self._array(value)
        if value is None:
            return ("none",)
        if depth < _MAX_DEPTH:
            if kind is tuple or kind is list:
                items = tuple([self._node(item, depth + 1) for item in value])
                return ("tuple", items) if kind is tuple else ("list", items)
            if kind is dict and all(type(key) is str for key in value):
                return ("dict", tuple(value), tuple([self._node(item, depth + 1) for item in value.values()]))
            names = _field_names(kind)  # type: ignore[arg-type]  # mypy takes no class for hashable
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
        order: Order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
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

    def read(self, arrays: Sequence[Array], rest: Sequence[object] = ()) -> object:
        """Return the value with these arrays, and with `rest` in the places of the other parts."""
        return _build(self._template, arrays, rest)


def dump(value: object) -> tuple[bytes, list[Array]]:
    """Pickle a value, its buffers apart; classes and functions of `__main__` travel by value."""
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
def _field_names(kind: type) -> tuple[str, ...] | None:
    """Return the field names of a dataclass whose state is nothing but its fields, else None."""
    if not dataclasses.is_dataclass(kind) or kind.__new__ is not object.__new__:
        return None
    if kind in copyreg.dispatch_table:
        return None
    for hook in _STATE_HOOKS:
        method = getattr(kind, hook, None)
        # Frozen dataclasses with slots bring their own hooks, which do the same as the plain ones.
        if method is not getattr(object, hook, None) and getattr(method, "__module__", "") != "dataclasses":
            return None
    for base in kind.__mro__:
        if base.__dict__.get("__slots__") and "__dataclass_fields__" not in base.__dict__:
            return None
    return tuple(field.name for field in dataclasses.fields(kind))


def _has_only(value: object, names: tuple[str, ...]) -> bool:
    attributes = getattr(value, "__dict__", None)
    if attributes is not None:
        return tuple(attributes) == names
    return all(hasattr(value, name) for name in names)


def _is_plain(dtype: np.dtype) -> bool:
    return dtype.kind in _PLAIN_KINDS and dtype.itemsize > 0 and not dtype.hasobject


def _collect_leaves(node: Template, leaves: list[Leaf]) -> None:
    if node[0] == "array":
        if len(node) == 5:
            leaves.append((node[2], node[3], node[4]))
    elif node[0] != "none" and node[0] != "rest":
        for child in node[-1]:
            _collect_leaves(child, leaves)


def _build(node: Template, arrays: Sequence[Array], rest: Sequence[object]) -> object:
    if node[0] == "array":
        return arrays[node[1]]
    if node[0] == "none":
        return None
    if node[0] == "rest":
        return rest[node[1]]
    children = [_build(child, arrays, rest) for child in node[-1]]
    if node[0] == "tuple":
        return tuple(children)
    if node[0] == "list":
        return children
    if node[0] == "dict":
        return dict(zip(node[1], children, strict=True))
    value: object = object.__new__(node[1])
    for name, child in zip(node[2], children, strict=True):
        object.__setattr__(value, name, child)
    return value
