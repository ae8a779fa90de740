"""Activation functions: from a tensor or an array to one of the same shape."""

from __future__ import annotations

from typing import TypeVar

from streamfit import ops
from streamfit.ops.core import Operand, Value

T = TypeVar("T")


def linear(x: T) -> T:
    """Return `x` itself.

    Example:
        >>> linear(3.0)
        3.0
    """
    return x


def relu(
    x: Operand, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Value:
    """Compute x where it is at or above `threshold`, and ``negative_slope * (x - threshold)`` below.

    Args:
        x: Float tensor or array.
        negative_slope: Slope below the threshold.
        max_value: Upper end of the result, or None.
        threshold: The start of the linear part.

    Returns:
        Same shape and dtype.

    Example:
        >>> import numpy as np
        >>> relu(np.array([-1.0, 2.0, 9.0]), max_value=6.0)
        array([0., 2., 6.])
    """
    if threshold:
        low = ops.multiply(ops.subtract(x, threshold), negative_slope)
        y = ops.where(ops.greater_equal(x, threshold), x, low)
    else:
        y = ops.leaky_relu(x, negative_slope) if negative_slope else ops.relu(x)
    return y if max_value is None else ops.minimum(y, max_value)


def relu6(x: Operand) -> Value:
    """Compute ``min(max(x, 0), 6)``.

    Example:
        >>> import numpy as np
        >>> relu6(np.array([-1.0, 9.0]))
        array([0., 6.])
    """
    return relu(x, max_value=6.0)


def leaky_relu(x: Operand, negative_slope: float = 0.2) -> Value:
    """Compute x where it is positive, else ``negative_slope * x``; the slope is Keras 3's default.

    Example:
        >>> import numpy as np
        >>> leaky_relu(np.array([-1.0, 2.0]), 0.5)
        array([-0.5,  2. ])
    """
    return ops.leaky_relu(x, negative_slope)


def elu(x: Operand, alpha: float = 1.0) -> Value:
    """Compute x where it is positive, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2015).

    Example:
        >>> import numpy as np
        >>> elu(np.array([0.0, 2.0]))
        array([0., 2.])
    """
    return ops.elu(x, alpha)


def gelu(x: Operand, approximate: bool = False) -> Value:
    """Compute x times the normal distribution function of x (Hendrycks and Gimpel, 2016).

    Args:
        x: Float tensor or array.
        approximate: Whether to use the approximation by tanh.

    Example:
        >>> import numpy as np
        >>> gelu(np.array([0.0]))
        array([0.])
    """
    return ops.gelu(x, approximate)


def softmax(x: Operand, axis: int = -1) -> Value:
    """Compute ``exp(x) / sum(exp(x))`` over one axis.

    Example:
        >>> import numpy as np
        >>> softmax(np.array([[1.0, 1.0]]))
        array([[0.5, 0.5]])
    """
    return ops.softmax(x, axis)


def log_softmax(x: Operand, axis: int = -1) -> Value:
    """Compute the logarithm of the softmax over one axis.

    Example:
        >>> import numpy as np
        >>> log_softmax(np.array([[0.0]]))
        array([[0.]])
    """
    return ops.log_softmax(x, axis)


def exponential(x: Operand) -> Value:
    """Compute ``exp(x)``.

    Example:
        >>> import numpy as np
        >>> exponential(np.array([0.0]))
        array([1.])
    """
    return ops.exp(x)


def hard_sigmoid(x: Operand) -> Value:
    """Compute ``min(max(x / 6 + 1 / 2, 0), 1)``, the version of Keras 3 (2.x has x / 5 in its place).

    Example:
        >>> import numpy as np
        >>> hard_sigmoid(np.array([-9.0, 0.0, 9.0]))
        array([0. , 0.5, 1. ])
    """
    return ops.hard_sigmoid(x)


def hard_silu(x: Operand) -> Value:
    """Compute ``x * hard_sigmoid(x)`` (Howard et al., "Searching for MobileNetV3", 2019).

    Example:
        >>> import numpy as np
        >>> hard_silu(np.array([-9.0, 9.0]))
        array([-0.,  9.])
    """
    return ops.multiply(x, ops.hard_sigmoid(x))


def hard_tanh(x: Operand) -> Value:
    """Compute ``min(max(x, -1), 1)``.

    Example:
        >>> import numpy as np
        >>> hard_tanh(np.array([-9.0, 0.5]))
        array([-1. ,  0.5])
    """
    return ops.clip(x, -1.0, 1.0)


def mish(x: Operand) -> Value:
    """Compute ``x * tanh(softplus(x))`` (Misra, 2019).

    Example:
        >>> import numpy as np
        >>> mish(np.array([0.0]))
        array([0.])
    """
    return ops.multiply(x, ops.tanh(ops.softplus(x)))


def tanh_shrink(x: Operand) -> Value:
    """Compute ``x - tanh(x)``.

    Example:
        >>> import numpy as np
        >>> tanh_shrink(np.array([0.0]))
        array([0.])
    """
    return ops.subtract(x, ops.tanh(x))


log_sigmoid, selu, sigmoid, silu = ops.log_sigmoid, ops.selu, ops.sigmoid, ops.silu
softplus, softsign, tanh = ops.softplus, ops.softsign, ops.tanh
swish, hard_swish = silu, hard_silu
