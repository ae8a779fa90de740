"""Cumulative sums along an axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.axes import one_axis
from streamfit.ops.casting import cast, operand
from streamfit.ops.core import DType, Op, Operand, Value, apply, workspace
from streamfit.ops.public_calls import recorded
from streamfit.ops.shape import reshape
from streamfit.ops.sums import fold

_SUMS = ("float32", "float64", "int64")


@kernel
def cumulative_sums(x: Array, y: Array, totals: Array, reverse: int) -> None:
    """Fill y with the sums of x (outer, middle, inner) up to each place of the middle axis.

    Args:
        totals: Memory for one row (inner,), in the dtype to add up in.
        reverse: Whether the sums begin at the last place.
    """
    last = x.shape[1] - 1
    for i in range(x.shape[0]):
        if x.shape[2] == 1:  # one row: the sum stays in a register
            total = totals.dtype.type(0)
            for step in range(x.shape[1]):
                j = last - step if reverse else step
                total += x[i, j, 0]
                y[i, j, 0] = total
            continue
        for k in range(x.shape[2]):
            totals[k] = 0
        for step in range(x.shape[1]):
            j = last - step if reverse else step
            for k in range(x.shape[2]):
                totals[k] += x[i, j, k]
                y[i, j, k] = totals[k]


class Cumsum(Op):
    """Add up along an axis and keep every sum on the way."""

    def __init__(self, axis: int) -> None:
        self.axis, self.rowwise = axis, axis > 0

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the input."""
        spec = specs[0]
        return (spec if spec.dtype.kind == "f" else spec.with_dtype(np.int64),)

    def _calls(self, x: Array, y: Array, reverse: int) -> list[Call]:
        lengths = fold(x.shape, self.axis, self.axis + 1)
        totals = workspace((lengths[2],), np.float64 if x.dtype.kind == "f" else np.int64)
        return [(cumulative_sums, (x.reshape(lengths), y.reshape(lengths), totals, reverse))]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return self._calls(inputs[0], outputs[0], 0)

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that adds up the gradient from the end: an element is part of all later sums."""
        gx = input_grads[0]
        return [] if gx is None else self._calls(output_grads[0], gx, 1)


@recorded
def cumsum(x: Operand, axis: int | None = None, dtype: npt.DTypeLike | None = None) -> Value:
    """Compute ``y[i] = x[0] + ... + x[i]`` along an axis, as `keras.ops.cumsum` does.

    float32 is accumulated in float64, and every sum is rounded once. The axis may be the batch or have no
    fixed length.

    Args:
        x: Array or tensor.
        axis: The axis to add up along; None adds up all elements in the order of memory.
        dtype: ``'float32'``, ``'float64'`` or ``'int64'``, to which `x` is converted first; by default floats
            stay as they are, and whole numbers and booleans become int64, as in `sum`. (Keras keeps narrower
            dtypes, in which sums overflow.)

    Returns:
        The shape of `x`; for ``axis=None`` a vector.

    Raises:
        ValueError: There is no such axis.
        TypeError: Another dtype, or floats are to be added up as whole numbers.
        ShapeError: ``axis=None`` for a batch of more than one axis, whose vector would not be a batch.

    Example:
        >>> cumsum([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([[1., 2.],
               [4., 6.]], dtype=float32)
        >>> cumsum(np.array([True, False, True]))
        array([1, 1, 2])
    """
    value = operand(x) if dtype is None else _converted(operand(x), np.dtype(dtype))
    if axis is None:
        value, axis = _vector(value), 0
    return apply(Cumsum(one_axis("cumsum", axis, len(value.shape))), value)


def _converted(x: Value, dtype: DType) -> Value:
    """Return `x` in a dtype that sums have."""
    if dtype.name not in _SUMS:
        raise TypeError(
            f"cumsum adds up in {', '.join(_SUMS)}, got dtype {dtype}; convert the result with ops.cast"
        )
    if dtype.kind == "i" and x.dtype.kind == "f":
        raise TypeError(
            f"cumsum would drop the fractions of {x.dtype} for dtype {dtype}; if that is wanted, write "
            f"ops.cumsum(ops.cast(x, '{dtype}'))"
        )
    return cast(x, dtype)


def _vector(x: Value) -> Value:
    """Return all elements as a vector; of a batch only if it is one already."""
    if len(x.shape) == 1:
        return x
    if None in x.shape:
        raise ShapeError(
            f"cumsum with axis=None would join the samples of a batch of shape {tuple(x.shape)}; give an axis"
        )
    return reshape(x, (-1,))
