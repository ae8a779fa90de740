"""Rectifiers, which have a kink, and their smooth variants."""

from __future__ import annotations

import math

from streamfit._base.specs import Array
from streamfit.kernels import exponentials as fast
from streamfit.kernels import kernel
from streamfit.ops.core import Operand, Value
from streamfit.ops.elementwise import clip
from streamfit.ops.public_calls import recorded
from streamfit.ops.unary import Unary, apply_floating, apply_numeric

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""The constants of Klambauer et al., "Self-normalizing neural networks" (2017), eq. 14."""

_HALF_ROOT = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)
_INNER, _CUBIC = math.sqrt(2 / math.pi), 0.044715


@kernel
def relu_forward(x: Array, y: Array) -> None:
    """Compute max(x, 0); a NaN stays a NaN."""
    zero = y.dtype.type(0)
    for i in range(x.shape[0]):
        y[i] = zero if x[i] < zero else x[i]


@kernel
def relu_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Pass the gradient where the output is positive."""
    zero = y.dtype.type(0)
    for i in range(x.shape[0]):
        gx[i] = gy[i] if y[i] > zero else zero


@kernel
def leaky_relu_forward(x: Array, y: Array, p: Array) -> None:
    """Compute x above 0, and p[0] x below."""
    zero, slope = y.dtype.type(0), y.dtype.type(p[0])
    for i in range(x.shape[0]):
        y[i] = slope * x[i] if x[i] < zero else x[i]


@kernel
def leaky_relu_backward(x: Array, y: Array, gy: Array, gx: Array, p: Array) -> None:
    """Scale the gradient with p[0] where x is not positive."""
    zero, slope = y.dtype.type(0), y.dtype.type(p[0])
    for i in range(x.shape[0]):
        gx[i] = gy[i] if x[i] > zero else slope * gy[i]


@kernel
def elu_forward(x: Array, y: Array, p: Array) -> None:
    """Compute p[1] x above 0, and p[1] p[0] (exp(x) - 1) below."""
    zero, alpha, scale = y.dtype.type(0), y.dtype.type(p[0]), y.dtype.type(p[1])
    for i in range(x.shape[0]):
        y[i] = scale * (x[i] if x[i] > zero else alpha * fast.expm1(x[i]))


@kernel
def elu_backward(x: Array, y: Array, gy: Array, gx: Array, p: Array) -> None:
    """Compute gx = gy p[1] above 0, and gy (y + p[1] p[0]) below."""
    zero, bottom, scale = y.dtype.type(0), y.dtype.type(p[0] * p[1]), y.dtype.type(p[1])
    for i in range(x.shape[0]):
        gx[i] = gy[i] * (scale if x[i] > zero else y[i] + bottom)


@kernel
def gelu_forward(x: Array, y: Array) -> None:
    """Compute x times the standard normal distribution function of x."""
    half, one, root = y.dtype.type(0.5), y.dtype.type(1), y.dtype.type(_HALF_ROOT)
    for i in range(x.shape[0]):
        y[i] = half * x[i] * (one + math.erf(x[i] * root))


@kernel
def gelu_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy (distribution(x) + x density(x))."""
    half, one, root = y.dtype.type(0.5), y.dtype.type(1), y.dtype.type(_HALF_ROOT)
    density = y.dtype.type(_DENSITY)
    for i in range(x.shape[0]):
        v = x[i]
        gx[i] = gy[i] * (half * (one + math.erf(v * root)) + v * density * fast.exp(-half * v * v))


@kernel
def gelu_tanh_forward(x: Array, y: Array) -> None:
    """Compute x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    half, one = y.dtype.type(0.5), y.dtype.type(1)
    inner, cubic = y.dtype.type(_INNER), y.dtype.type(_CUBIC)
    for i in range(x.shape[0]):
        v = x[i]
        y[i] = half * v * (one + fast.tanh(inner * (v + cubic * v * v * v)))


@kernel
def gelu_tanh_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Differentiate `gelu_tanh_forward`."""
    half, one, three = y.dtype.type(0.5), y.dtype.type(1), y.dtype.type(3)
    inner, cubic = y.dtype.type(_INNER), y.dtype.type(_CUBIC)
    for i in range(x.shape[0]):
        v = x[i]
        t = fast.tanh(inner * (v + cubic * v * v * v))
        slope = inner * (one + three * cubic * v * v)
        gx[i] = gy[i] * half * (one + t + v * (one - t * t) * slope)


@kernel
def silu_forward(x: Array, y: Array) -> None:
    """Compute x sigmoid(x)."""
    for i in range(x.shape[0]):
        y[i] = x[i] * fast.sigmoid(x[i])


@kernel
def silu_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy s (1 + x (1 - s)) with s = sigmoid(x)."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        s = fast.sigmoid(x[i])
        gx[i] = gy[i] * s * (one + x[i] * (one - s))


@kernel
def softsign_forward(x: Array, y: Array) -> None:
    """Compute x / (1 + |x|)."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        y[i] = x[i] / (one + abs(x[i]))


@kernel
def softsign_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy / (1 + |x|)^2."""
    one = y.dtype.type(1)
    for i in range(x.shape[0]):
        bottom = one + abs(x[i])
        gx[i] = gy[i] / (bottom * bottom)


@kernel
def hard_sigmoid_forward(x: Array, y: Array) -> None:
    """Limit x / 6 + 1 / 2 to [0, 1]; a NaN stays a NaN."""
    zero, one, half, six = y.dtype.type(0), y.dtype.type(1), y.dtype.type(0.5), y.dtype.type(6)
    for i in range(x.shape[0]):
        v = x[i] / six + half
        v = zero if v < zero else v
        y[i] = one if v > one else v


@kernel
def hard_sigmoid_backward(x: Array, y: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy / 6 between the limits, 0 outside."""
    zero, one, six = y.dtype.type(0), y.dtype.type(1), y.dtype.type(6)
    for i in range(x.shape[0]):
        gx[i] = gy[i] / six if (y[i] > zero) & (y[i] < one) else zero


_RELU = Unary("relu", relu_forward, relu_backward)
_SELU = Unary("selu", elu_forward, elu_backward, (SELU_ALPHA, SELU_SCALE))
_GELU = Unary("gelu", gelu_forward, gelu_backward)
_GELU_TANH = Unary("gelu_tanh", gelu_tanh_forward, gelu_tanh_backward)
_SILU = Unary("silu", silu_forward, silu_backward)
_SOFTSIGN = Unary("softsign", softsign_forward, softsign_backward)
_HARD_SIGMOID = Unary("hard_sigmoid", hard_sigmoid_forward, hard_sigmoid_backward)


@recorded
def relu(x: Operand) -> Value:
    """Compute ``max(x, 0)``; the slope at 0 is taken as 0.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape and dtype.

    Example:
        >>> relu([-1.0, 2.0])
        array([0., 2.], dtype=float32)
    """
    return apply_numeric(_RELU, x)


@recorded
def relu6(x: Operand) -> Value:
    """Compute ``min(max(x, 0), 6)``.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape and dtype.

    Example:
        >>> relu6([-1.0, 2.0, 8.0])
        array([0., 2., 6.], dtype=float32)
    """
    return clip(x, 0, 6)


@recorded
def leaky_relu(x: Operand, negative_slope: float = 0.2) -> Value:
    """Compute x above 0 and ``negative_slope * x`` below.

    Args:
        x: Array or tensor of any shape.
        negative_slope: Slope below 0 (Keras 3: 0.2).

    Returns:
        Same shape, floats.

    Example:
        >>> leaky_relu([-1.0, 2.0], 0.5)
        array([-0.5,  2. ], dtype=float32)
    """
    return apply_floating(
        Unary("leaky_relu", leaky_relu_forward, leaky_relu_backward, (float(negative_slope),)), x
    )


@recorded
def elu(x: Operand, alpha: float = 1.0) -> Value:
    """Compute x above 0 and ``alpha * (exp(x) - 1)`` below (Clevert et al., 2016).

    Args:
        x: Array or tensor of any shape.
        alpha: Minus the limit at minus infinity.

    Returns:
        Same shape, floats.

    Example:
        >>> elu([-1000.0, 2.0])
        array([-1.,  2.], dtype=float32)
    """
    return apply_floating(Unary("elu", elu_forward, elu_backward, (float(alpha), 1.0)), x)


@recorded
def selu(x: Operand) -> Value:
    """Compute the scaled `elu` whose outputs keep mean 0 and variance 1 (Klambauer et al., 2017).

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> selu([0.0, 1.0])
        array([0.      , 1.050701], dtype=float32)
    """
    return apply_floating(_SELU, x)


@recorded
def gelu(x: Operand, approximate: bool = False) -> Value:
    """Compute x times the standard normal distribution function of x (Hendrycks and Gimpel, 2016).

    Args:
        x: Array or tensor of any shape.
        approximate: Use the formula with tanh. False is the default of ``keras.activations.gelu``;
            ``keras.ops.gelu`` approximates by default.

    Returns:
        Same shape, floats.

    Example:
        >>> gelu([0.0, 100.0])
        array([  0., 100.], dtype=float32)
    """
    return apply_floating(_GELU_TANH if approximate else _GELU, x)


@recorded
def silu(x: Operand) -> Value:
    """Compute ``x * sigmoid(x)``, also known as swish (Ramachandran et al., 2017).

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats.

    Example:
        >>> silu([0.0, 100.0])
        array([  0., 100.], dtype=float32)
    """
    return apply_floating(_SILU, x)


@recorded
def softsign(x: Operand) -> Value:
    """Compute ``x / (1 + |x|)``.

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats in (-1, 1).

    Example:
        >>> softsign([1.0, -3.0])
        array([ 0.5 , -0.75], dtype=float32)
    """
    return apply_floating(_SOFTSIGN, x)


@recorded
def hard_sigmoid(x: Operand) -> Value:
    """Limit ``x / 6 + 0.5`` to [0, 1], as Keras 3 does (Keras 2 had the slope 0.2).

    Args:
        x: Array or tensor of any shape.

    Returns:
        Same shape, floats in [0, 1].

    Example:
        >>> hard_sigmoid([-4.0, 0.0, 4.0])
        array([0. , 0.5, 1. ], dtype=float32)
    """
    return apply_floating(_HARD_SIGMOID, x)
