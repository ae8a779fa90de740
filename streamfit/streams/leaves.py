"""Parts of a batch: one array, or a list, tuple or dict of arrays, as a Keras user passes x, y and weights.

An entry may be None if an output has no target or no weight. These structures are one level deep and stay as
the user passed them, except that every mapping becomes a dict.
"""

from __future__ import annotations

from array import array as python_array
from collections import UserList
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from streamfit._base.arrow_columns import without_arrow
from streamfit._base.checks import is_mapping
from streamfit._base.errors import DataError, NoArrayError
from streamfit._base.specs import Array, Spec
from streamfit._base.text import holds_text
from streamfit._base.tree import map_entries
from streamfit.streams.batch import Part, Structure
from streamfit.streams.frames import column_array, frame_array, is_frame, named
from streamfit.streams.objects import ragged, refusal
from streamfit.streams.sharded_rows import ShardedArray
from streamfit.streams.sliced import Sliced, is_sliceable

T = TypeVar("T")
_NUMBERS = "biuf"
_LISTS = (list, tuple, UserList)


def is_arraylike(value: object) -> bool:
    """Return whether `value` is an array with at least one axis, of NumPy or convertible to NumPy."""
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    if hasattr(value, "to_numpy") or isinstance(value, (python_array, memoryview)):
        return True
    if is_sliceable(value) or is_sparse(value):
        return True
    has_axes = bool(getattr(value, "ndim", 0)) or bool(tuple(getattr(value, "shape", ())))
    return has_axes and (hasattr(value, "__array__") or hasattr(value, "__dlpack__"))


def is_sparse(value: object) -> bool:
    """Return whether `value` is a sparse matrix."""
    return hasattr(value, "toarray") and hasattr(value, "shape")


def is_structure(value: object) -> bool:
    """Return whether `value` holds several arrays: a mapping, or a list or tuple of arrays and None.

    Example:
        >>> is_structure([np.zeros(3), None]), is_structure([1.0, 2.0]), is_structure(np.zeros(3))
        (True, False, False)
    """
    if is_mapping(value):
        return True
    if not isinstance(value, _LISTS):
        return False
    return any(map(is_arraylike, value)) and all(entry is None or is_arraylike(entry) for entry in value)


def leaves(value: Any, name: str = "x") -> list[tuple[str, Any]]:
    """List the arrays of a structure with their names, such as ``x[0]``.

    Example:
        >>> [name for name, _ in leaves({"a": np.zeros(2), "b": np.ones(2)})]
        ["x['a']", "x['b']"]
    """
    if value is None:
        return []
    if isinstance(value, np.ndarray):
        return [(name, value)]
    if is_mapping(value):
        return [(f"{name}[{key!r}]", entry) for key, entry in value.items() if entry is not None]
    if is_structure(value):
        return [(f"{name}[{index}]", entry) for index, entry in enumerate(value) if entry is not None]
    return [(name, value)]


def rebuild(value: Any, convert: Callable[[Any, str], object], name: str = "x") -> Any:
    """Return the same structure with every array replaced by ``convert(array, name)``.

    Mappings become dicts and subclasses of lists become lists: the result holds only arrays in built-in
    containers, which travel to workers as they are.
    """
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return convert(value, name)
    if is_mapping(value) or is_structure(value):
        return map_entries(value, lambda entry, key: rebuild_entry(entry, convert, f"{name}[{key!r}]"))
    return rebuild_entry(value, convert, name)


def rebuild_entry(entry: object, convert: Callable[[Any, str], T], name: str) -> T | None:
    """Convert one array of a structure; None stays None."""
    return None if entry is None else convert(entry, name)


def as_array(value: object, name: str, *, text: bool = False) -> Array:
    """Return `value` as an array of numbers with at least one axis; the dtype stays the same.

    Args:
        value: An array, a list of numbers, a data frame or a tensor of another library.
        name: What to call it in messages.
        text: Whether it may hold text as well; lists and columns of text become arrays of objects.

    Raises:
        DataError: It is no array of numbers.
    """
    array = value if isinstance(value, np.ndarray) else _convert(without_arrow(value, name), name, text)
    # A plain array is not masked. NumPy imports that class at its first use, which takes time.
    if type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray):
        raise DataError(f"{name} is a masked array; its mask would be lost, so fill it: array.filled(0)")
    if array.ndim == 0:
        raise NoArrayError(
            f"{name} is a single value ({brief(value)}); its first axis must be the samples, "
            "so pass an array of one value per sample"
        )
    if array.dtype.kind not in _NUMBERS and not (text and holds_text(array)):
        raise DataError(refusal(array, name))
    return array


def as_text_or_array(value: object, name: str) -> Array:
    """Return `value` as `as_array` does where text is allowed."""
    return as_array(value, name, text=True)


def as_rows(value: object, name: str, *, text: bool = False) -> Array | Sliced | ShardedArray:
    """Return `value` as `as_array` does, or as `Sliced` if it can be sliced and is not in memory."""
    if isinstance(value, Sliced):
        return value
    if isinstance(value, ShardedArray):
        as_array(np.empty((0, *value.tail), value.dtype), name, text=text)  # the same dtypes are refused
        return value
    return Sliced(value, name, text=text) if is_sliceable(value) else as_array(value, name, text=text)


def _convert(value: Any, name: str, text: bool) -> Array:
    if is_mapping(value):
        raise DataError(
            f"{name} is a {type(value).__name__} inside another structure; write one flat dict of arrays"
        )
    if isinstance(value, _LISTS) and _is_nested(value):
        raise DataError(
            f"{name} is a structure of arrays inside another one: {brief(value)}. Write one flat list, tuple "
            "or dict of arrays; if its entries are samples, stack them: np.stack(...)"
        )
    try:
        if is_frame(value):
            return frame_array(value, name, text=text)
        if hasattr(value, "to_numpy"):
            return column_array(value, named(value, name), name, text=text)
        if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
            return np.from_dlpack(value)
        if is_sparse(value):
            raise DataError(f"{name} is a sparse matrix; pass it dense: {name}.toarray()")
        if is_sliceable(value) and not hasattr(value, "__array__"):
            return Sliced(value, name, text=text).rows(0, len(value))
        if text and isinstance(value, _LISTS) and _begins_with_text(value):
            return np.array(value, dtype=object)  # else NumPy makes text of numbers, and cuts zeros off
        array = np.asarray(value)
        mixed = text and array.dtype.kind in "US" and isinstance(value, _LISTS)
        return np.array(value, dtype=object) if mixed else array
    except DataError:
        raise
    except (ValueError, TypeError, RuntimeError, BufferError) as error:
        why = (isinstance(value, _LISTS) and ragged(value)) or error
        raise DataError(f"{name} ({brief(value)}) cannot be made an array: {why}") from error


def _is_nested(values: Iterable[object]) -> bool:
    """Return whether a list or tuple holds lists or tuples in which there are arrays."""
    return any(
        is_structure(value) or (len(value) > 0 and _is_nested(value[:1]))
        for value in values
        if isinstance(value, _LISTS)
    )


def _begins_with_text(value: Any) -> bool:
    while isinstance(value, _LISTS) and len(value):
        value = value[0]
    return isinstance(value, (str, bytes))


def spec_of(value: Part) -> Structure[Spec]:
    """Return a `Spec` for each array of a structure; the first axis is the batch."""
    specs: Structure[Spec] = rebuild(value, lambda array, _: Spec((None, *array.shape[1:]), array.dtype))
    return specs


def brief(value: object) -> str:
    """Describe any value briefly for a message.

    Example:
        >>> brief(np.zeros((2, 3))), brief((np.zeros(2), None)), brief("abc")
        ('array of shape (2, 3) and dtype float64', '(array of shape (2,) and dtype float64, None)', "'abc'")
    """
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        shown = ", ".join(brief(entry) for entry in value[:5]) + (", ..." if len(value) > 5 else "")
        return f"[{shown}]" if isinstance(value, list) else f"({shown})"
    if isinstance(value, (str, bytes, int, float, complex, type(None))):
        text = repr(value)
        return text if len(text) <= 60 else f"{text[:60]}..."
    if is_mapping(value):
        return "{" + ", ".join(f"{key!r}: {brief(entry)}" for key, entry in list(value.items())[:5]) + "}"
    return f"a {type(value).__name__}"
