"""Structures: one array, or a list, tuple or dict of arrays, as a Keras user passes x, y and weights.

An entry may be None where an output has no target or no weight. Structures are one level deep and are
kept as the user gave them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Spec

_NUMBERS = "biuf"
_ADVICE = {
    "O": "give every sample the same shape and a numeric dtype, for example array.astype('float32')",
    "U": "encode the text as numbers first",
    "S": "encode the text as numbers first",
    "M": "turn the dates into numbers first, for example (dates - start) / np.timedelta64(1, 's')",
    "m": "turn the times into numbers first, for example times / np.timedelta64(1, 's')",
    "c": "pass the real and the imaginary part as two arrays",
    "V": "convert it to a dtype of NumPy, for example array.astype('float32')",
}


def is_arraylike(value: Any) -> bool:
    """Tell whether `value` is an array with at least one axis: of NumPy, or something that becomes one."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    if hasattr(value, "to_numpy"):
        return True
    has_axes = bool(getattr(value, "ndim", 0)) or bool(tuple(getattr(value, "shape", ())))
    return has_axes and (hasattr(value, "__array__") or hasattr(value, "__dlpack__"))


def is_structure(value: Any) -> bool:
    """Tell whether `value` holds several arrays: a dict, or a list or tuple of arrays and None.

    Example:
        >>> is_structure([np.zeros(3), None]), is_structure([1.0, 2.0]), is_structure(np.zeros(3))
        (True, False, False)
    """
    if isinstance(value, dict):
        return True
    if not isinstance(value, (list, tuple)):
        return False
    return any(map(is_arraylike, value)) and all(entry is None or is_arraylike(entry) for entry in value)


def leaves(value: Any, name: str = "x") -> list[tuple[str, Any]]:
    """List the arrays of a structure with the words that name them, such as ``x[0]``.

    Example:
        >>> [name for name, _ in leaves({"a": np.zeros(2), "b": np.ones(2)})]
        ["x['a']", "x['b']"]
    """
    if value is None:
        return []
    if isinstance(value, dict):
        return [(f"{name}[{key!r}]", entry) for key, entry in value.items() if entry is not None]
    if is_structure(value):
        return [(f"{name}[{index}]", entry) for index, entry in enumerate(value) if entry is not None]
    return [(name, value)]


def rebuild(value: Any, convert: Callable[[Any, str], Any], name: str = "x") -> Any:
    """Return the same structure with every array replaced by ``convert(array, name)``."""
    if value is None or isinstance(value, np.ndarray):
        return None if value is None else convert(value, name)
    if isinstance(value, dict):
        return {key: rebuild_entry(entry, convert, f"{name}[{key!r}]") for key, entry in value.items()}
    if is_structure(value):
        entries = [rebuild_entry(entry, convert, f"{name}[{index}]") for index, entry in enumerate(value)]
        return entries if isinstance(value, list) else _as_tuple(type(value), entries)
    return convert(value, name)


def rebuild_entry(entry: Any, convert: Callable[[Any, str], Any], name: str) -> Any:
    """Convert one entry of a structure; None stays None."""
    return None if entry is None else convert(entry, name)


def _as_tuple(kind: type, entries: list[Any]) -> Any:
    return kind(*entries) if hasattr(kind, "_fields") else tuple(entries)


def as_array(value: Any, name: str) -> Array:
    """Return `value` as an array of numbers with at least one axis, without changing its dtype.

    Args:
        value: An array, a list of numbers, a data frame or a tensor of another library.
        name: What to call it in messages.

    Raises:
        DataError: It is no array of numbers.
    """
    array = value if isinstance(value, np.ndarray) else _convert(value, name)
    # A plain array is no masked one; NumPy imports that class when it is first named, which takes its time.
    if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array; its mask would be lost, so fill it: array.filled(0)")
    if array.ndim == 0:
        raise DataError(
            f"{name} is a single value ({brief(value)}); its first axis must be the samples, "
            "so pass an array of one value per sample"
        )
    if array.dtype.kind not in _NUMBERS:
        raise DataError(f"{name} has dtype {array.dtype}, which is no number; {_ADVICE[array.dtype.kind]}")
    return array


def _convert(value: Any, name: str) -> Array:
    try:
        if hasattr(value, "to_numpy"):
            return np.asarray(value.to_numpy())
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        if hasattr(value, "toarray"):
            raise DataError(f"{name} is a sparse matrix; pass it dense: {name}.toarray()")
        return np.asarray(value)
    except DataError:
        raise
    except (ValueError, TypeError, RuntimeError, BufferError) as error:
        raise DataError(f"{name} ({brief(value)}) cannot be made an array: {error}") from error


def spec_of(value: Any) -> Any:
    """Return the structure of `Spec` of a structure of arrays; the first axis is the batch."""
    return rebuild(value, lambda array, _: Spec((None, *array.shape[1:]), array.dtype))


def brief(value: Any) -> str:
    """Describe any value in a few words for a message.

    Example:
        >>> brief(np.zeros((2, 3))), brief((np.zeros(2), None)), brief("abc")
        ('array of shape (2, 3) and dtype float64', '(array of shape (2,) and dtype float64, None)', "'abc'")
    """
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape} and dtype {value.dtype}"
    if type(value) in (list, tuple):
        shown = ", ".join(brief(entry) for entry in value[:5]) + (", ..." if len(value) > 5 else "")
        return f"[{shown}]" if isinstance(value, list) else f"({shown})"
    if isinstance(value, (str, bytes, int, float, complex, type(None))):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:60]}..."
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {brief(entry)}" for key, entry in list(value.items())[:5]) + "}"
    return f"a {type(value).__name__}"
