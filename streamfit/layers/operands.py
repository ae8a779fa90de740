"""What a layer is called on: arrays and tensors of the kind that it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from streamfit._base.arrow_columns import is_arrow, values_of
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
    if is_arrow(value):
        return values_of(value, "the input")
    if not isinstance(value, (list, tuple)):
        return value
    if value and set(map(type, value)) <= {str, bytes}:
        return np.array(value, dtype=object)
    leaves = flatten(value)
    if not all(isinstance(leaf, _PLAIN) for leaf in leaves):
        return value
    text = any(
        isinstance(leaf, (str, bytes)) for leaf in leaves
    )  # NumPy would give all the longest one's room
    return np.array(value, dtype=object) if text else np.asarray(value)


class ReadingLayer(Protocol):
    """A layer, as its inputs see it."""

    dtype: str
    input_dtype: str | None
    accepts_text: bool
    alike_inputs: bool

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def layers_inside(self) -> Sequence[ReadingLayer]:
        """List the layers that it holds."""


def takes_text(layer: ReadingLayer) -> bool:
    """Return whether a layer, or one inside it, reads text."""
    return layer.input_dtype == "string" or layer.accepts_text or any(map(takes_text, layer.layers_inside))


def layer_inputs(layer: ReadingLayer, inputs: tuple[object, ...]) -> tuple[object, ...]:
    """Return the arguments of a call, with arrays for lists of plain values where these have one meaning."""
    if layer.input_dtype is None and not takes_text(layer):
        return inputs
    return tuple(map(as_one_array, inputs))


def layer_operands(layer: ReadingLayer, inputs: tuple[object, ...]) -> list[Value]:
    """Return the leaves of the arguments of a call, each as `layer_operand` does.

    Where a layer's `input_dtype` is that of its first argument alone, the others are taken as they are.
    """
    read, others = (inputs, ()) if layer.alike_inputs else (inputs[:1], inputs[1:])
    found = [layer_operand(layer, leaf) for leaf in flatten(read)]
    return found + [as_operand(leaf, layer.dtype) for leaf in flatten(others)]


def layer_operand(layer: ReadingLayer, leaf: object) -> Value:
    """Return an input of a layer as a tensor, or as an array of the dtype that the layer reads.

    Args:
        layer: The layer.
        leaf: The input: a tensor, an array or a number.

    Raises:
        TypeError: Text for a layer that computes with numbers, or numbers for one that reads text.
        SampleError: A number that is not whole, for a layer that reads whole numbers.
    """
    reads, name = layer.input_dtype, layer.name
    if isinstance(leaf, Tensor):
        _check_tensor(leaf, name, reads, takes_text(layer))
        return as_operand(leaf)
    if reads == "string" or ((holds_text(leaf) or isinstance(leaf, (str, bytes))) and takes_text(layer)):
        return _text(leaf, name)
    if reads is not None and np.dtype(reads).kind != "f":
        return exact(np.asarray(leaf), np.dtype(reads), f"layer {name!r}")
    # It raises for what is no array.
    return as_operand(leaf, reads or layer.dtype)  # type: ignore[arg-type]


def _text(leaf: object, layer: str) -> Array:
    if isinstance(leaf, (str, bytes)):
        leaf = np.array(leaf, dtype=object)
    array = leaf if isinstance(leaf, np.ndarray) or hasattr(leaf, "to_numpy") else np.asarray(leaf)
    if isinstance(array, np.ndarray) and array.dtype.kind in "biufc":
        raise TypeError(f"layer {layer!r} reads text, got an array of dtype {array.dtype}")
    return text_array(array, f"the input of layer {layer!r}")


def _check_tensor(tensor: Tensor, layer: str, reads: str | None, text: bool) -> None:
    if tensor.dtype == TEXT and not text:
        raise TypeError(
            f"layer {layer!r} computes with numbers, and its input {tensor.name or tensor!r} is text; put a "
            "layer in front that turns text into numbers, such as StringLookup"
        )
    if reads == "string" and tensor.dtype != TEXT:
        raise TypeError(
            f"layer {layer!r} reads text, and its input {tensor.name or tensor!r} is {tensor.dtype}; write "
            "Input(shape, dtype='string')"
        )
