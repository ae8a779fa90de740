"""Text: the dtype of tensors that stand for text, and arrays of text in one form.

NumPy has several forms of text. Here it is always an array of `str` objects: any length, and characters of
the value 0 at its end are kept.
"""

from __future__ import annotations

from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from streamfit._base.arrow_columns import is_arrow, values_of
from streamfit._base.errors import DataError, SampleError
from streamfit._base.exact import row_of
from streamfit._base.specs import Array

TEXT = np.dtype(np.str_)
"""The dtype of tensors that stand for text."""

_NAMES = ("string", "str", "text")
_LOOKED_AT = 1000  # elements of an array of objects, to see whether it holds text


def dtype_of(name: npt.DTypeLike) -> np.dtype[np.generic]:
    """Return the dtype of a tensor; ``'string'`` is text.

    Example:
        >>> dtype_of("string") == TEXT, dtype_of("int64")
        (True, dtype('int64'))
    """
    if isinstance(name, str) and name in _NAMES:
        return TEXT
    dtype = np.dtype(name)
    return TEXT if dtype.kind in "UST" else dtype


def dtype_name(dtype: npt.DTypeLike) -> str:
    """Return the name of a dtype, as `dtype_of` takes it.

    Example:
        >>> dtype_name(np.dtype("U7")), dtype_name("float32")
        ('string', 'float32')
    """
    found = dtype_of(dtype)
    return "string" if found == TEXT else found.name


def holds_text(value: object) -> TypeGuard[Array]:
    """Return whether `value` is an array of text: of NumPy's dtypes for text, or of objects with text among
    them.

    Of an array of objects the first thousand are looked at; `text_array` finds what is no text.

    Example:
        >>> holds_text(np.array(["a"])), holds_text(np.array([b"a", 1], object)), holds_text(np.zeros(1))
        (True, True, False)
    """
    if not isinstance(value, np.ndarray):
        return False
    if value.dtype.kind != "O":
        return value.dtype.kind in "UST"
    return any(isinstance(item, (str, bytes)) for item in value.flat[:_LOOKED_AT])


def text_array(value: object, what: str) -> Array:
    """Return text as an array of `str` objects, of the same shape; one that is such an array is not copied.

    Args:
        value: An array of any of NumPy's dtypes for text, of `str` or of `bytes` objects (UTF-8); a list of
            them, or a column of a data frame.
        what: What to call it in messages.

    Raises:
        SampleError: An element is no text, or its bytes are no UTF-8.
        DataError: The lists in it differ in length.

    Example:
        >>> text_array([b"\\xc3\\xa4", "b"], "x")
        array(['ä', 'b'], dtype=object)
    """
    array = value if isinstance(value, np.ndarray) else _as_objects(value, what)
    if array.dtype.kind == "U":
        return array.astype(object)
    if array.dtype.kind not in "OST":
        raise DataError(f"{what} must be text, got an array of dtype {array.dtype}; pass strings")
    items = array.reshape(-1).tolist()
    if set(map(type, items)) <= {str}:
        return array if array.dtype.kind == "O" else array.astype(object)
    found = np.empty(array.size, object)
    found[:] = [_text(item, place, array.shape, what) for place, item in enumerate(items)]
    return found.reshape(array.shape)


def _as_objects(value: object, what: str) -> Array:
    """Return lists of text as an array: NumPy would cut their elements, and make text of numbers."""
    if is_arrow(value):
        return values_of(value, what)
    if hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy())
    if not isinstance(value, (list, tuple)) and hasattr(value, "__array__"):
        return np.asarray(value)
    words = f"{what}: its lists of text differ in length; give every sample as many"
    try:
        array = np.array(value, dtype=object)
    except ValueError as error:
        raise DataError(words) from error
    if _holds_lists(array):
        raise DataError(words)
    return array


def _holds_lists(array: Array) -> bool:
    return any(isinstance(item, (list, tuple)) for item in array.flat[:_LOOKED_AT])


def _text(item: object, place: int, shape: tuple[int, ...], what: str) -> str:
    if isinstance(item, str):
        return str(item)
    row = row_of(place, shape)
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError as error:
            raise SampleError(
                f"{what}: row {row} holds bytes that are no UTF-8, {item[:40]!r} ({error.reason} at byte "
                f"{error.start}); decode them first, for example [text.decode('latin-1') for text in x]",
                row,
            ) from error
    raise SampleError(
        f"{what}: row {row} holds {item!r} ({type(item).__name__}), which is no text; make it a str, or fill "
        "what is missing, for example with ''",
        row,
    )
