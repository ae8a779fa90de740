"""Items: the values that a generator yields or a `Sequence` returns, split into x, y and sample_weight.

Guarantee kept here: no guesses. A tuple of one, two or three is (x, y, sample_weight); an array is never
split into x and y, whatever its length.
"""

from __future__ import annotations

from collections import UserList
from typing import Any

from streamfit._base.errors import DataError
from streamfit.streams.batch import Part
from streamfit.streams.leaves import as_array, as_text_or_array, brief, rebuild

Value = tuple[Part, Part, Part]

_WANTED = "should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: "


def unpack(item: Any, *, targets: bool, bare: bool, maker: str, text: bool = False) -> Value:
    """Split one item into x, y and sample_weight.

    Args:
        item: A tuple (x,), (x, y) or (x, y, sample_weight), each an array or a structure of arrays.
        targets: Whether targets are wanted: then a list is read like a tuple; else it is x.
        bare: Whether an item that is not a tuple may be x.
        maker: The name of the producer in messages, such as ``"generator"``.
        text: Whether x may hold text.

    Returns:
        x, y, sample_weight, all arrays; None for missing parts.

    Raises:
        DataError: The item has another form.

    Example:
        >>> x, y, weight = unpack(([[1.0], [2.0]], [0, 1]), targets=True, bare=False, maker="generator")
        >>> x.shape, y.shape, weight
        ((2, 1), (2,), None)
    """
    listed = isinstance(item, (list, UserList)) and targets and len(item) in (2, 3)
    if isinstance(item, tuple) or listed:
        if not 1 <= len(item) <= 3:
            raise DataError(f"Output of {maker} {_WANTED}{brief(item)}")
        parts = (*item, None, None)
    elif bare and item is not None:
        parts = (item, None, None)
    else:
        raise DataError(f"Output of {maker} {_WANTED}{brief(item)}")
    if parts[0] is None:
        raise DataError(f"Output of {maker} {_WANTED}{brief(item)}")
    return (
        rebuild(parts[0], as_text_or_array if text else as_array, "x"),
        rebuild(parts[1], as_array, "y"),
        rebuild(parts[2], as_array, "sample_weight"),
    )


def as_item(value: tuple[object, ...]) -> object:
    """Return (x, y, sample_weight) without what is not there: x, (x, y) or all three.

    Example:
        >>> as_item((1, 2, None)), as_item((1, None, None))
        ((1, 2), 1)
    """
    x, y, weight = value
    if weight is not None:
        return x, y, weight
    return x if y is None else (x, y)
