"""Operations on each element alone: one Op class, whose kernels differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array, Spec
from streamfit.kernels.calls import Call, Kernel
from streamfit.kernels.matrix import copy_into, fill_zero
from streamfit.ops.casting import floating, operand
from streamfit.ops.core import Op, Operand, Value, apply, flat
from streamfit.ops.public_calls import recorded


class Unary(Op):
    """Compute one function of each element.

    Args:
        name: The operation's name.
        forward: Kernel ``(x, y[, parameters])`` over vectors.
        backward: Kernel ``(x, y, gy, gx[, parameters])``, or None where the derivative is zero.
        parameters: Numbers that both kernels get as a float64 vector.
        result: Dtype of the output, or None for that of the input.
    """

    rowwise = True

    def __init__(
        self,
        name: str,
        forward: Kernel,
        backward: Kernel | None,
        parameters: tuple[float, ...] = (),
        result: str | None = None,
    ) -> None:
        self._name, self._forward, self._backward = name, forward, backward
        self.parameters, self._result = parameters, result

    @property
    def name(self) -> str:
        """Return the operation's name in snake case."""
        return self._name

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the input."""
        return (specs[0].with_dtype(self._result) if self._result else specs[0],)

    def _settings(self) -> tuple[Array, ...]:
        return (np.array(self.parameters, dtype=np.float64),) if self.parameters else ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(self._forward, (flat(inputs[0]), flat(outputs[0]), *self._settings()))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call."""
        gx = input_grads[0]
        if gx is None:
            return []
        if self._backward is None:
            return [(fill_zero, (flat(gx),))]
        arrays = (flat(inputs[0]), flat(outputs[0]), flat(output_grads[0]), flat(gx))
        return [(self._backward, (*arrays, *self._settings()))]


def apply_floating(op: Op, x: Operand) -> Value:
    """Apply `op` to `x` as floats."""
    return apply(op, floating(x))


def apply_numeric(op: Op, x: Operand) -> Value:
    """Apply `op` to `x` as it is; booleans become floats."""
    value = operand(x)
    return apply(op, floating(value) if value.dtype.kind == "b" else value)


_STOP_GRADIENT = Unary("stop_gradient", copy_into, None)


@recorded
def stop_gradient(x: Operand) -> Value:
    """Return the values of `x` as if they were constant: no gradient passes.

    Args:
        x: Array or tensor of any shape and dtype.

    Returns:
        Same shape and dtype.

    Example:
        >>> stop_gradient([1.0, 2.0])
        array([1., 2.], dtype=float32)
    """
    return apply(_STOP_GRADIENT, operand(x))
