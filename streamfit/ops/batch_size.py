"""The number of samples in a batch, as a number in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Op, Tensor, Value, apply, flat


@kernel
def set_number(number: int, y: Array) -> None:
    """Set the only element of y."""
    y[0] = number


class BatchSize(Op):
    """Give the length of the first axis of a tensor, in its dtype; no gradient passes."""

    differentiable = False

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return a scalar."""
        return (Spec((), specs[0].dtype if specs[0].dtype.kind == "f" else np.dtype(np.float64)),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return [(set_number, (len(inputs[0]), flat(outputs[0])))]


def batch_size(x: Value) -> Value:
    """Return the length of the first axis of a tensor or array, as a float without axes.

    Example:
        >>> float(batch_size(np.zeros((3, 2), "float32")))
        3.0
    """
    return apply(BatchSize(), cast(Tensor, x))
