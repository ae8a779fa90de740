"""Masks of values: which positions of a tensor or an array count.

A tensor of a graph holds its mask in `Tensor.mask`. Inside a call of a layer, its inputs (tensors that
stand for others, or arrays) have their masks in a table of that call. An array that the user passes from
layer to layer has no mask; pass it as ``mask=``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import may_equal
from streamfit.ops.core import Tensor, Value

_Table = dict[int, tuple[object, Value]]


class _Scope(threading.local):
    table: _Table | None = None


_scope = _Scope()


@contextmanager
def mask_scope(values: Iterable[object], masks: Iterable[Value | None]) -> Iterator[None]:
    """Know the masks of these values inside the block, on this thread."""
    before = _scope.table
    pairs = zip(values, masks, strict=True)
    _scope.table = {id(value): (value, mask) for value, mask in pairs if mask is not None}
    try:
        yield
    finally:
        _scope.table = before


def mask_of(value: object) -> Value | None:
    """Return the mask of a tensor, or of an array inside a call of a layer; None where all positions
    count.
    """
    if _scope.table:
        held = _scope.table.get(id(value))
        if held is not None:
            return held[1]
    return value.mask if isinstance(value, Tensor) else None


def check_mask(layer: str, mask: object, result: Value) -> None:
    """Check that a mask belongs to a result of a layer: None, or 0 and 1 for its first axes.

    Raises:
        TypeError: It is no tensor or array, or an array where the result is a tensor.
        ShapeError: Its axes are not the first of the result.
    """
    if mask is None:
        return
    arrays = (Tensor,) if isinstance(result, Tensor) else (Tensor, np.ndarray, np.generic)
    if not isinstance(mask, arrays):
        raise TypeError(
            f"the mask of the output of layer {layer!r} must be made of the inputs by operations of "
            f"streamfit.ops, or None where all positions count; got {type(mask).__name__}"
        )
    shape, whole = tuple(mask.shape), tuple(result.shape)
    if not shape or not may_equal(shape, whole[: len(shape)]):
        raise ShapeError(
            f"layer {layer!r} gives its output of shape {whole} a mask of shape {shape}; a mask has the "
            "first axes of what it belongs to"
        )


def set_mask(value: object, mask: Value | None) -> None:
    """Note the mask of a value that the call of a layer, which is under way, has made."""
    if _scope.table is not None and mask is not None:
        _scope.table[id(value)] = (value, mask)
