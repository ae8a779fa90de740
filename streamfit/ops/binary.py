"""Operations on pairs of elements with broadcasting: one Op class, whose kernels differ.

A kernel of this family takes matrices ``a, b, y``; a and b have the shape of y or a length of 1 where
they are broadcast. Three inner loops (both full, a single a, a single b) each become vector code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from streamfit._base.specs import Array, Spec
from streamfit.kernels.calls import Call, Kernel
from streamfit.ops.broadcasting import broadcast_shapes, matrices
from streamfit.ops.casting import promoted
from streamfit.ops.core import Op, Operand, Value, apply, workspace
from streamfit.ops.sums import sum_onto

Partial = Callable[[int, Array, Array, Array, Array, Array], list[Call] | None]


class Binary(Op):
    """Compute one function of each pair of elements.

    Args:
        name: The operation's name.
        forward: Kernel ``(a, b, y)`` over matrices.
        partial: Makes the calls for the gradient of operand `side` (0 or 1) before it is added up over
            broadcast axes, from ``(side, a, b, y, gy, g)``, all matrices, into g; it returns None where
            that gradient is gy itself. `partial` is None where no gradient passes.
        result: Dtype of the output, or None for that of the operands.
    """

    rowwise = True

    def __init__(
        self, name: str, forward: Kernel, partial: Partial | None, result: str | None = None
    ) -> None:
        self._name, self._forward, self._partial, self._result = name, forward, partial, result

    @property
    def name(self) -> str:
        """Return the operation's name in snake case."""
        return self._name

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape to which both operands broadcast."""
        return (
            Spec(
                broadcast_shapes(self._name, *(s.shape for s in specs)),
                np.dtype(self._result or specs[0].dtype),
            ),
        )

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call; more where operands are broadcast along scattered axes."""
        operands, shape, calls = matrices(outputs[0].shape, inputs)
        return [*calls, (self._forward, (*operands, outputs[0].reshape(shape)))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for the gradients, added up over broadcast axes."""
        if self._partial is None or all(gradient is None for gradient in input_grads):
            return []
        (a, b), shape, calls = matrices(outputs[0].shape, inputs)
        y, gy = outputs[0].reshape(shape), output_grads[0].reshape(shape)
        for side, gradient in enumerate(input_grads):
            if gradient is None:
                continue
            fits = gradient.size == y.size
            full = gradient if fits else workspace(outputs[0].shape, y.dtype)
            made = self._partial(side, a, b, y, gy, full.reshape(shape))
            if made is None:
                calls += sum_onto(output_grads[0], gradient)
            else:
                calls += made if fits else [*made, *sum_onto(full, gradient)]
        return calls


def apply_binary(op: Op, a: Operand, b: Operand) -> Value:
    """Apply `op` after converting both operands to one dtype."""
    return apply(op, *promoted(a, b))
