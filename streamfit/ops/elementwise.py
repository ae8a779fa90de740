"""Arithmetic on each element alone: signs, powers, rounding, limits, angles."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.ops.core import OPERATORS, Operand, Value
from streamfit.ops.public_calls import recorded
from streamfit.ops.unary import Unary, apply_floating, apply_numeric


@kernel
def negative_forward(x: Array, y: Array) -> None:
    """Compute y = -x."""
    for i in range(x.shape[0]):
        y[i] = -x[i]


@kernel
def negative_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = -gy."""
    for i in range(x.shape[0]):
        gx[i] = -gy[i]


@kernel
def abs_forward(x: Array, y: Array) -> None:
    """Compute y = |x|."""
    for i in range(x.shape[0]):
        y[i] = abs(x[i])


@kernel
def abs_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy sign(x); the slope at 0 is 0."""
    zero = y.dtype.type(0)
    for i in range(x.shape[0]):
        gx[i] = gy[i] if x[i] > zero else (-gy[i] if x[i] < zero else zero)


@kernel
def sign_forward(x: Array, y: Array) -> None:
    """Compute the sign of x: -1, 0, 1 or NaN."""
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for i in range(x.shape[0]):
        y[i] = one if x[i] > zero else (-one if x[i] < zero else (zero if x[i] == zero else x[i]))


@kernel
def square_forward(x: Array, y: Array) -> None:
    """Compute y = x x."""
    for i in range(x.shape[0]):
        y[i] = x[i] * x[i]


@kernel
def square_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = 2 x gy."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] * (x[i] + x[i])


@kernel
def sqrt_forward(x: Array, y: Array) -> None:
    """Compute the square root."""
    for i in range(x.shape[0]):
        y[i] = np.sqrt(x[i])


@kernel
def sqrt_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy / (2 y)."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] / (y[i] + y[i])


@kernel
def power_forward(x: Array, y: Array, p: Array) -> None:
    """Compute y = x ** p[0]."""
    exponent = y.dtype.type(p[0])
    for i in range(x.shape[0]):
        y[i] = x[i] ** exponent


@kernel
def power_backward(x: Array, y: Array, gy: Array, gx: Array, p: Array) -> None:
    """Compute gx = gy p[0] x ** (p[0] - 1)."""
    factor, exponent = y.dtype.type(p[0]), y.dtype.type(p[0] - 1)
    for i in range(x.shape[0]):
        gx[i] = gy[i] * factor * x[i] ** exponent


@kernel
def floor_forward(x: Array, y: Array) -> None:
    """Round down."""
    for i in range(x.shape[0]):
        y[i] = np.floor(x[i])


@kernel
def round_forward(x: Array, y: Array) -> None:
    """Round to the nearest whole number, halves to the even one."""
    for i in range(x.shape[0]):
        y[i] = np.rint(x[i])


@kernel
def clip_forward(x: Array, y: Array, limits: Array) -> None:
    """Limit x to [limits[0], limits[1]]; a NaN stays a NaN."""
    low, high = y.dtype.type(limits[0]), y.dtype.type(limits[1])
    for i in range(x.shape[0]):
        v = low if x[i] < low else x[i]
        y[i] = high if v > high else v


@kernel
def clip_backward(x: Array, y: Array, gy: Array, gx: Array, limits: Array) -> None:
    """Pass the gradient where x lies within the limits."""
    low, high, zero = y.dtype.type(limits[0]), y.dtype.type(limits[1]), y.dtype.type(0)
    for i in range(x.shape[0]):
        gx[i] = gy[i] if (x[i] >= low) & (x[i] <= high) else zero


@kernel
def sin_forward(x: Array, y: Array) -> None:
    """Compute the sine."""
    for i in range(x.shape[0]):
        y[i] = np.sin(x[i])


@kernel
def sin_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy cos(x)."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] * np.cos(x[i])


@kernel
def cos_forward(x: Array, y: Array) -> None:
    """Compute the cosine."""
    for i in range(x.shape[0]):
        y[i] = np.cos(x[i])


@kernel
def cos_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = -gy sin(x)."""
    for i in range(x.shape[0]):
        gx[i] = -gy[i] * np.sin(x[i])


_NEGATIVE = Unary("negative", negative_forward, negative_backward)
_ABS = Unary("abs", abs_forward, abs_backward)
_SIGN = Unary("sign", sign_forward, None)
_SQUARE = Unary("square", square_forward, square_backward)
_SQRT = Unary("sqrt", sqrt_forward, sqrt_backward)
_FLOOR = Unary("floor", floor_forward, None)
_ROUND = Unary("round", round_forward, None)
_SIN = Unary("sin", sin_forward, sin_backward)
_COS = Unary("cos", cos_forward, cos_backward)


@recorded
def negative(x: Operand) -> Value:
    """Change the sign of each element.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape and dtype.

    Example:
        >>> negative([1.0, -2.0])
        array([-1.,  2.], dtype=float32)
    """
    return apply_numeric(_NEGATIVE, x)


@recorded
def absolute(x: Operand) -> Value:
    """Compute the absolute value of each element; its slope at 0 is taken as 0.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape and dtype.

    Example:
        >>> absolute([1.0, -2.0])
        array([1., 2.], dtype=float32)
    """
    return apply_numeric(_ABS, x)


@recorded
def sign(x: Operand) -> Value:
    """Return -1, 0 or 1 for each element; no gradient passes.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape and dtype.

    Example:
        >>> sign([3.0, -2.0, 0.0])
        array([ 1., -1.,  0.], dtype=float32)
    """
    return apply_numeric(_SIGN, x)


@recorded
def square(x: Operand) -> Value:
    """Multiply each element by itself.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape and dtype.

    Example:
        >>> square([1.0, -3.0])
        array([1., 9.], dtype=float32)
    """
    return apply_numeric(_SQUARE, x)


@recorded
def sqrt(x: Operand) -> Value:
    """Compute the square root of each element: NaN below 0, an infinite slope at 0.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> sqrt([4.0, 9.0])
        array([2., 3.], dtype=float32)
    """
    return apply_floating(_SQRT, x)


def raise_to(x: Operand, exponent: float) -> Value:
    """Raise each element to a fixed power.

    Args:
        x: Array or tensor of any shape.
        exponent: The power; 2 and 0.5 become `square` and `sqrt`.

    Returns:
        Same shape, floats.

    Example:
        >>> raise_to([1.0, 2.0], 3)
        array([1., 8.], dtype=float32)
    """
    if exponent == 2:
        return apply_floating(_SQUARE, x)
    if exponent == 0.5:
        return apply_floating(_SQRT, x)
    return apply_floating(Unary("power", power_forward, power_backward, (float(exponent),)), x)


@recorded
def floor(x: Operand) -> Value:
    """Round each element down; no gradient passes.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> floor([1.5, -1.5])
        array([ 1., -2.], dtype=float32)
    """
    return apply_floating(_FLOOR, x)


@recorded
def round(x: Operand) -> Value:
    """Round each element to the nearest whole number, halves to the even one; no gradient passes.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> round([0.5, 1.5, 2.2])
        array([0., 2., 2.], dtype=float32)
    """
    return apply_floating(_ROUND, x)


@recorded
def clip(x: Operand, minimum: float, maximum: float) -> Value:
    """Limit each element to [minimum, maximum]; the gradient passes inside, limits included.

    Args:
        x: Array or tensor of any shape.
        minimum: The lower limit.
        maximum: The upper limit.

    Returns:
        Same shape and dtype.

    Raises:
        ValueError: The limits are not in order.

    Example:
        >>> clip([-2.0, 0.5, 2.0], 0, 1)
        array([0. , 0.5, 1. ], dtype=float32)
    """
    if not minimum <= maximum:
        raise ValueError(f"clip needs minimum <= maximum, got [{minimum}, {maximum}]")
    limits = (float(minimum), float(maximum))
    whole = all(limit.is_integer() for limit in limits)
    return (apply_numeric if whole else apply_floating)(Unary("clip", clip_forward, clip_backward, limits), x)


@recorded
def sin(x: Operand) -> Value:
    """Compute the sine of each element.

    Args:
        x: Angles in radians; array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> sin([0.0])
        array([0.], dtype=float32)
    """
    return apply_floating(_SIN, x)


@recorded
def cos(x: Operand) -> Value:
    """Compute the cosine of each element.

    Args:
        x: Angles in radians; array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> cos([0.0])
        array([1.], dtype=float32)
    """
    return apply_floating(_COS, x)


OPERATORS.update(negative=negative, abs=absolute)
