"""The dense operation: matrix product, bias and activation in one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Op, apply, rows

FUSED = ("linear", "relu", "tanh", "sigmoid")
"""Activations whose derivative can be written with the output alone, so that nothing else is kept."""


@kernel
def dense_linear(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y = x @ w + b."""
    np.dot(x, w, y)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += b[j]


@kernel
def dense_relu(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y = max(x @ w + b, 0); a NaN stays a NaN."""
    np.dot(x, w, y)
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + b[j]
            y[i, j] = zero if v < zero else v


@kernel
def dense_tanh(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y = tanh(x @ w + b)."""
    np.dot(x, w, y)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = np.tanh(y[i, j] + b[j])


@kernel
def dense_sigmoid(x: Array, w: Array, b: Array, y: Array) -> None:
    """Compute y = 1 / (1 + exp(-(x @ w + b)))."""
    np.dot(x, w, y)
    one = y.dtype.type(1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = one / (one + np.exp(-(y[i, j] + b[j])))


@kernel
def relu_delta(y: Array, gy: Array, delta: Array) -> None:
    """Compute the gradient before the relu from its output."""
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            delta[i, j] = gy[i, j] if y[i, j] > zero else zero


@kernel
def tanh_delta(y: Array, gy: Array, delta: Array) -> None:
    """Compute the gradient before the tanh from its output."""
    one = y.dtype.type(1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            delta[i, j] = gy[i, j] * (one - y[i, j] * y[i, j])


@kernel
def sigmoid_delta(y: Array, gy: Array, delta: Array) -> None:
    """Compute the gradient before the sigmoid from its output."""
    one = y.dtype.type(1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            delta[i, j] = gy[i, j] * y[i, j] * (one - y[i, j])


@kernel
def dense_grad_weights(x: Array, delta: Array, gw: Array) -> None:
    """Compute gw = x.T @ delta."""
    np.dot(x.T, delta, gw)


@kernel
def dense_grad_bias(delta: Array, gb: Array) -> None:
    """Sum the rows of delta."""
    for j in range(gb.shape[0]):
        gb[j] = 0
    for i in range(delta.shape[0]):
        for j in range(gb.shape[0]):
            gb[j] += delta[i, j]


@kernel
def dense_grad_inputs(delta: Array, w: Array, gx: Array) -> None:
    """Compute gx = delta @ w.T."""
    np.dot(delta, w.T, gx)


_FORWARD = {"linear": dense_linear, "relu": dense_relu, "tanh": dense_tanh, "sigmoid": dense_sigmoid}
_DELTA = {"relu": relu_delta, "tanh": tanh_delta, "sigmoid": sigmoid_delta}


class Dense(Op):
    """Compute ``activation(x @ kernel + bias)`` over the last axis of x."""

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the output: the last axis becomes the number of units."""
        x, w, b = specs
        if not x.shape or x.shape[-1] != w.shape[0] or w.rank != 2 or b.shape != w.shape[1:]:
            raise ShapeError(
                f"dense needs x (..., n), kernel (n, units) and bias (units,); "
                f"got x {x.shape}, kernel {w.shape} and bias {b.shape}"
            )
        return (x.with_shape((*x.shape[:-1], w.shape[1])),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Keep room for the gradient before the activation."""
        return () if self.activation == "linear" else self.infer(*specs)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        x, w, b = inputs
        return [(_FORWARD[self.activation], (rows(x), w, b, rows(outputs[0])))]

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
            calls.append((_DELTA[self.activation], (rows(outputs[0]), delta, rows(scratch[0]))))
            delta = rows(scratch[0])
        if gw is not None:
            calls.append((dense_grad_weights, (rows(x), delta, gw)))
        if gb is not None:
            calls.append((dense_grad_bias, (delta, gb)))
        if gx is not None:
            calls.append((dense_grad_inputs, (delta, w, rows(gx))))
        return calls


def dense(x: Any, kernel: Any, bias: Any, activation: str = "linear") -> Any:
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
