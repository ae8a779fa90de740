"""The beginning of a model: `Input` tensors and the `InputLayer` of a `Sequential` model."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Unpack

from numpy.typing import DTypeLike

from streamfit._base.checks import integer
from streamfit._base.config import floatx
from streamfit._base.configs import Config
from streamfit._base.specs import Spec
from streamfit._base.text import dtype_name, dtype_of
from streamfit.layers.base import Layer, LayerOptions, layer_names
from streamfit.ops.core import Tensor, Value


def _lengths(shape: Sequence[int | None] | int | None) -> tuple[int | None, ...]:
    if shape is None:
        raise ValueError("Input needs shape=(...), the shape of one sample without the batch axis")
    lengths = (shape,) if integer(shape) is not None else tuple(shape)  # type: ignore[arg-type]
    for length in lengths:
        if length is not None and (integer(length) or 0) < 1:
            raise ValueError(
                f"shape={shape!r} holds {length!r}: every axis of a sample needs a length of at least 1, "
                "or None "
                "where batches differ in it; leave the batch axis out"
            )
    return tuple(None if n is None else operator.index(integer(n)) for n in lengths)  # type: ignore[arg-type]


def Input(
    shape: Sequence[int | None] | int | None = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: DTypeLike | None = None,
) -> Tensor:
    """Make the input tensor of a functional model.

    Args:
        shape: Shape of one sample, without the batch axis; ``()`` for numbers. None for an axis whose length
            differs from batch to batch, such as the steps of sequences.
        batch_size: The size you plan to use; checked, but programs take batches of any size.
        name: Name of the input, the key in dictionaries of data; by default numbered.
        dtype: By default `streamfit.config.floatx()`; ``'int64'`` for whole numbers, which stay exact;
            ``'string'`` for text, which only layers such as `StringLookup` read.

    Returns:
        A tensor of shape ``(None, *shape)``.

    Raises:
        ValueError: The length of an axis is not positive.

    Example:
        >>> Input((3,), name="x")
        <Tensor shape=(None, 3) dtype=float32, name='x'>
    """
    if batch_size is not None and (integer(batch_size) or 0) < 1:
        raise ValueError(f"batch_size must be None or a whole number of at least 1, got {batch_size!r}")
    spec = Spec((None, *_lengths(shape)), dtype_of(dtype or floatx()))
    return Tensor(spec, name or layer_names.new("input"))


class InputLayer(Layer):
    """Give the shape of the samples, as the first layer of a `Sequential` model.

    Args:
        shape: Shape of one sample; ``input_shape=`` is the same.
        **options: As for `Layer`.

    Example:
        >>> InputLayer((3,)).sample_shape
        (3,)
    """

    supports_masking = True

    def __init__(
        self, shape: Sequence[int | None] | int | None = None, **options: Unpack[LayerOptions]
    ) -> None:
        given = options.pop("input_shape", None) if shape is None else shape
        if "input_shape" in options:
            raise TypeError("InputLayer takes either shape or input_shape, got both")
        options["input_shape"] = _lengths(given)
        dtype = options.pop("dtype", None)
        super().__init__(**options)
        if dtype is not None:
            self.dtype = dtype_name(dtype)  # an input may also be text

    def call(self, x: Value) -> Value:
        """Return the input."""
        return x

    def tensor(self) -> Tensor:
        """Return the tensor that stands for the input."""
        return Tensor(Spec((None, *(self.sample_shape or ())), dtype_of(self.dtype)), self.name)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "shape": list(self.sample_shape or ())}
