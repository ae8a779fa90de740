"""The dense operation: matrix product, bias and activation in one node."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, products
from streamfit.kernels.bias_activation import (
    FUSED,
    add_bias,
    add_bias_relu,
    add_bias_sigmoid,
    add_bias_tanh,
    bias_gradient,
    relu_delta,
    sigmoid_delta,
    tanh_delta,
)
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows, workspace
from streamfit.ops.public_calls import recorded

_FORWARD = {"linear": add_bias, "relu": add_bias_relu, "tanh": add_bias_tanh, "sigmoid": add_bias_sigmoid}
_DELTA = {"relu": relu_delta, "tanh": tanh_delta, "sigmoid": sigmoid_delta}


def room_to_turn(kept: Array, kernel: Array, count: int) -> Array:
    """Return the array in which `products.left` finds or makes the transposed kernel, for `count` rows."""
    inner, columns = kernel.shape
    return kept if kept.size else workspace(products.turned_shape(inner, columns, count), kernel.dtype)


class Dense(Op):
    """Compute ``activation(x @ kernel + bias)`` over the last axis of x."""

    rowwise = True

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
        inner, columns = w.at(0)
        return (Spec(products.kept_shape(inner, columns, prod(x.at(0)[:-1])), x.dtype),)

    def multiply_adds(self, inputs: Sequence[Spec], outputs: Sequence[Spec]) -> int:
        """Return one for each output and element of the row of `x` behind it."""
        return prod(outputs[0].at(0)) * inputs[1].at(0)[0]

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
        turned = room_to_turn(scratch[0], w, len(delta))
        if gx is not None:
            calls += products.left(delta, w, turned, rows(gx))
        if gw is not None:
            calls += products.right(rows(x), delta, turned, gw)
        if gb is not None:
            calls.append((bias_gradient, (delta, gb)))
        return calls


@recorded
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
