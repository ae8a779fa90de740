"""Comparison of batches bit by bit: private copies, and the first place where two batches differ."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.batch import ROLES
from streamfit.streams.items import Value
from streamfit.streams.leaves import brief, leaves, rebuild

Words = tuple[str, str]
Form = tuple[tuple[int, ...], np.dtype[np.generic]]  # shape of a sample, and dtype


def parts_of(value: Value) -> list[tuple[str, Array]]:
    """List the arrays of a batch (x, y, sample_weight) with their names.

    Example:
        >>> [name for name, _ in parts_of((np.zeros(2), {"a": np.zeros(2)}, None))]
        ['x', "y['a']"]
    """
    return [leaf for role, part in zip(ROLES, value, strict=True) for leaf in leaves(part, role)]


def copied(value: Value) -> Value:
    """Copy all arrays of a batch, so that later loads cannot change them."""
    x, y, weight = (rebuild(part, lambda array, _: np.array(array), "") for part in value)
    return x, y, weight


def bytes_of(value: Value) -> int:
    """Count the bytes of the arrays of a batch."""
    return sum(array.nbytes for _, array in parts_of(value))


def same_bits(one: Array, other: Array) -> bool:
    """Return whether two arrays have the same dtype, shape and bits; a NaN equals itself.

    Of objects, such as text, the values are compared: their memory holds addresses.
    """
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.hasobject:
        return not _unequal(one, other).any()
    return one.tobytes() == other.tobytes()


def content_of(array: Array) -> bytes:
    """Return bytes that are equal for equal arrays: of objects how they are written."""
    return repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()


def difference(one: Value, other: Value, words: Words = ("at first", "then")) -> str | None:
    """Describe the first difference of two batches; None if they have the same bits.

    Args:
        one: A batch (x, y, sample_weight).
        other: Another one.
        words: When or where each of them was loaded.

    Example:
        >>> difference((np.array([1, 2]), None, None), (np.array([1, 3]), None, None))
        'x[1] is 2 at first and 3 then (1 of 2 values differ)'
    """
    first, second = dict(parts_of(one)), dict(parts_of(other))
    if list(first) != list(second):
        return f"it holds {', '.join(first)} {words[0]} and {', '.join(second)} {words[1]}"
    for name, array in first.items():
        found = _array_difference(name, array, second[name], words)
        if found is not None:
            return found
    return None


def _array_difference(name: str, one: Array, other: Array, words: Words) -> str | None:
    if same_bits(one, other):
        return None
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{name} is an {brief(one)} {words[0]} and an {brief(other)} {words[1]}"
    unequal = _unequal(one, other)
    place = tuple(int(axis) for axis in np.argwhere(unequal)[0])
    shown = f"{name}[{', '.join(map(str, place))}]"
    return (
        f"{shown} is {_item(one, place)!r} {words[0]} and {_item(other, place)!r} {words[1]} "
        f"({int(unequal.sum())} of {one.size} values differ)"
    )


def _unequal(one: Array, other: Array) -> Array:
    """Mark the elements whose bytes differ; those of objects that are written in another way."""
    if one.dtype.hasobject:
        pairs = zip(one.reshape(-1).tolist(), other.reshape(-1).tolist(), strict=True)
        return np.array([repr(a) != repr(b) for a, b in pairs], bool).reshape(one.shape)
    size = one.dtype.itemsize
    pair = [np.ascontiguousarray(side).reshape(-1).view(np.uint8).reshape(-1, size) for side in (one, other)]
    return np.asarray((pair[0] != pair[1]).any(axis=1)).reshape(one.shape)


def _item(array: Array, place: tuple[int, ...]) -> object:
    value = array[place]
    return value.item() if isinstance(value, np.generic) else value


def form_of(value: Value) -> dict[str, Form]:
    """Return the properties that all batches must share: names, shapes without the batch axis, dtypes.

    Text of any length has one dtype, that of objects.
    """
    return {name: (array.shape[1:], _dtype_of(array)) for name, array in parts_of(value)}


def _dtype_of(array: Array) -> np.dtype[np.generic]:
    return np.dtype(object) if array.dtype.kind in "US" else array.dtype
