"""States of callbacks and data as JSON and back, bit for bit.

A state may hold None, numbers, text, bytes, lists, tuples, dictionaries and NumPy's arrays and numbers,
nested to any depth. A value that JSON does not know becomes a dictionary with the key ``"$"``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from streamfit._base.specs import Array

__all__ = ["pack", "unpack"]

_Marked = dict[str, Any]  # a dictionary that stands for another value
_MARK = "$"
_PLAIN = (type(None), bool, int, float, str)
_TENSORS = frozenset("biuf")
_TENSOR_BYTES = 8


def pack(value: object, place: str, arrays: dict[str, Array] | None = None) -> Any:
    """Return `value` for JSON.

    Args:
        value: The value to save.
        place: Its name in messages.
        arrays: Receives each array under a new name; None writes them into the JSON.

    Raises:
        TypeError: It contains a value that cannot be saved; the message names the value and its place.

    Example:
        >>> pack({"best": np.float32(0.5), "at": (1, 2)}, "state")["at"]
        {'$': 'tuple', 'items': [1, 2]}
        >>> pack({"names": {"a"}}, "the state of Mine")
        Traceback (most recent call last):
        TypeError: the state of Mine['names'] is a set; a state may hold None, numbers, text, bytes, lists, \
tuples, dictionaries and arrays of numbers
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind not in "OV":
        kind = "array" if isinstance(value, np.ndarray) else "number"
        return {_MARK: kind, **_pack_array(np.asarray(value), arrays)}
    if type(value) is list:
        return [pack(item, f"{place}[{i}]", arrays) for i, item in enumerate(value)]
    if type(value) is tuple:
        items = [pack(item, f"{place}[{i}]", arrays) for i, item in enumerate(value)]
        return {_MARK: "tuple", "items": items}
    if isinstance(value, Mapping):
        return _pack_mapping(value, place, arrays)
    if type(value) is bytes:
        return {_MARK: "bytes", "data": _text(value)}
    raise TypeError(
        f"{place} is a {type(value).__name__}; a state may hold None, numbers, text, bytes, lists, tuples, "
        "dictionaries and arrays of numbers"
    )


def _pack_mapping(value: Mapping[object, object], place: str, arrays: dict[str, Array] | None) -> object:
    if _MARK not in value and all(type(key) is str for key in value):
        return {key: pack(item, f"{place}[{key!r}]", arrays) for key, item in value.items()}
    items = [
        [pack(key, f"a key of {place}", arrays), pack(item, f"{place}[{key!r}]", arrays)]
        for key, item in value.items()
    ]
    return {_MARK: "dict", "items": items}


def _pack_array(array: Array, arrays: dict[str, Array] | None) -> _Marked:
    fits = array.dtype.kind in _TENSORS and array.dtype.itemsize <= _TENSOR_BYTES and array.dtype.isnative
    if arrays is not None and fits:
        name = f"fact/{len(arrays)}"
        arrays[name] = array
        return {"name": name}
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": _text(array.tobytes())}


def unpack(value: object, arrays: Mapping[str, Array] | None = None) -> Any:
    """Return the value from which `pack` made its result.

    Example:
        >>> unpack(pack({1: (np.arange(2), b"x")}, "state"))
        {1: (array([0, 1]), b'x')}
    """
    if isinstance(value, list):
        return [unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if _MARK not in value:
        return {key: unpack(item, arrays) for key, item in value.items()}
    return _UNPACK[value[_MARK]](value, arrays)


def _unpack_array(value: _Marked, arrays: Mapping[str, Array] | None) -> Array:
    if "name" in value:
        return (arrays or {})[value["name"]]
    flat = np.frombuffer(_data(value), np.dtype(value["dtype"]))
    return flat.reshape(value["shape"]).copy()


_UNPACK: dict[str, Callable[[_Marked, Mapping[str, Array] | None], object]] = {
    "array": _unpack_array,
    "number": lambda value, arrays: _unpack_array(value, arrays)[()],
    "tuple": lambda value, arrays: tuple(unpack(value["items"], arrays)),
    "dict": lambda value, arrays: {unpack(key, arrays): unpack(item, arrays) for key, item in value["items"]},
    "bytes": lambda value, arrays: _data(value),
}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _data(value: _Marked) -> bytes:
    return base64.b64decode(value["data"])
