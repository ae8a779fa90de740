"""A bias and an activation on rows of outputs, in place, and what their gradient needs.

Only activations whose derivative can be written with the output alone: nothing else is kept for them. Matrix
products and convolutions use these kernels on all of their outputs, or on one tile after the other.
"""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels import exponentials as fast
from streamfit.kernels.decorator import kernel

FUSED = ("linear", "relu", "tanh", "sigmoid")
"""The activations; kernels are told which by its place in this tuple."""


@kernel
def add_bias(b: Array, y: Array) -> None:
    """Add b to each row of y."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@kernel
def add_bias_relu(b: Array, y: Array) -> None:
    """Compute y = max(y + b, 0); a NaN stays a NaN."""
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + b[j]
            y[i, j] = zero if v < zero else v


@kernel
def add_bias_tanh(b: Array, y: Array) -> None:
    """Compute y = tanh(y + b)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = fast.tanh(y[i, j] + b[j])


@kernel
def add_bias_sigmoid(b: Array, y: Array) -> None:
    """Compute y = 1 / (1 + exp(-(y + b)))."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = fast.sigmoid(y[i, j] + b[j])


@kernel
def relu_delta(y: Array, gy: Array, delta: Array) -> None:
    """Compute the gradient before the relu from its output."""
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        delta[i] = gy[i] if y[i] > zero else zero


@kernel
def tanh_delta(y: Array, gy: Array, delta: Array) -> None:
    """Compute the gradient before the tanh from its output."""
    one = y.dtype.type(1)
    for i in range(y.shape[0]):
        delta[i] = gy[i] * (one - y[i] * y[i])


@kernel
def sigmoid_delta(y: Array, gy: Array, delta: Array) -> None:
    """Compute the gradient before the sigmoid from its output."""
    one = y.dtype.type(1)
    for i in range(y.shape[0]):
        delta[i] = gy[i] * y[i] * (one - y[i])


@kernel
def bias_gradient(delta: Array, gb: Array) -> None:
    """Sum the rows of delta, four at a time."""
    rows = delta.shape[0]
    whole = rows - rows % 4
    for j in range(gb.shape[0]):
        gb[j] = 0
    for i in range(0, whole, 4):
        for j in range(gb.shape[0]):
            gb[j] += (delta[i, j] + delta[i + 1, j]) + (delta[i + 2, j] + delta[i + 3, j])
    for i in range(whole, rows):
        for j in range(gb.shape[0]):
            gb[j] += delta[i, j]


@kernel
def add_bias_and_activate(b: Array, y: Array, activation: int) -> None:
    """Compute y = activation(y + b), for the activation at that place in `FUSED`."""
    if activation == 0:
        add_bias(b, y)
    elif activation == 1:
        add_bias_relu(b, y)
    elif activation == 2:
        add_bias_tanh(b, y)
    else:
        add_bias_sigmoid(b, y)


@kernel
def activation_delta(y: Array, gy: Array, delta: Array, activation: int) -> None:
    """Compute the gradient before an activation that is not linear from its output; all are vectors."""
    if activation == 1:
        relu_delta(y, gy, delta)
    elif activation == 2:
        tanh_delta(y, gy, delta)
    else:
        sigmoid_delta(y, gy, delta)
