"""Rows looked up by number, numbers written as one-hot rows, and arrays of one value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base.config import floatx
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import fill_zero
from streamfit.ops.axes import batch_stays_first, one_axis
from streamfit.ops.casting import cast, operand
from streamfit.ops.core import Op, Operand, Tensor, Value, apply, flat
from streamfit.ops.public_calls import recorded
from streamfit.ops.row_lookup import RowLookup
from streamfit.ops.sums import fold


@kernel
def take_forward(x: Array, indices: Array, y: Array) -> None:
    """Copy x[i, indices[k]] to y[i, k]; an index that is out of range gives NaN (or 0 in whole numbers)."""
    for i in range(y.shape[0]):
        for k in range(y.shape[1]):
            place = indices[k]
            if 0 <= place < x.shape[1]:
                for j in range(y.shape[2]):
                    y[i, k, j] = x[i, place, j]
            else:
                for j in range(y.shape[2]):
                    y[i, k, j] = np.nan


@kernel
def take_forward_whole(x: Array, indices: Array, y: Array) -> None:
    """Copy x[i, indices[k]] to y[i, k] for whole numbers; 0 where an index is out of range."""
    for i in range(y.shape[0]):
        for k in range(y.shape[1]):
            place = indices[k]
            inside = 0 <= place < x.shape[1]
            for j in range(y.shape[2]):
                y[i, k, j] = x[i, place, j] if inside else 0


@kernel
def take_backward(indices: Array, gy: Array, gx: Array) -> None:
    """Add gy[i, k] to gx[i, indices[k]], in the order of k."""
    for i in range(gy.shape[0]):
        for k in range(gy.shape[1]):
            place = indices[k]
            if 0 <= place < gx.shape[1]:
                for j in range(gy.shape[2]):
                    gx[i, place, j] += gy[i, k, j]


@kernel
def one_hot_forward(indices: Array, y: Array) -> None:
    """Write a 1 in column indices[i] of row i, zeros elsewhere; only zeros if it is out of range."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = indices[i] == j


@kernel
def fill_forward(y: Array, value: Array) -> None:
    """Set every element of the vector y to value[0]."""
    for i in range(y.shape[0]):
        y[i] = value[0]


class Take(RowLookup):
    """Look up slices along an axis by number."""

    def __init__(self, axis: int) -> None:
        self.axis = axis

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape with the axis replaced by the shape of the indices."""
        x, indices = specs
        if indices.batched and self.axis != 0:
            raise ShapeError(
                f"take along axis {self.axis} cannot put the batch of its indices first; use axis 0"
            )
        return (x.with_shape((*x.shape[: self.axis], *indices.shape, *x.shape[self.axis + 1 :])),)

    @property
    def reads_rows(self) -> bool:
        """Return whether it looks along axis 0."""
        return self.axis == 0

    def _fold(self, x: Array) -> Array:
        return x.reshape(fold(x.shape, self.axis, self.axis + 1))

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        x, indices = self._fold(inputs[0]), flat(inputs[1])
        copy = take_forward if x.dtype.kind == "f" else take_forward_whole
        return [(copy, (x, indices, outputs[0].reshape(x.shape[0], len(indices), x.shape[2])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls that add the gradient to the rows that were taken."""
        gx = input_grads[0]
        if gx is None:
            return []
        folded, indices = self._fold(gx), flat(inputs[1])
        gy = output_grads[0].reshape(folded.shape[0], len(indices), folded.shape[2])
        return [(fill_zero, (flat(gx),)), (take_backward, (indices, gy, folded))]


class OneHot(Op):
    """Write whole numbers as rows of zeros with a single 1."""

    rowwise = True
    differentiable = False

    def __init__(self, classes: int, dtype: str) -> None:
        self.classes, self.dtype = classes, dtype

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape with one axis more."""
        return (Spec((*specs[0].shape, self.classes), np.dtype(self.dtype)),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(one_hot_forward, (flat(inputs[0]), outputs[0].reshape(inputs[0].size, self.classes)))]


class FullLike(Op):
    """Make an array of one value, shaped like another."""

    rowwise = True
    differentiable = False

    def __init__(self, value: float, dtype: str) -> None:
        self.value, self.dtype = value, dtype

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the input."""
        return (specs[0].with_dtype(self.dtype),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(fill_forward, (flat(outputs[0]), np.array([self.value], dtype=self.dtype)))]


def whole_numbers(name: str, x: Operand) -> Value:
    """Return `x` as an int64 operand.

    Args:
        name: The operation, for the message.
        x: Whole numbers, or floats that hold them.

    Raises:
        ValueError: An array holds a number that is not whole.

    Example:
        >>> whole_numbers("take", [0.0, 2.0])
        array([0, 2])
    """
    value = operand(x if isinstance(x, Tensor) else np.asarray(x))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not np.all(value == np.floor(value)):
        wrong = value[~(value == np.floor(value))].flat[0]
        raise ValueError(f"{name} takes whole numbers, got {wrong}")
    whole: Tensor | Array = cast(value, "int64")
    return whole


def check_range(name: str, indices: Tensor | Array, count: int | None) -> None:
    """Refuse arrays with numbers outside [0, count).

    Raises:
        ValueError: There is one; the message names it and where it is.
    """
    if isinstance(indices, np.ndarray) and count is not None:
        wrong = np.flatnonzero((indices < 0) | (indices >= count))
        if len(wrong):
            place = tuple(int(i) for i in np.unravel_index(wrong[0], indices.shape))
            raise ValueError(f"{name} got {indices.flat[wrong[0]]} at {place}; it must lie in [0, {count})")


@recorded
def take(x: Operand, indices: Operand, axis: int = 0) -> Value:
    """Look up slices of `x` by number; the gradient is added to the slices that were taken.

    Args:
        x: Array or tensor, for instance a table of embeddings of shape (n, units).
        indices: Whole numbers in [0, n), of any shape. In a traced model, where the
            numbers are not known, one out of range gives NaN.
        axis: The axis of `x` to look along; not its symbolic batch.

    Returns:
        The shape of `x` with `axis` replaced by the shape of `indices`.

    Raises:
        ValueError: An index is out of range.

    Example:
        >>> take([[1.0, 2.0], [3.0, 4.0]], [1, 1, 0])
        array([[3., 4.],
               [3., 4.],
               [1., 2.]], dtype=float32)
    """
    value = operand(x)
    place = one_axis("take", axis, len(value.shape))
    batch_stays_first("take", value.shape, place)
    numbers = whole_numbers("take", indices)
    check_range("take", numbers, value.shape[place])
    return apply(Take(place), value, numbers)


@recorded
def one_hot(x: Operand, classes: int, dtype: npt.DTypeLike | None = None) -> Value:
    """Write each whole number as a row with a 1 in its column; only zeros if it is out of range.

    Args:
        x: Whole numbers, of any shape.
        classes: Length of the rows.
        dtype: Dtype of the result; `floatx` by default.

    Returns:
        The shape of `x` with an axis of length `classes` behind it.

    Example:
        >>> one_hot([0, 2], 3)
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    return apply(OneHot(classes, np.dtype(dtype or floatx()).name), whole_numbers("one_hot", x))


@recorded
def full_like(x: Operand, value: float, dtype: npt.DTypeLike | None = None) -> Value:
    """Make an array of one value.

    Args:
        x: Array or tensor whose shape is taken.
        value: The value.
        dtype: Dtype of the result; that of `x` by default.

    Returns:
        The shape of `x`.

    Example:
        >>> full_like([1.0, 2.0], 7)
        array([7., 7.], dtype=float32)
    """
    like = operand(x)
    return apply(FullLike(value, np.dtype(dtype or like.dtype).name), like)


@recorded
def zeros_like(x: Operand, dtype: npt.DTypeLike | None = None) -> Value:
    """Make an array of zeros.

    Args:
        x: Array or tensor whose shape is taken.
        dtype: Dtype of the result; that of `x` by default.

    Returns:
        The shape of `x`.

    Example:
        >>> zeros_like([1.0, 2.0])
        array([0., 0.], dtype=float32)
    """
    return full_like(x, 0, dtype)


@recorded
def ones_like(x: Operand, dtype: npt.DTypeLike | None = None) -> Value:
    """Make an array of ones.

    Args:
        x: Array or tensor whose shape is taken.
        dtype: Dtype of the result; that of `x` by default.

    Returns:
        The shape of `x`.

    Example:
        >>> ones_like([1.0, 2.0])
        array([1., 1.], dtype=float32)
    """
    return full_like(x, 1, dtype)
