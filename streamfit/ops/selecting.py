"""Rows that count: values pass unchanged, and their gradient is 0 where the weight is 0.

A weight of 0 means that a sample does not count, whatever its values are. Zero times NaN is NaN, so the
gradient is not multiplied by the weight: it is set to 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import copy_into, fill_zero
from streamfit.ops.core import Op, Operand, Value, apply, flat


@kernel
def drop_rows(weights: Array, gradient: Array) -> None:
    """Set the rows of a gradient (weights, length) to 0 whose weight is 0."""
    for i in range(gradient.shape[0]):
        if weights[i] == 0:
            for j in range(gradient.shape[1]):
                gradient[i, j] = 0


class Counted(Op):
    """Pass values on; their gradient is 0 where the weight is 0, whatever the gradient of the output is."""

    rowwise = True
    is_view = True

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the values.

        Raises:
            ShapeError: The axes of the weights are not the first ones of the values.
        """
        values, weights = specs
        if not may_equal(values.shape[: weights.rank], weights.shape):
            raise ShapeError(f"weights of shape {weights.shape} do not fit an output of shape {values.shape}")
        return (values,)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return no call: the output is the input."""
        return []

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for a gradient in its own memory; the gradient of the weights is 0."""
        calls: list[Call] = []
        gvalues, gweights = input_grads
        if gvalues is not None:
            calls += [(copy_into, (flat(output_grads[0]), flat(gvalues))), *self.settle(inputs, gvalues)]
        return calls if gweights is None else [*calls, (fill_zero, (flat(gweights),))]

    def settle(self, inputs: Sequence[Array], output_grad: Array) -> list[Call]:
        """Return the call that sets the gradient of rows that do not count to 0."""
        weights = flat(inputs[1])
        return [(drop_rows, (weights, output_grad.reshape(len(weights), -1)))]


def counted(values: Operand, weights: Operand) -> Value:
    """Return `values`, with no gradient where `weights` are 0.

    Args:
        values: Array or tensor, batch axis first.
        weights: Weights whose axes are the first of `values`.

    Returns:
        The same numbers in the same shape.

    Raises:
        ShapeError: The axes of the weights are not the first ones of the values.

    Example:
        >>> import numpy as np
        >>> counted(np.array([1.0, np.nan]), np.array([1.0, 0.0]))
        array([ 1., nan])
    """
    return apply(Counted(), values, weights)
