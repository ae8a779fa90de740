"""The dense operation: matrix product, bias and activation in one node."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel, products
from streamfit.kernels import exponentials as fast
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows, workspace

FUSED = ("linear", "relu", "tanh", "sigmoid")
"""Activations whose derivative can be written with the output alone, so that nothing else is kept."""


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


_FORWARD = {"linear": add_bias, "relu": add_bias_relu, "tanh": add_bias_tanh, "sigmoid": add_bias_sigmoid}
_DELTA = {"relu": relu_delta, "tanh": tanh_delta, "sigmoid": sigmoid_delta}


class Dense(Op):
    """Compute ``activation(x @ kernel + bias)`` over the last axis of x."""

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the output: the last axis becomes the number of units."""
        x, w, b = specs
        if not x.shape or not may_equal(x.shape[-1:], w.shape[:1]) or w.rank != 2 or b.shape != w.shape[1:]:
            raise ShapeError(
                f"dense needs x (..., n), kernel (n, units) and bias (units,); "
                f"got x {x.shape}, kernel {w.shape} and bias {b.shape}"
            )
        return (x.with_shape((*x.shape[:-1], w.shape[1])),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the transposed kernel."""
        x, w, _ = specs
        return (Spec(products.turned_shape(*w.at(0)), x.dtype),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return the calls of the product, and one that adds the bias and applies the activation."""
        x, w, b = inputs
        y = rows(outputs[0])
        return [*products.product(rows(x), w, scratch[0], y), (_FORWARD[self.activation], (b, y))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for the gradients of x, kernel and bias."""
        x, w, _ = inputs
        gx, gw, gb = input_grads
        calls: list[Call] = []
        delta = rows(output_grads[0])
        if self.activation != "linear":
            before = workspace(outputs[0].shape, outputs[0].dtype)  # the gradient before the activation
            calls.append((_DELTA[self.activation], (flat(outputs[0]), flat(output_grads[0]), flat(before))))
            delta = rows(before)
        if gx is not None:
            calls += products.left(delta, w, scratch[0], rows(gx))
        if gw is not None:
            calls += products.right(rows(x), delta, scratch[0], gw)
        if gb is not None:
            calls.append((bias_gradient, (delta, gb)))
        return calls


def dense(x: Operand, kernel: Operand, bias: Operand, activation: str = "linear") -> Value:
    """Compute ``activation(x @ kernel + bias)`` in one operation.

    Args:
        x: Float array or tensor of shape (..., n).
        kernel: Shape (n, units), the dtype of `x`.
        bias: Shape (units,).
        activation: One of ``'linear'``, ``'relu'``, ``'tanh'``, ``'sigmoid'``.

    Returns:
        Shape (..., units).

    Raises:
        ShapeError: The shapes do not fit together.

    Example:
        >>> import numpy as np
        >>> x = np.array([[1.0, -1.0]], "float32")
        >>> dense(x, np.eye(2, dtype="float32"), np.zeros(2, "float32"), "relu")
        array([[1., 0.]], dtype=float32)
    """
    if activation not in FUSED:
        raise ValueError(
            f"dense fuses the activations {FUSED}, got {activation!r}; apply another one after it"
        )
    return apply(Dense(activation), x, kernel, bias)
