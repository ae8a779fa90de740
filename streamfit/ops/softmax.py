"""Softmax, its logarithm, and the logarithm of a sum of exponentials, without overflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.kernels import exponentials as fast
from streamfit.ops.axes import batch_stays_first, one_axis
from streamfit.ops.casting import floating
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows
from streamfit.ops.public_calls import recorded
from streamfit.ops.shape import expand_dims, swap_axes, transpose


@kernel
def softmax_forward(x: Array, y: Array, line: Array) -> None:
    """Compute exp(x) / sum(exp(x)) for each row; `line` is the flat view of y.

    The exponentials are computed in one long loop, which becomes vector code for rows of any length.
    """
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] - top
    for k in range(line.shape[0]):
        line[k] = fast.exp(line[k])
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(y.shape[1]):
            total += y[i, j]
        for j in range(y.shape[1]):
            y[i, j] /= total


@kernel
def softmax_backward(y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = y (gy - sum(gy y)) for each row."""
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(y.shape[1]):
            total += gy[i, j] * y[i, j]
        for j in range(y.shape[1]):
            gx[i, j] = y[i, j] * (gy[i, j] - total)


@kernel
def log_softmax_forward(x: Array, y: Array) -> None:
    """Compute x - log(sum(exp(x))) for each row."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        total = y.dtype.type(0)
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] - top
            total += fast.exp(y[i, j])
        shift = fast.log(total)
        for j in range(x.shape[1]):
            y[i, j] -= shift


@kernel
def log_softmax_backward(y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy - exp(y) sum(gy) for each row."""
    for i in range(y.shape[0]):
        total = y.dtype.type(0)
        for j in range(y.shape[1]):
            total += gy[i, j]
        for j in range(y.shape[1]):
            gx[i, j] = gy[i, j] - fast.exp(y[i, j]) * total


@kernel
def logsumexp_forward(x: Array, y: Array) -> None:
    """Compute log(sum(exp(x))) for each row."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(1, x.shape[1]):
            top = x[i, j] if x[i, j] > top else top
        shift = top if np.isfinite(top) else y.dtype.type(0)  # infinity - infinity would be NaN
        total = y.dtype.type(0)
        for j in range(x.shape[1]):
            total += fast.exp(x[i, j] - shift)
        y[i] = shift + fast.log(total)


@kernel
def logsumexp_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy exp(x - y) for each row."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            gx[i, j] = gy[i] * fast.exp(x[i, j] - y[i])


class Softmax(Op):
    """Turn the last axis into probabilities."""

    rowwise = True
    _backward: Callable[..., None] = staticmethod(softmax_backward)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the input."""
        if not specs[0].shape or specs[0].shape[-1] == 0:
            raise ShapeError(f"{self.name} needs a last axis that is not empty, got shape {specs[0].shape}")
        return (specs[0],)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(softmax_forward, (rows(inputs[0]), rows(outputs[0]), flat(outputs[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call."""
        gx = input_grads[0]
        if gx is None:
            return []
        return [(type(self)._backward, (rows(outputs[0]), rows(output_grads[0]), rows(gx)))]


class LogSoftmax(Softmax):
    """Turn the last axis into logarithms of probabilities."""

    _backward = staticmethod(log_softmax_backward)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(log_softmax_forward, (rows(inputs[0]), rows(outputs[0])))]


class Logsumexp(Softmax):
    """Take the logarithm of the sum of exponentials over the last axis."""

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape without the last axis."""
        return (super().infer(*specs)[0].with_shape(specs[0].shape[:-1]),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(logsumexp_forward, (rows(inputs[0]), flat(outputs[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call."""
        gx = input_grads[0]
        if gx is None:
            return []
        return [(logsumexp_backward, (rows(inputs[0]), flat(outputs[0]), flat(output_grads[0]), rows(gx)))]


def _along(op: Op, x: Operand, axis: int) -> Value:
    """Apply `op`, which works along the last axis, along another one."""
    value = floating(x)
    rank = len(value.shape)
    place = one_axis(op.name, axis, rank)
    batch_stays_first(op.name, value.shape, place)
    if place == rank - 1:
        return apply(op, value)
    return swap_axes(apply(op, swap_axes(value, place, -1)), place, -1)


@recorded
def softmax(x: Operand, axis: int = -1) -> Value:
    """Compute ``exp(x) / sum(exp(x))`` along an axis.

    Args:
        x: Array or tensor with at least one axis.
        axis: The axis that will add up to 1; not the symbolic batch.

    Returns:
        Same shape, floats in [0, 1].

    Raises:
        ShapeError: The axis is empty or the batch.

    Example:
        >>> softmax([1000.0, 1000.0])
        array([0.5, 0.5], dtype=float32)
    """
    return _along(Softmax(), x, axis)


@recorded
def log_softmax(x: Operand, axis: int = -1) -> Value:
    """Compute ``log(softmax(x))`` along an axis, exact also where the softmax is tiny.

    Args:
        x: Array or tensor with at least one axis.
        axis: The axis of the softmax; not the symbolic batch.

    Returns:
        Same shape, floats of at most 0.

    Raises:
        ShapeError: The axis is empty or the batch.

    Example:
        >>> log_softmax([0.0, 1000.0])
        array([-1000.,     0.], dtype=float32)
    """
    return _along(LogSoftmax(), x, axis)


@recorded
def logsumexp(x: Operand, axis: int = -1, keepdims: bool = False) -> Value:
    """Compute ``log(sum(exp(x)))`` along an axis.

    Args:
        x: Array or tensor with at least one axis.
        axis: The axis to add up; not the symbolic batch.
        keepdims: Leave a length of 1 where the axis was.

    Returns:
        The shape without `axis`, floats.

    Raises:
        ShapeError: The axis is empty or the batch.

    Example:
        >>> logsumexp([1000.0, -1000.0])
        array(1000., dtype=float32)
    """
    value = floating(x)
    place = one_axis("logsumexp", axis, len(value.shape))
    batch_stays_first("logsumexp", value.shape, place)
    order = [i for i in range(len(value.shape)) if i != place]
    result = apply(Logsumexp(), transpose(value, [*order, place]))
    return expand_dims(result, place) if keepdims else result
