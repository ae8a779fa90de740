"""Reductions: sum, mean, max, min along axes, and the indices of the largest and the smallest element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.kernels.calls import Kernel
from streamfit.ops.axes import Axis, one_axis, reduced, several_axes
from streamfit.ops.casting import floating, operand
from streamfit.ops.core import DType, Op, Operand, Value, apply
from streamfit.ops.public_calls import recorded
from streamfit.ops.sums import NO_DIVISOR, fold, runs, spread_calls, sum_calls


@kernel
def max_middle(x: Array, y: Array) -> None:
    """Take the maximum of x (outer, middle, inner) over its middle axis; NaN if there is one."""
    for i in range(x.shape[0]):
        if x.shape[2] == 1:  # one row: the best so far stays in a register
            best = x[i, 0, 0]
            for j in range(1, x.shape[1]):
                v = x[i, j, 0]
                best = v if (v > best) | (v != v) else best
            y[i, 0] = best
            continue
        for k in range(x.shape[2]):
            y[i, k] = x[i, 0, k]
        for j in range(1, x.shape[1]):
            for k in range(x.shape[2]):
                v, best = x[i, j, k], y[i, k]
                y[i, k] = v if (v > best) | (v != v) else best


@kernel
def min_middle(x: Array, y: Array) -> None:
    """Take the minimum of x (outer, middle, inner) over its middle axis; NaN if there is one."""
    for i in range(x.shape[0]):
        if x.shape[2] == 1:  # one row: the best so far stays in a register
            best = x[i, 0, 0]
            for j in range(1, x.shape[1]):
                v = x[i, j, 0]
                best = v if (v < best) | (v != v) else best
            y[i, 0] = best
            continue
        for k in range(x.shape[2]):
            y[i, k] = x[i, 0, k]
        for j in range(1, x.shape[1]):
            for k in range(x.shape[2]):
                v, best = x[i, j, k], y[i, k]
                y[i, k] = v if (v < best) | (v != v) else best


@kernel
def extreme_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Share the gradient evenly among the elements that equal the extreme value."""
    for i in range(x.shape[0]):
        for k in range(x.shape[2]):
            count = gx.dtype.type(0)
            for j in range(x.shape[1]):
                count += x[i, j, k] == y[i, k]
            share = gy[i, k] / count
            for j in range(x.shape[1]):
                gx[i, j, k] = share if x[i, j, k] == y[i, k] else gx.dtype.type(0)


@kernel
def argmax_middle(x: Array, y: Array) -> None:
    """Find the first maximum, or the first NaN, of x (outer, middle, inner) along its middle axis."""
    for i in range(x.shape[0]):
        for k in range(x.shape[2]):
            best, place = x[i, 0, k], 0
            for j in range(1, x.shape[1]):
                v = x[i, j, k]
                better = (v > best) | ((v != v) & (best == best))
                best, place = (v, j) if better else (best, place)
            y[i, k] = place


@kernel
def argmin_middle(x: Array, y: Array) -> None:
    """Find the first minimum, or the first NaN, of x (outer, middle, inner) along its middle axis."""
    for i in range(x.shape[0]):
        for k in range(x.shape[2]):
            best, place = x[i, 0, k], 0
            for j in range(1, x.shape[1]):
                v = x[i, j, k]
                better = (v < best) | ((v != v) & (best == best))
                best, place = (v, j) if better else (best, place)
            y[i, k] = place


class _Reduction(Op):
    """Reduce the neighbouring axes from `first` to `last` (exclusive)."""

    def __init__(self, first: int, last: int, keepdims: bool) -> None:
        self.first, self.last, self.keepdims = first, last, keepdims
        self.rowwise = first > 0

    def _dtype(self, dtype: DType) -> DType:
        return dtype

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape without the reduced axes."""
        spec = specs[0]
        return (Spec(reduced(spec.shape, self.first, self.last, self.keepdims), self._dtype(spec.dtype)),)

    def _fold(self, x: Array, y: Array) -> tuple[Array, Array]:
        outer, middle, inner = fold(x.shape, self.first, self.last)
        return x.reshape(outer, middle, inner), y.reshape(outer, inner)


class Sum(_Reduction):
    """Add up along axes."""

    def _dtype(self, dtype: DType) -> DType:
        return dtype if dtype.kind == "f" else np.dtype(np.int64)

    def _divisor(self, x: Array) -> Array:
        return NO_DIVISOR

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return sum_calls(inputs[0], self.first, self.last, outputs[0], self._divisor(inputs[0]))

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that spreads the gradient."""
        gx = input_grads[0]
        if gx is None:
            return []
        return spread_calls(output_grads[0], gx, self.first, self.last, self._divisor(gx))


class Mean(Sum):
    """Average along axes."""

    def _divisor(self, x: Array) -> Array:
        return np.array([fold(x.shape, self.first, self.last)[1]], dtype=np.float64)


class _Extreme(_Reduction):
    kernel: Kernel

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape without the reduced axes, of which none may be empty."""
        if 0 in specs[0].shape[self.first : self.last]:
            raise ShapeError(f"{self.name} of an empty axis is not defined; the shape is {specs[0].shape}")
        return super().infer(*specs)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(type(self).kernel, self._fold(inputs[0], outputs[0]))]


class Max(_Extreme):
    """Take the largest along axes."""

    kernel = staticmethod(max_middle)

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that shares the gradient among the extreme elements."""
        if input_grads[0] is None:
            return []
        gx, gy = self._fold(input_grads[0], output_grads[0])
        return [(extreme_backward, (*self._fold(inputs[0], outputs[0]), gy, gx))]


class Min(Max):
    """Take the smallest along axes."""

    kernel = staticmethod(min_middle)


class Argmax(_Extreme):
    """Find the largest along axes."""

    differentiable = False
    kernel = staticmethod(argmax_middle)

    def _dtype(self, dtype: DType) -> DType:
        return np.dtype(np.int64)


class Argmin(Argmax):
    """Find the smallest along axes."""

    kernel = staticmethod(argmin_middle)


def _reduce(op: type[_Reduction], x: Value, axis: Axis, keepdims: bool) -> Value:
    """Reduce each run of neighbouring axes, the last run first."""
    axes = several_axes(op.__name__.lower(), axis, len(x.shape))
    for first, last in reversed(runs(axes)):
        x = apply(op(first, last, keepdims), x)
    return x


@recorded
def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Value:
    """Add up along axes; float32 is accumulated in float64 and rounded at the end.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`; whole numbers and booleans become int64.

    Raises:
        ValueError: There is no such axis.

    Example:
        >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
        array([4., 6.], dtype=float32)
    """
    return _reduce(Sum, operand(x), axis, keepdims)


@recorded
def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Value:
    """Average along axes; float32 is accumulated in float64 and rounded at the end.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, floats.

    Raises:
        ValueError: There is no such axis.

    Example:
        >>> mean([[1.0, 2.0], [3.0, 4.0]], axis=1)
        array([1.5, 3.5], dtype=float32)
    """
    return _reduce(Mean, floating(x), axis, keepdims)


@recorded
def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Value:
    """Take the largest along axes, NaN where there is one; equal ones share the gradient.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, same dtype.

    Raises:
        ValueError: There is no such axis, or it is empty.

    Example:
        >>> max([[1.0, 2.0], [3.0, 4.0]], axis=1)
        array([2., 4.], dtype=float32)
    """
    return _reduce(Max, operand(x), axis, keepdims)


@recorded
def min(x: Operand, axis: Axis = None, keepdims: bool = False) -> Value:
    """Take the smallest along axes, NaN where there is one; equal ones share the gradient.

    Args:
        x: Array or tensor.
        axis: One axis, several, or None for all.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, same dtype.

    Raises:
        ValueError: There is no such axis, or it is empty.

    Example:
        >>> min([[1.0, 2.0], [3.0, 4.0]], axis=1)
        array([1., 3.], dtype=float32)
    """
    return _reduce(Min, operand(x), axis, keepdims)


def _arg(op: type[Argmax], x: Operand, axis: int | None, keepdims: bool) -> Value:
    value = operand(x)
    rank = len(value.shape)
    if axis is None:
        return apply(op(0, rank, keepdims), value)
    place = one_axis(op.__name__.lower(), axis, rank)
    return apply(op(place, place + 1, keepdims), value)


@recorded
def argmax(x: Operand, axis: int | None = None, keepdims: bool = False) -> Value:
    """Find the index of the largest element, the first of equal ones; a NaN counts as largest.

    Args:
        x: Array or tensor.
        axis: The axis to search along, or None for all elements in the order of memory.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, int64.

    Raises:
        ValueError: There is no such axis, or it is empty.

    Example:
        >>> argmax([[1.0, 2.0], [4.0, 3.0]], axis=1)
        array([1, 0])
    """
    return _arg(Argmax, x, axis, keepdims)


@recorded
def argmin(x: Operand, axis: int | None = None, keepdims: bool = False) -> Value:
    """Find the index of the smallest element, the first of equal ones; a NaN counts as smallest.

    Args:
        x: Array or tensor.
        axis: The axis to search along, or None for all elements in the order of memory.
        keepdims: Leave a length of 1 where an axis was.

    Returns:
        The shape without `axis`, int64.

    Raises:
        ValueError: There is no such axis, or it is empty.

    Example:
        >>> argmin([[1.0, 2.0], [4.0, 3.0]], axis=1)
        array([0, 1])
    """
    return _arg(Argmin, x, axis, keepdims)
