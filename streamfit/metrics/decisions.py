"""Decisions at thresholds, counted inside a step: the kernels and operations of the confusion metrics.

The state is a histogram: for each kind of target, and each number of thresholds below a prediction, the sum
of the weights. So a batch costs the same for any number of thresholds, but for the search among them.

Guarantee kept here: what weighs 0 counts nothing, whatever it is; counts of 10**9 decisions are exact.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels.running_sums import grow
from streamfit.losses.targets import with_last_axis_of
from streamfit.metrics.step_nodes import check_weights
from streamfit.ops.core import Op, flat


@kernel
def count_decisions(
    targets: Array,
    outputs: Array,
    weights: Array,
    repeat: int,
    first: int,
    stride: int,
    levels: Array,
    state: Array,
) -> None:
    """Count predictions by the number of levels below them; NaN is wrong at each level.

    Args:
        targets: 1 where above 0.5, else 0; shape (m,).
        outputs: Predictions, shape (m,).
        weights: Each serves `repeat` predictions; empty for ones.
        repeat: As above.
        first: The first prediction that counts.
        stride: From one prediction that counts to the next.
        levels: Thresholds in rising order, in the dtype of the predictions.
        state: Running sums for targets 0 and for targets 1, by the number of levels below; float64.
    """
    n = levels.shape[0]
    for i in range(first, outputs.shape[0], stride):
        weight = 1.0
        if weights.shape[0] != 0:
            weight = np.float64(weights[i // repeat])
        if weight == 0:
            continue
        value = outputs[i]
        wanted = 1 if targets[i] > 0.5 else 0
        below = 0
        left = n
        while left > 1:  # data decide on numbers alone, not on branches, which they would mispredict
            half = left // 2
            below += half if levels[below + half - 1] < value else 0
            left -= half
        below += 1 if levels[below] < value else 0
        if value != value:
            below = (1 - wanted) * n
        grow(state, wanted * (n + 1) + below, weight)


@kernel
def add_decisions(places: Array, weights: Array, state: Array) -> None:
    """Add the weights of decisions to the running sums at their places."""
    for i in range(places.shape[0]):
        grow(state, places[i], weights[i])


@kernel
def check_probabilities(
    outputs: Array, weights: Array, repeat: int, first: int, stride: int, found: Array
) -> None:
    """Stop the call loop when a prediction is outside [0, 1], and write down the smallest and the largest."""
    wrong = False
    for i in range(first, outputs.shape[0], stride):
        value = outputs[i]
        if (value < 0 or value > 1) and (weights.shape[0] == 0 or weights[i // repeat] != 0):
            wrong = True
    if not wrong:
        return
    found[0] = np.inf
    found[1] = -np.inf
    for i in range(first, outputs.shape[0], stride):
        if weights.shape[0] == 0 or weights[i // repeat] != 0:
            value = np.float64(outputs[i])
            found[0] = value if value < found[0] else found[0]
            found[1] = value if value > found[1] else found[1]
    raise FloatingPointError


class _OfPredictions(Op):
    """An operation without outputs on predictions, or on one column of them.

    Args:
        column: The only column of the last axis that counts; None for all.
    """

    differentiable = False

    def __init__(self, column: int | None) -> None:
        self._column = column

    def _check(self, outputs: Spec, weights: Sequence[Spec]) -> None:
        """Check the shapes, also where they become known only when a program is bound."""
        shape = outputs.shape
        if self._column is not None:
            if not has_column(shape, self._column):
                raise ShapeError(f"predictions of shape {shape} have no column {self._column}")
            shape = shape[:-1]
        for spec in weights:
            check_weights(Spec(shape, outputs.dtype), spec)

    def _places(self, outputs: Array, weights: Sequence[Array]) -> tuple[Array, int, int, int]:
        """Return weights, the predictions that each serves, and first and stride of the predictions."""
        given = flat(weights[0]) if weights else np.empty(0)
        repeat = outputs.size // given.size if weights else 1
        if self._column is None:
            return given, repeat, 0, 1
        columns = outputs.shape[-1]
        return given, repeat, self._column % columns, columns


class CountDecisions(_OfPredictions):
    """Count decisions at thresholds; its inputs are targets, predictions, weights if there are any, a state.

    Args:
        levels: The thresholds in rising order, float64; they take the precision of the predictions.
        column: As for `_OfPredictions`.
    """

    def __init__(self, levels: Array, column: int | None) -> None:
        super().__init__(column)
        self._levels = levels

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        targets, outputs, *weights, _ = specs
        if not may_equal(with_last_axis_of(targets.shape, outputs.shape), outputs.shape):
            raise ShapeError(f"targets of shape {targets.shape} do not fit predictions of {outputs.shape}")
        self._check(outputs, weights)
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        targets, predictions, *weights, state = inputs
        places = self._places(predictions, weights)
        levels = self._levels.astype(predictions.dtype)
        return [(count_decisions, (flat(targets), flat(predictions), *places, levels, flat(state)))]


class ProbabilityGuard(_OfPredictions):
    """Stop a step whose predictions lie outside [0, 1].

    Its inputs are the predictions, the weights if there are any, and an array for the smallest and the
    largest prediction.
    """

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        outputs, *weights, _ = specs
        self._check(outputs, weights)
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        predictions, *weights, found = inputs
        return [(check_probabilities, (flat(predictions), *self._places(predictions, weights), found))]


def has_column(shape: Shape, column: int) -> bool:
    """Return whether predictions of this shape may have a column; negative numbers count from the end.

    Example:
        >>> has_column((None, 3), 2), has_column((None, 3), 3), has_column((None,), 0)
        (True, False, False)
    """
    columns = shape[-1] if len(shape) > 1 else 0
    return columns is None or -columns <= column < columns


def decisions_of(histogram: Array) -> Array:
    """Return the counts of decisions at each level.

    Args:
        histogram: Sums of weights, [target][number of levels below], shape (2, n + 1).

    Returns:
        Shape (2, 2, n): [target][decision][level], for levels in rising order.

    Example:
        >>> decisions_of(np.array([[3.0, 0.0], [1.0, 2.0]])).tolist()
        [[[3.0], [0.0]], [[1.0], [2.0]]]
    """
    below = np.cumsum(histogram, axis=1)[:, :-1]
    above = np.cumsum(histogram[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.stack([below, above], axis=1)
