"""The calls that apply constraints to weights, behind the calls of the optimizer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.constraints import ScaleToNorm, traced
from streamfit.kernels import Call
from streamfit.kernels.matrix import copy_into
from streamfit.ops.core import Constant, Tensor, Variable, flat, with_outputs
from streamfit.ops.unary import Unary
from streamfit.program.graph import Lowering, leaves

_IN_PLACE = (ScaleToNorm, Unary)  # their kernels may write where they read


def constraint_calls(variables: Iterable[Variable]) -> list[Call]:
    """Return the calls that bring each variable to what its constraint says, in its own memory.

    Raises:
        TypeError: A constraint cannot be traced.
        ShapeError: It returns another shape or dtype, or reads another weight.
    """
    return [call for variable in variables for call in _calls(variable)]


def _calls(variable: Variable) -> list[Call]:
    if variable.constraint is None:
        return []
    memory = variable.value
    weight, result = traced(variable.constraint, Spec.of(memory), variable.name)
    lowering = Lowering(training=True)
    (result,) = lowering.lower([result])
    arrays = _leaf_arrays(weight, result, variable)
    calls: list[Call] = []
    for node in lowering.nodes:
        inputs = [arrays[tensor] for tensor in node.inputs]
        last = node is result.node and not node.op.is_view
        fits = isinstance(node.op, _IN_PLACE) or not any(np.may_share_memory(x, memory) for x in inputs)
        outputs, more = with_outputs(node.op, inputs, [memory] if last and fits else None)
        arrays.update(zip(node.outputs, outputs, strict=True))
        calls += more
    if arrays[result] is not memory:
        calls.append((copy_into, (flat(arrays[result]), flat(memory))))
    return calls


def _leaf_arrays(weight: Tensor, result: Tensor, variable: Variable) -> dict[Tensor, Array]:
    arrays = {weight: variable.value}
    for leaf in leaves([result]):
        if isinstance(leaf, Constant):
            arrays[leaf] = leaf.value
        elif leaf is not weight:
            raise ShapeError(
                f"the constraint of weight {variable.name!r} reads {leaf}: it may only use the weight itself "
                "and constants"
            )
    return arrays
