"""Checks of arguments that several packages have in common.

A value that behaves like the expected type is accepted: NumPy scalars and arrays without axes, objects with
``__index__``, whole floats, fractions and decimals. Truth values are not numbers, and text is never parsed.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, SupportsIndex, SupportsInt, TypeGuard, cast

import numpy as np

_TRUTH = (bool, np.bool_)


def scalar(value: object) -> object:
    """Return the element of an array without axes; return any other value as it is.

    Example:
        >>> scalar(np.array(3)), scalar("auto")
        (np.int64(3), 'auto')
    """
    return value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value


def integer(value: object) -> int | None:
    """Return `value` as an int where it is a whole number of any kind, else None.

    Example:
        >>> integer(np.uint8(3)), integer(3.0), integer(3.5), integer(True), integer("3")
        (3, 3, None, None, None)
    """
    value = scalar(value)
    if isinstance(value, (*_TRUTH, np.ndarray)):
        return None
    if isinstance(value, SupportsIndex):
        try:
            return operator.index(value)
        except TypeError:  # tensors have the method even if they hold no whole number
            return None
    number = real(value)
    return int(cast("SupportsInt", value)) if number is not None and number.is_integer() else None


def real(value: object) -> float | None:
    """Return `value` as a float where it is a real number of any kind, else None.

    Example:
        >>> real(np.float32(0.5)), real(np.array(2)), real(False), real("1")
        (0.5, 2.0, None, None)
    """
    value = scalar(value)
    if isinstance(value, _TRUTH):
        return None
    if isinstance(value, (int, float, np.integer, np.floating, numbers.Real, Decimal)):
        try:
            return float(value)
        except OverflowError:  # Python's whole numbers have no upper limit
            return None
    if isinstance(value, SupportsIndex) and not isinstance(value, np.ndarray):
        found = integer(value)
        return None if found is None else float(found)
    return None


def whole(name: str, value: object, least: int) -> int:
    """Return `value` as an int.

    Raises:
        TypeError: It is not a whole number.
        ValueError: It is less than `least`, or NaN.
    """
    number = integer(value)
    if number is None:
        if real(value) != real(value):
            raise ValueError(f"{name} must be a whole number of at least {least}, got NaN")
        raise TypeError(
            f"{name} must be a whole number of at least {least}, got {value!r} ({type(value).__name__})"
        )
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def whole_or_none(name: str, value: object, least: int) -> int | None:
    """Return `value` as an int, or None."""
    return None if value is None else whole(name, value, least)


def steps_or_none(name: str, value: object) -> int | None:
    """Return a number of steps as an int, or None; a part of a step is a step, as in Keras 2.

    Raises:
        TypeError: It is no finite number.
        ValueError: It is not above 0.

    Example:
        >>> steps_or_none("steps", 100 / 32)
        4
    """
    found = real(value)
    if found is not None and 0 < found < math.inf and not found.is_integer():
        return math.ceil(found)
    return whole_or_none(name, value, 1)


def as_float(name: str, value: object) -> float:
    """Return `value` as a float, NaN included.

    Raises:
        TypeError: It is no number.

    Example:
        >>> as_float("momentum", np.array(0.5))
        0.5
    """
    found = real(value)
    if found is None:
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    return found


def number(name: str, value: object, least: float | None = None) -> float:
    """Return `value` as a float if it is a number and not less than `least`.

    Raises:
        TypeError: It is not a number.
        ValueError: It is NaN, or less than `least`.

    Example:
        >>> number("min_delta", np.float32(0.5))
        0.5
    """
    found = as_float(name, value)
    if found != found:
        raise ValueError(f"{name} must be a number, got NaN")
    if least is not None and found < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return found


def truth(name: str, value: object) -> bool:
    """Return `value` as a bool: True, False, or 1 or 0 of any kind.

    Raises:
        TypeError: It is something else, such as text.

    Example:
        >>> truth("workers", np.True_), truth("workers", 0)
        (True, False)
    """
    value = scalar(value)
    if isinstance(value, _TRUTH):
        return bool(value)
    found = integer(value)
    if found in (0, 1):
        return bool(found)
    raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def check_same_shape(what: str, got: tuple[int | None, ...], shape: tuple[int | None, ...]) -> None:
    """Check that a value has the shape of what shall hold it, as far as its lengths are known.

    Raises:
        ValueError: It has another shape.
    """
    lengths = zip(got, shape, strict=False)
    if len(got) != len(shape) or any(a != b for a, b in lengths if a is not None and b is not None):
        raise ValueError(f"{what} has shape {shape}, got a value of shape {got}")


def not_numbers(value: object) -> str:
    """Return what is wrong with an operand of an operation that holds no numbers.

    Example:
        >>> not_numbers(np.array(["a"]))
        'ops take numeric arrays, got dtype <U1'
    """
    array = np.asarray(value)
    if array.dtype == object and any(each is None for each in array.flat):
        return (
            "ops take numbers, got None; in a graph the length of the batch is None, and of each axis whose "
            "length the data decide: compose operations that need no length, such as ops.mean, ops.cumsum, "
            "ops.ones_like and x[:, -1]"
        )
    return f"ops take numeric arrays, got dtype {array.dtype}"


def storable(what: str, value: object, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return `value` as an array that memory of this shape and dtype can take; floats may be rounded.

    Args:
        what: What holds the memory, for messages.
        value: Numbers.
        shape: The shape of the memory.
        dtype: Its dtype.

    Raises:
        ValueError: The shape differs, or a whole number is outside the range of the dtype.
        TypeError: The kind of numbers differs: floats for whole numbers, say.

    Example:
        >>> storable("count", [1, 2], (2,), np.dtype("float32"))
        array([1., 2.], dtype=float32)
    """
    array = np.asarray(value)
    check_same_shape(what, array.shape, shape)
    whole_numbers = array.dtype.kind in "iu" and dtype.kind in "iu"
    if not whole_numbers and not np.can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(
            f"{what} has dtype {dtype}, got a value of dtype {array.dtype}; convert it with "
            f"value.astype({dtype.name!r}) if that is meant"
        )
    stored = array.astype(dtype)
    if dtype.kind in "iu" and (stored != array).any():
        raise ValueError(
            f"{what} has dtype {dtype}, whose range is too small for {array[stored != array][0]}"
        )
    return stored


def is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    """Return whether `value` is a mapping: a dict or any other `Mapping`."""
    return isinstance(value, (dict, Mapping))


def plain(value: object) -> object:
    """Return `value` with a dict in place of each mapping, at any depth of lists, tuples and mappings.

    Example:
        >>> from types import MappingProxyType
        >>> plain(MappingProxyType({"a": [MappingProxyType({"b": 1})]}))
        {'a': [{'b': 1}]}
    """
    if is_mapping(value):
        return {key: plain(value[key]) for key in value}
    if type(value) is list:
        return [plain(entry) for entry in value]
    if type(value) is tuple:
        return tuple(plain(entry) for entry in value)
    return value
