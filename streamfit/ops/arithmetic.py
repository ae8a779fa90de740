"""Arithmetic with broadcasting: add, subtract, multiply, divide, power, maximum, minimum."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.ops.binary import Binary, apply_binary
from streamfit.ops.casting import floating, promoted
from streamfit.ops.core import OPERATORS, Operand, Value, apply
from streamfit.ops.elementwise import negative_forward, raise_to
from streamfit.ops.public_calls import recorded

# In every kernel: `a` and `b` are matrices, and an axis of length 1 is used again for all of y. The
# compiler makes a version of the inner loop for columns that are there, which it can vectorise.


@kernel
def add_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute y = a + b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] + b[i * row_b, j * column_b]


@kernel
def subtract_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute y = a - b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] - b[i * row_b, j * column_b]


@kernel
def multiply_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute y = a b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] * b[i * row_b, j * column_b]


@kernel
def divide_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute y = a / b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] / b[i * row_b, j * column_b]


@kernel
def maximum_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute the larger one; NaN if one is NaN."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v, w = a[i * row_a, j * column_a], b[i * row_b, j * column_b]
            y[i, j] = v if (v >= w) | (v != v) else w


@kernel
def minimum_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute the smaller one; NaN if one is NaN."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v, w = a[i * row_a, j * column_a], b[i * row_b, j * column_b]
            y[i, j] = v if (v <= w) | (v != v) else w


@kernel
def power_kernel(a: Array, b: Array, y: Array) -> None:
    """Compute y = a ** b."""
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = a[i * row_a, j * column_a] ** b[i * row_b, j * column_b]


@kernel
def maximum_backward(a: Array, b: Array, gy: Array, g: Array) -> None:
    """Give the gradient to a where it is larger than b, and half of it where they are equal."""
    zero, half = g.dtype.type(0), g.dtype.type(0.5)
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            v, w = a[i * row_a, j * column_a], b[i * row_b, j * column_b]
            g[i, j] = gy[i, j] if v > w else (half * gy[i, j] if v == w else zero)


@kernel
def power_base_kernel(a: Array, b: Array, gy: Array, g: Array) -> None:
    """Compute the gradient of the base, gy b a ** (b - 1)."""
    one = g.dtype.type(1)
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    row_b, column_b = int(b.shape[0] > 1), int(b.shape[1] > 1)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            v, w = a[i * row_a, j * column_a], b[i * row_b, j * column_b]
            g[i, j] = gy[i, j] * w * v ** (w - one)


@kernel
def power_exponent_kernel(a: Array, y: Array, gy: Array, g: Array) -> None:
    """Compute the gradient of the exponent, gy y log(a), which is 0 where a is 0."""
    zero = g.dtype.type(0)
    row_a, column_a = int(a.shape[0] > 1), int(a.shape[1] > 1)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            v = a[i * row_a, j * column_a]
            g[i, j] = gy[i, j] * y[i, j] * np.log(v) if v != zero else zero


def _negated(x: Array, y: Array) -> list[Call]:
    return [(negative_forward, (x.reshape(-1), y.reshape(-1)))]


def _add_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call] | None:
    return None


def _subtract_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call] | None:
    return None if side == 0 else _negated(gy, g)


def _multiply_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call]:
    return [(multiply_kernel, (gy, b if side == 0 else a, g))]


def _divide_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call]:
    if side == 0:
        return [(divide_kernel, (gy, b, g))]
    return [(multiply_kernel, (gy, y, g)), (divide_kernel, (g, b, g)), *_negated(g, g)]


def _maximum_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call]:
    return [(maximum_backward, (a, b, gy, g) if side == 0 else (b, a, gy, g))]


def _minimum_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call]:
    return _maximum_partial(1 - side, a, b, y, gy, g)


def _power_partial(side: int, a: Array, b: Array, y: Array, gy: Array, g: Array) -> list[Call]:
    if side == 0:
        return [(power_base_kernel, (a, b, gy, g))]
    return [(power_exponent_kernel, (a, y, gy, g))]


_ADD = Binary("add", add_kernel, _add_partial)
_SUBTRACT = Binary("subtract", subtract_kernel, _subtract_partial)
_MULTIPLY = Binary("multiply", multiply_kernel, _multiply_partial)
_DIVIDE = Binary("divide", divide_kernel, _divide_partial)
_MAXIMUM = Binary("maximum", maximum_kernel, _maximum_partial)
_MINIMUM = Binary("minimum", minimum_kernel, _minimum_partial)
_POWER = Binary("power", power_kernel, _power_partial)


@recorded
def add(a: Operand, b: Operand) -> Value:
    """Add two arrays, element by element.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, in the common dtype of the operands.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> add([1.0, 2.0], 1)
        array([2., 3.], dtype=float32)
    """
    return apply_binary(_ADD, a, b)


@recorded
def subtract(a: Operand, b: Operand) -> Value:
    """Subtract `b` from `a`, element by element.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, in the common dtype of the operands.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> subtract([1.0, 2.0], 1)
        array([0., 1.], dtype=float32)
    """
    return apply_binary(_SUBTRACT, a, b)


@recorded
def multiply(a: Operand, b: Operand) -> Value:
    """Multiply two arrays, element by element.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, in the common dtype of the operands.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> multiply([1.0, 2.0], 3)
        array([3., 6.], dtype=float32)
    """
    return apply_binary(_MULTIPLY, a, b)


@recorded
def divide(a: Operand, b: Operand) -> Value:
    """Divide `a` by `b`, element by element; division by 0 gives infinity or NaN.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, floats.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> divide([1.0, 2.0], 4)
        array([0.25, 0.5 ], dtype=float32)
    """
    return apply(_DIVIDE, *(floating(value) for value in promoted(a, b)))


@recorded
def maximum(a: Operand, b: Operand) -> Value:
    """Return the larger element of each pair; equal ones share the gradient.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, in the common dtype of the operands.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> maximum([1.0, 2.0], 1.5)
        array([1.5, 2. ], dtype=float32)
    """
    return apply_binary(_MAXIMUM, a, b)


@recorded
def minimum(a: Operand, b: Operand) -> Value:
    """Return the smaller element of each pair; equal ones share the gradient.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, in the common dtype of the operands.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> minimum([1.0, 2.0], 1.5)
        array([1. , 1.5], dtype=float32)
    """
    return apply_binary(_MINIMUM, a, b)


@recorded
def power(a: Operand, b: Operand) -> Value:
    """Raise `a` to the power `b`, element by element.

    Args:
        a: Number, array or tensor.
        b: Number, array or tensor whose shape broadcasts with that of `a`.

    Returns:
        The broadcast shape, floats.

    Raises:
        ShapeError: The shapes do not broadcast.

    Example:
        >>> power([1.0, 3.0], 2)
        array([1., 9.], dtype=float32)
    """
    if isinstance(b, (int, float)):
        return raise_to(a, float(b))
    return apply(_POWER, *(floating(value) for value in promoted(a, b)))


OPERATORS.update(add=add, subtract=subtract, multiply=multiply, divide=divide, power=power)
