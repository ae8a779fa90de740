"""The nodes by which a program takes batches into account for a metric, in the middle of a step.

A metric that returns such nodes (`Metric.step_nodes`) costs no call of Python, so that many steps run in one
native call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels.running_sums import grow
from streamfit.ops.core import Node, Op, Tensor, flat
from streamfit.ops.state import StateTensor


class StepNodes(NamedTuple):
    """Nodes without outputs that a step runs for a metric.

    Attributes:
        sinks: They add the batch to the state; they run after the gradient, once the step is certain.
        guards: They run before the gradient, and stop a step whose predictions are wrong.
    """

    sinks: Sequence[Node]
    guards: Sequence[Node] = ()


def sink(op: Op, *inputs: Tensor | Array) -> Node:
    """Return a node without outputs; an array among its inputs is read and written where it lies."""
    tensors = [
        value if isinstance(value, Tensor) else StateTensor(value.view(np.ndarray)) for value in inputs
    ]
    return Node(op, tensors, op.infer(*(tensor.spec for tensor in tensors)))


@kernel
def accumulate_mean(values: Array, weights: Array, repeat: int, state: Array) -> None:
    """Add sum(w * v) and sum(w) to a state of two running sums."""
    total = 0.0
    weight = 0.0
    for i in range(values.shape[0]):
        w = np.float64(weights[i // repeat])
        if w != 0:
            total += w * np.float64(values[i])
            weight += w
    grow(state, 0, total)
    grow(state, 1, weight)


@kernel
def accumulate_plain(values: Array, state: Array) -> None:
    """Add sum(v) and the number of values to a state of two running sums."""
    total = 0.0
    for i in range(values.shape[0]):
        total += np.float64(values[i])
    grow(state, 0, total)
    grow(state, 1, np.float64(values.shape[0]))


class AccumulateMean(Op):
    """Add a batch of values to a running mean, weighted when weights are given; has no output.

    The state is that of `mean_of` in `kernels.running_sums`. A value of weight 0 adds exactly 0, even NaN.
    """

    differentiable = False

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        if len(specs) > 2:
            check_weights(specs[0], specs[1])
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        if len(inputs) == 2:
            return [(accumulate_plain, (flat(inputs[0]), inputs[1]))]
        values, weights, state = inputs
        repeat = values.size // weights.size
        return [(accumulate_mean, (flat(values), flat(weights), repeat, state))]


def check_weights(values: Spec, weights: Spec) -> None:
    """Check that the axes of weights are the first of those of the values.

    Raises:
        ShapeError: They are not.
    """
    if not may_equal(weights.shape, values.shape[: weights.rank]):
        raise ShapeError(
            f"the weights of a metric (those of the samples, or the mask of the output) have shape "
            f"{weights.shape}, and its values have shape {values.shape}: there must be a value for each "
            "weight; keep a last axis in the output, such as that of Dense(1)"
        )
