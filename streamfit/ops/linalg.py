"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal, merged
from streamfit.kernels import Call, kernel, products
from streamfit.ops.arithmetic import multiply
from streamfit.ops.casting import floating, promoted
from streamfit.ops.core import OPERATORS, Op, Operand, Value, apply, rows
from streamfit.ops.dense import room_to_turn
from streamfit.ops.public_calls import recorded
from streamfit.ops.shape import expand_dims, squeeze, swap_axes, transpose


@kernel
def batched_forward(a: Array, b: Array, y: Array) -> None:
    """Compute y[i] = a[i] @ b[i]."""
    for i in range(y.shape[0]):
        np.dot(a[i], b[i], y[i])


@kernel
def batched_left(gy: Array, b: Array, ga: Array) -> None:
    """Compute ga[i] = gy[i] @ b[i].T."""
    for i in range(gy.shape[0]):
        np.dot(gy[i], b[i].T, ga[i])


@kernel
def batched_right(a: Array, gy: Array, gb: Array) -> None:
    """Compute gb[i] = a[i].T @ gy[i]."""
    for i in range(gy.shape[0]):
        np.dot(a[i].T, gy[i], gb[i])


class Matmul(Op):
    """Multiply (..., k, n) by one matrix (n, m)."""

    rowwise = True

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the left shape with its last length replaced."""
        a, b = specs
        if b.rank != 2 or not may_equal(a.shape[-1:], b.shape[:1]) or b.batched:
            raise ShapeError(_mismatch(a, b))
        return (a.with_shape((*a.shape[:-1], b.shape[1])),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the transposed right matrix."""
        a, b = specs
        inner, columns = b.at(0)
        return (Spec(products.kept_shape(inner, columns, prod(a.at(0)[:-1])), a.dtype),)

    def multiply_adds(self, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> int:
        """Return one for each output and element of the row behind it."""
        return prod(outputs[0].at(0)) * inputs[1].at(0)[0]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return the calls of the product."""
        return products.product(rows(inputs[0]), inputs[1], scratch[0], rows(outputs[0]))

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls of each gradient."""
        (a, b), gy, (ga, gb) = inputs, rows(output_grads[0]), input_grads
        calls: list[Call] = []
        turned = room_to_turn(scratch[0], b, len(gy))
        if ga is not None:
            calls += products.left(gy, b, turned, rows(ga))
        if gb is not None:
            calls += products.right(rows(a), gy, turned, gb)
        return calls


class BatchedMatmul(Op):
    """Multiply (..., k, n) by (..., n, m), matrix by matrix."""

    rowwise = True

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the common leading shape with the shape of one product."""
        a, b = specs
        if not may_equal(a.shape[:-2], b.shape[:-2]) or not may_equal(a.shape[-1:], b.shape[-2:-1]):
            raise ShapeError(_mismatch(a, b))
        return (a.with_shape((*merged(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])),)

    def multiply_adds(self, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> int:
        """Return one for each output and element of the row behind it."""
        return prod(outputs[0].at(0)) * inputs[0].at(0)[-1]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(batched_forward, (_stack(inputs[0]), _stack(inputs[1]), _stack(outputs[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call for each gradient."""
        (a, b), gy, (ga, gb) = inputs, _stack(output_grads[0]), input_grads
        calls: list[Call] = []
        if ga is not None:
            calls.append((batched_left, (gy, _stack(b), _stack(ga))))
        if gb is not None:
            calls.append((batched_right, (_stack(a), gy, _stack(gb))))
        return calls


def _stack(array: Array) -> Array:
    """Return the matrices of an array along one leading axis."""
    count = array.size // max(1, array.shape[-2] * array.shape[-1])
    return array.reshape(count, *array.shape[-2:])


def _mismatch(a: Spec, b: Spec) -> str:
    return (
        f"matmul needs (..., k, n) and (n, m), or (..., k, n) and (..., n, m) with equal leading axes; "
        f"got {a.shape} and {b.shape}"
    )


@recorded
def matmul(a: Operand, b: Operand) -> Value:
    """Multiply matrices; a vector counts as a row on the left and as a column on the right.

    Args:
        a: Array or tensor of shape (..., k, n) or (n,).
        b: Array or tensor of shape (n, m), (n,), or (..., n, m) with the leading axes of `a`.

    Returns:
        Shape (..., k, m), without the axes that a vector does not have; floats.

    Raises:
        ShapeError: The shapes do not fit together.

    Example:
        >>> matmul([[1.0, 2.0]], [[3.0], [4.0]])
        array([[11.]], dtype=float32)
    """
    left, right = (floating(value) for value in promoted(a, b))
    rank_a, rank_b = len(left.shape), len(right.shape)
    if not rank_a or not rank_b:
        raise ShapeError(
            f"matmul takes no single numbers, got shapes {left.shape} and {right.shape}; use multiply"
        )
    if rank_b == 1:
        return squeeze(matmul(left, expand_dims(right, -1)), -1)
    if rank_a == 1:
        return squeeze(matmul(expand_dims(left, -2), right), -2)
    if rank_b == 2 and (rank_a == 2 or right.shape[0] is not None):
        return apply(Matmul(), left, right)
    if rank_a == 2:
        # One matrix on the left of many: transpose everything, so that it is on the right.
        return swap_axes(matmul(swap_axes(right, -1, -2), transpose(left)), -1, -2)
    return apply(BatchedMatmul(), left, right)


@recorded
def dot(a: Operand, b: Operand) -> Value:
    """Multiply matrices like `matmul`, or anything by a single number.

    Args:
        a: Array or tensor.
        b: Number, or array or tensor of at most two axes.

    Returns:
        The last axis of `a` added up against the first axis of `b`.

    Raises:
        ShapeError: The shapes do not fit together, or `b` has more than two axes.

    Example:
        >>> dot([1.0, 2.0], [3.0, 4.0])
        array(11., dtype=float32)
    """
    left, right = promoted(a, b)
    if not left.shape or not right.shape:
        return multiply(left, right)
    if len(right.shape) > 2:
        raise ShapeError(f"dot takes at most two axes on the right, got shape {right.shape}; use matmul")
    return matmul(left, right)


OPERATORS["matmul"] = matmul
