"""What a layer is called on: arrays and tensors of the kind that it reads."""

from __future__ import annotations

import numpy as np

from streamfit._base.exact import exact
from streamfit._base.specs import Array
from streamfit._base.text import TEXT, holds_text, text_array
from streamfit._base.tree import flatten
from streamfit.ops.core import Tensor, Value, as_operand

_PLAIN = (str, bytes, bool, int, float, np.generic, type(None))


def as_one_array(value: object) -> object:
    """Return a list of plain values as an array; anything else as it is.

    Example:
        >>> as_one_array([[1, 2], [3, 4]]).shape, as_one_array([np.zeros(2), np.ones(2)])
        ((2, 2), [array([0., 0.]), array([1., 1.])])
    """
    if not isinstance(value, (list, tuple)) or not all(isinstance(leaf, _PLAIN) for leaf in flatten(value)):
        return value
    array = np.asarray(value)
    return np.array(value, dtype=object) if array.dtype.kind in "US" else array


def layer_operand(
    leaf: object, *, layer: str, reads: str | None, dtype: str, takes_text: bool
) -> Value | Array:
    """Return an input of a layer as a tensor, or as an array of the dtype that the layer reads.

    Args:
        leaf: The input: a tensor, an array or a number.
        layer: Name of the layer, for messages.
        reads: The dtype that it reads, ``'string'`` for text; None for numbers of any dtype.
        dtype: The dtype of the layer, for Python numbers.
        takes_text: Whether the layer, or one inside it, reads text.

    Raises:
        TypeError: Text for a layer that computes with numbers, or numbers for one that reads text.
        SampleError: A number that is not whole, for a layer that reads whole numbers.
    """
    if isinstance(leaf, Tensor):
        _check_tensor(leaf, layer, reads, takes_text)
        return leaf
    if reads == "string" or (takes_text and (holds_text(leaf) or isinstance(leaf, (str, bytes)))):
        return _text(leaf, layer)
    if reads is not None:
        return exact(np.asarray(leaf), np.dtype(reads), f"layer {layer!r}")
    return as_operand(leaf, dtype)  # type: ignore[arg-type]  # it raises for what is no array


def _text(leaf: object, layer: str) -> Array:
    if isinstance(leaf, (str, bytes)):
        leaf = np.array(leaf, dtype=object)
    array = leaf if isinstance(leaf, np.ndarray) or hasattr(leaf, "to_numpy") else np.asarray(leaf)
    if isinstance(array, np.ndarray) and array.dtype.kind in "biufc":
        raise TypeError(f"layer {layer!r} reads text, got an array of dtype {array.dtype}")
    return text_array(array, f"the input of layer {layer!r}")


def _check_tensor(tensor: Tensor, layer: str, reads: str | None, takes_text: bool) -> None:
    if tensor.dtype == TEXT and not takes_text:
        raise TypeError(
            f"layer {layer!r} computes with numbers, and its input {tensor.name or tensor!r} is text; put a "
            "layer in front that turns text into numbers, such as StringLookup"
        )
    if reads == "string" and tensor.dtype != TEXT:
        raise TypeError(
            f"layer {layer!r} reads text, and its input {tensor.name or tensor!r} is {tensor.dtype}; write "
            "Input(shape, dtype='string')"
        )
