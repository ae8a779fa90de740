"""Exponentials and logarithms of each element, and the squashing functions made of them."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels import exponentials as fast
from streamfit.kernels import kernel
from streamfit.ops.core import Operand, Value
from streamfit.ops.elementwise import negative
from streamfit.ops.public_calls import recorded
from streamfit.ops.unary import Unary, apply_floating


@kernel
def exp_forward(x: Array, y: Array) -> None:
    """Compute e ** x."""
    for i in range(x.shape[0]):
        y[i] = fast.exp(x[i])


@kernel
def exp_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy y."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] * y[i]


@kernel
def expm1_forward(x: Array, y: Array) -> None:
    """Compute e ** x - 1."""
    for i in range(x.shape[0]):
        y[i] = fast.expm1(x[i])


@kernel
def expm1_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy (y + 1)."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        gx[i] = gy[i] * (y[i] + one)


@kernel
def log_forward(x: Array, y: Array) -> None:
    """Compute the natural logarithm."""
    for i in range(x.shape[0]):
        y[i] = fast.log(x[i])


@kernel
def log_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy / x."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] / x[i]


@kernel
def log1p_forward(x: Array, y: Array) -> None:
    """Compute log(1 + x)."""
    for i in range(x.shape[0]):
        y[i] = fast.log1p(x[i])


@kernel
def log1p_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy / (1 + x)."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        gx[i] = gy[i] / (one + x[i])


@kernel
def tanh_forward(x: Array, y: Array) -> None:
    """Compute the hyperbolic tangent."""
    for i in range(x.shape[0]):
        y[i] = fast.tanh(x[i])


@kernel
def tanh_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy (1 - y y)."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        gx[i] = gy[i] * (one - y[i] * y[i])


@kernel
def sigmoid_forward(x: Array, y: Array) -> None:
    """Compute 1 / (1 + exp(-x))."""
    for i in range(x.shape[0]):
        y[i] = fast.sigmoid(x[i])


@kernel
def sigmoid_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy y (1 - y)."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        gx[i] = gy[i] * y[i] * (one - y[i])


@kernel
def softplus_forward(x: Array, y: Array) -> None:
    """Compute log(1 + exp(x))."""
    for i in range(x.shape[0]):
        y[i] = fast.softplus(x[i])


@kernel
def softplus_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy sigmoid(x)."""
    for i in range(x.shape[0]):
        gx[i] = gy[i] * fast.sigmoid(x[i])


_EXP = Unary("exp", exp_forward, exp_backward)
_EXPM1 = Unary("expm1", expm1_forward, expm1_backward)
_LOG = Unary("log", log_forward, log_backward)
_LOG1P = Unary("log1p", log1p_forward, log1p_backward)
_TANH = Unary("tanh", tanh_forward, tanh_backward)
_SIGMOID = Unary("sigmoid", sigmoid_forward, sigmoid_backward)
_SOFTPLUS = Unary("softplus", softplus_forward, softplus_backward)


@recorded
def exp(x: Operand) -> Value:
    """Raise e to each element.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats; infinity where it overflows.

    Example:
        >>> exp([0.0])
        array([1.], dtype=float32)
    """
    return apply_floating(_EXP, x)


@recorded
def expm1(x: Operand) -> Value:
    """Compute ``exp(x) - 1``, exact also near 0.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> expm1([0.0])
        array([0.], dtype=float32)
    """
    return apply_floating(_EXPM1, x)


@recorded
def log(x: Operand) -> Value:
    """Compute the natural logarithm of each element.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats: minus infinity at 0, NaN below.

    Example:
        >>> log([1.0])
        array([0.], dtype=float32)
    """
    return apply_floating(_LOG, x)


@recorded
def log1p(x: Operand) -> Value:
    """Compute ``log(1 + x)``, exact also near 0.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> log1p([0.0])
        array([0.], dtype=float32)
    """
    return apply_floating(_LOG1P, x)


@recorded
def tanh(x: Operand) -> Value:
    """Compute the hyperbolic tangent of each element.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats in [-1, 1].

    Example:
        >>> tanh([0.0])
        array([0.], dtype=float32)
    """
    return apply_floating(_TANH, x)


@recorded
def sigmoid(x: Operand) -> Value:
    """Compute ``1 / (1 + exp(-x))``.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats in [0, 1].

    Example:
        >>> sigmoid([0.0])
        array([0.5], dtype=float32)
    """
    return apply_floating(_SIGMOID, x)


@recorded
def softplus(x: Operand) -> Value:
    """Compute ``log(1 + exp(x))`` without overflow.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> softplus([-1000.0, 1000.0])
        array([   0., 1000.], dtype=float32)
    """
    return apply_floating(_SOFTPLUS, x)


@recorded
def log_sigmoid(x: Operand) -> Value:
    """Compute ``log(sigmoid(x))`` without overflow.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> log_sigmoid([-1000.0])
        array([-1000.], dtype=float32)
    """
    return negative(softplus(negative(x)))
