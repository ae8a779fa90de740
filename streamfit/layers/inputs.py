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
from streamfit.layers.checks import dense_only
from streamfit.ops.core import Constant, Tensor, Value, Variable


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


def _sample_shape(
    shape: Sequence[int | None] | int | None,
    batch_size: int | None,
    batch_shape: Sequence[int | None] | None,
) -> tuple[tuple[int | None, ...], int | None]:
    """Return the shape of a sample and the size of a batch, as the arguments of an input give them."""
    if batch_shape is not None:
        if shape is not None:
            raise ValueError("shape and batch_shape say the same: give one of them")
        if batch_size is not None:
            raise ValueError("batch_size and batch_shape say the same: give one of them")
        if not isinstance(batch_shape, (list, tuple)) or not batch_shape:
            raise ValueError(f"batch_shape begins with the batch, such as (None, 3), got {batch_shape!r}")
        batch_size, shape = batch_shape[0], tuple(batch_shape[1:])
    if batch_size is not None and (integer(batch_size) or 0) < 1:
        raise ValueError(f"batch_size must be None or a whole number of at least 1, got {batch_size!r}")
    return _lengths(shape), integer(batch_size)


def Input(
    shape: Sequence[int | None] | int | None = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: DTypeLike | None = None,
    *,
    batch_shape: Sequence[int | None] | None = None,
    sparse: bool | None = False,
    ragged: bool | None = False,
    tensor: Tensor | None = None,
) -> Tensor:
    """Make the input tensor of a functional model.

    Args:
        shape: Shape of one sample, without the batch axis; ``()`` for numbers. None for an axis whose length
            differs from batch to batch, such as the steps of sequences.
        batch_size: The size you plan to use; checked, but programs take batches of any size.
        name: Name of the input, the key in dictionaries of data; by default numbered.
        dtype: By default `streamfit.config.floatx()`; ``'int64'`` for whole numbers, which stay exact;
            ``'string'`` for text, which only layers such as `StringLookup` read.
        batch_shape: ``(batch_size, *shape)``, in the place of both.
        sparse, ragged: There are no such tensors here, so only False and None are accepted.
        tensor: A tensor that is the input itself; the other arguments are checked against it.

    Returns:
        A tensor of shape ``(None, *shape)``.

    Raises:
        ValueError: The length of an axis is not positive, two arguments contradict each other, or a sparse or
            ragged tensor is asked for.

    Example:
        >>> Input((3,), name="x")
        <Tensor shape=(None, 3) dtype=float32, name='x'>
        >>> Input(batch_shape=(None, 3), name="x").shape
        (None, 3)
    """
    dense_only(sparse, ragged, "Pass dense arrays")
    if tensor is not None:
        return _checked_tensor(tensor, shape, batch_size, batch_shape, dtype)
    lengths, _ = _sample_shape(shape, batch_size, batch_shape)
    return Tensor(Spec((None, *lengths), dtype_of(dtype or floatx())), name or layer_names.new("input"))


def _checked_tensor(
    tensor: Tensor,
    shape: Sequence[int | None] | int | None,
    batch_size: int | None,
    batch_shape: Sequence[int | None] | None,
    dtype: DTypeLike | None,
) -> Tensor:
    """Return a tensor that is an input, if nothing that was said of it is wrong."""
    if not isinstance(tensor, Tensor) or isinstance(tensor, (Constant, Variable)):
        raise ValueError(
            f"input_tensor must be a tensor, as Input(...) and layers return, got {type(tensor).__name__}"
        )
    sample = None if shape is None else _lengths(shape)
    said = {
        "shape": (sample, tensor.shape[1:]),
        "batch_size": (batch_size, tensor.shape[0]),
        "batch_shape": (None if batch_shape is None else tuple(batch_shape[1:]), tensor.shape[1:]),
        "dtype": (None if dtype is None else dtype_of(dtype), tensor.dtype),
    }
    for name, (given, found) in said.items():
        if given is not None and given != found and not (name == "batch_size" and found is None):
            raise ValueError(
                f"{name}={given!r} contradicts the tensor, which has {found!r}; leave {name} out"
            )
    return tensor


class InputLayer(Layer):
    """Give the shape of the samples, as the first layer of a `Sequential` model.

    Args:
        shape, batch_size, batch_shape, sparse, ragged: As for `Input`.
        input_tensor: A tensor that is the input itself.
        **options: As for `Layer`; ``dtype=`` as for `Input`, and ``input_shape=`` is the same as `shape`.

    Attributes:
        batch_shape: The shape of a batch; None in front where no size was given.

    Raises:
        ValueError: As for `Input`.

    Example:
        >>> InputLayer((3,)).sample_shape
        (3,)
        >>> InputLayer((3,), batch_size=8).batch_shape
        (8, 3)
    """

    supports_masking = True
    fixed = Layer.fixed | {"batch_shape"}
    sparse = ragged = False

    def __init__(
        self,
        shape: Sequence[int | None] | int | None = None,
        batch_size: int | None = None,
        *,
        batch_shape: Sequence[int | None] | None = None,
        sparse: bool | None = False,
        ragged: bool | None = False,
        input_tensor: Tensor | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        given = options.pop("input_shape", None) if shape is None else shape
        if "input_shape" in options:
            raise TypeError("InputLayer takes either shape or input_shape, got both")
        dense_only(sparse, ragged, "Pass dense arrays")
        dtype = options.pop("dtype", None)
        if input_tensor is not None:
            tensor = _checked_tensor(input_tensor, given, batch_size, batch_shape, dtype)
            size, lengths, dtype = tensor.shape[0], tensor.shape[1:], tensor.dtype
        else:
            tensor = None
            lengths, size = _sample_shape(given, batch_size, batch_shape)
        options["input_shape"] = lengths
        super().__init__(**options)
        if dtype is not None:
            self.dtype = dtype_name(dtype)  # an input may also be text
        self.batch_shape = (size, *lengths)
        self._tensor = tensor

    def tensor(self) -> Tensor:
        """Return the tensor that stands for the input."""
        if self._tensor is None:
            self._tensor = Tensor(Spec((None, *(self.sample_shape or ())), dtype_of(self.dtype)), self.name)
        return self._tensor

    @property
    def output(self) -> Tensor:
        """Return the tensor that stands for the input."""
        return self.tensor()

    @property
    def input(self) -> Tensor:
        """Return the tensor that stands for the input."""
        return self.tensor()

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """Return the shape of the tensor that stands for the input."""
        return self.tensor().shape

    def call(self, x: Value | None = None) -> Value | None:
        """Return the input."""
        return x

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "batch_shape": list(self.batch_shape)}
