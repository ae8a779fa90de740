"""Targets that have no meaning for their loss, found inside the step, with one warning a run.

The check costs one pass over targets that the loss has just read, in vector code, and nothing once a wrong
target was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from streamfit import losses
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.losses.meaning import Meaning
from streamfit.ops.core import Node, Op, Tensor, flat
from streamfit.ops.softmax import Logsumexp, Softmax
from streamfit.ops.state import StateTensor
from streamfit.training.compile_config import OutputPlan

_ROUNDING = 1e-5  # a mean of labels may be 1.0000001
_ROW_ROUNDING = 1e-2  # and a row of float16 add up to 1.002


@kernel
def find_wrong_value(
    target: Array, weights: Array, repeat: int, bounds: Array, signs: int, found: Array
) -> None:
    """Write down the first target outside of `bounds` (or that is no sign) whose weight is not 0.

    Args:
        target: Vector.
        weights: Vector; each weight serves `repeat` targets.
        repeat: Targets for each weight.
        bounds: The smallest and the largest right value, float64 (2,).
        signs: Whether only -1, 0 and 1 are right.
        found: Gets 1 and the value, float64 (2,); nothing is done if its first number is not 0.
    """
    if found[0] != 0:
        return
    low, high = bounds[0], bounds[1]
    wrong = 0
    if signs:
        for i in range(target.shape[0]):
            v = target[i]
            wrong += (v != 0) & (v != 1) & (v != -1) & (v == v)
    else:
        for i in range(target.shape[0]):
            wrong += (target[i] < low) | (target[i] > high)
    if wrong == 0:
        return
    for i in range(target.shape[0]):
        v = np.float64(target[i])
        outside = v < low or v > high or (signs != 0 and v != 0 and v != 1 and v != -1 and v == v)
        if outside and weights[i // repeat] != 0:
            found[0] = 1
            found[1] = v
            return


@kernel
def find_wrong_row(target: Array, weights: Array, repeat: int, rounding: Array, found: Array) -> None:
    """Write down the first row that does not add up to 1 and whose weight is not 0, as 2 and the sum."""
    if found[0] != 0:
        return
    for i in range(target.shape[0]):
        total = 0.0
        for j in range(target.shape[1]):
            total += np.float64(target[i, j])
        if abs(total - 1.0) > rounding[0] and weights[i // repeat] != 0:
            found[0] = 2
            found[1] = total
            return


class TargetCheck(Op):
    """Check targets; has no output.

    Its inputs are the targets, their weights, and a `StateTensor` for the first wrong target.
    """

    differentiable = False

    def __init__(self, meaning: Meaning, rows: bool) -> None:
        self._meaning, self._rows = meaning, rows
        self._bounds = np.array([meaning.low - _ROUNDING, meaning.high + _ROUNDING])

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call, and a second one where rows must add up to 1."""
        target, weights, found = inputs[0], flat(inputs[1]), inputs[2]
        repeat, signs = target.size // weights.size, int(self._meaning.signs)
        calls: list[Call] = [(find_wrong_value, (flat(target), weights, repeat, self._bounds, signs, found))]
        if self._rows:
            rows = target.reshape(-1, target.shape[-1])
            calls.append((find_wrong_row, (rows, weights, len(rows) // weights.size, _ROW_LIMIT, found)))
        return calls


_ROW_LIMIT = np.array([_ROW_ROUNDING])


class TargetWarnings:
    """Check the targets of one output, and warn once a run.

    Args:
        loss: Its loss.
        output: Its name.
    """

    def __init__(self, loss: losses.Loss, output: str) -> None:
        self._loss, self._output = loss, output
        self._found = np.zeros(2)
        self._warned = False

    def node(self, target: Tensor, weights: Tensor) -> Node | None:
        """Return the node that checks, or None where all targets have a meaning for the loss."""
        meaning = self._loss.meaning
        if meaning is None:
            return None
        rows = meaning.rows and len(target.shape) > 1 and getattr(self._loss, "axis", -1) == -1
        return Node(TargetCheck(meaning, rows), (target, weights, StateTensor(self._found)), ())

    def begin(self) -> None:
        """Begin a run: a wrong target gives a warning again."""
        self._found[:] = 0
        self._warned = False

    def new_warnings(self) -> Iterator[str]:
        """Yield the warning of the first wrong target, once a run."""
        if self._found[0] and not self._warned:
            self._warned = True
            meaning = self._loss.meaning
            assert meaning is not None
            what = f"loss {self._loss.name!r} of output {self._output!r}"
            yield meaning.complaint(what, float(self._found[1]), of_row=self._found[0] == 2)


def constant_outputs(nodes: Sequence[Node]) -> str | None:
    """Return a warning where a softmax has a single unit, which is always 1; else None."""
    for node in nodes:
        op = node.op
        if isinstance(op, Softmax) and not isinstance(op, Logsumexp) and node.inputs[0].shape[-1] == 1:
            return (
                f"{op.name} over one unit (shape {node.inputs[0].shape}) always gives "
                f"{0 if 'log' in op.name else 1}, so nothing is learned through it; for two classes end the "
                "model with one unit and activation='sigmoid', or with softmax over two units"
            ).replace("None", "batch")
    return None


def constant_losses(plans: Sequence[OutputPlan], outputs: Sequence[Tensor]) -> str | None:
    """Return a warning where a single unit has a loss of several classes, which is then 0; else None."""
    for plan, output in zip(plans, outputs, strict=True):
        loss = plan.loss
        if isinstance(loss, losses.CategoricalCrossentropy) and loss.axis == -1 and output.shape[-1] == 1:
            return (
                f"loss {loss.name!r} of output {plan.name!r} compares classes, and the output has one unit, "
                "so it always gives 0 or a constant; for two classes use one unit, activation='sigmoid' and "
                "binary_crossentropy"
            )
    return None
