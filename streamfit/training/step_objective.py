"""The objective of a step: the loss of each output, their total, and the running sums, traced as a graph.

Losses and metrics are traced like layers, so a custom one that is written with `ops` is compiled into the
step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streamfit._base.specs import Array, Spec
from streamfit.losses import Loss
from streamfit.metrics.step_nodes import StepNodes
from streamfit.ops.core import Node, Tensor, Value
from streamfit.ops.selecting import counted
from streamfit.ops.state import StateTensor
from streamfit.program import AccumulateScalar, weighted_mean, weighted_total
from streamfit.training.compile_config import OutputPlan
from streamfit.training.epoch_metrics import EpochMetrics
from streamfit.training.label_guard import LabelGuard
from streamfit.training.model_graph import ModelGraph
from streamfit.training.target_checks import TargetWarnings


class StepData(NamedTuple):
    """The tensors of the data of a step, one entry for each output.

    Attributes:
        targets: None for an output without targets.
        weights: Ones where no weights are given.
        weighted: Whether weights are given. Values that weigh 0 are then left out of loss and gradient, even
            NaN.
    """

    targets: list[Tensor | None]
    weights: list[Tensor]
    weighted: list[bool]


class Objective(NamedTuple):
    """What a step computes from outputs and data.

    Attributes:
        losses: The loss of each output that has one.
        total: Their weighted sum, with the penalties of the weights.
        guards: Nodes that check the data before they are used.
        sinks: Nodes that add to the running sums.
    """

    losses: list[Tensor]
    total: Tensor
    guards: list[Node]
    sinks: list[Node]


def step_data(targets: Sequence[Array | None], weights: Sequence[Array | None], output: Tensor) -> StepData:
    """Return tensors for data like these arrays; `output` gives the dtype of targets that are no integers."""
    return StepData(
        [_target_tensor(array, output.dtype) for array in targets],
        [_weight_tensor(array) for array in weights],
        [array is not None for array in weights],
    )


def trace_objective(
    model: ModelGraph,
    plans: Sequence[OutputPlan],
    outputs: Sequence[Tensor],
    data: StepData,
    epoch_metrics: EpochMetrics,
    target_warnings: Sequence[TargetWarnings],
) -> Objective:
    """Trace losses and metrics.

    Args:
        model: Gives the penalties of its weights.
        plans: One for each output.
        outputs: The lowered outputs.
        data: Targets and weights.
        epoch_metrics: Holds the running sums.
        target_warnings: One for each output with a loss.

    Raises:
        ValueError: There is neither a loss nor a penalty.
    """
    means: list[Tensor] = []
    factors: list[float] = []
    guards: list[Node] = []
    sinks: list[Node] = []
    checks = iter(target_warnings)
    for i, plan in enumerate(plans):
        target, weights = data.targets[i], data.weights[i]
        check = None if plan.loss is None else next(checks)
        if plan.loss is None or check is None or target is None:
            continue
        guards += filter(None, [check.node(target, weights)])
        if plan.loss.sparse:
            guards.append(_label_guard(plan.loss, outputs[i], target, weights if data.weighted[i] else None))
        values, mask = _loss_values(plan.loss, target, outputs[i], weights if data.weighted[i] else None)
        assert isinstance(values, Tensor)  # its output is one
        means.append(weighted_mean(values, weights, mask, plan.loss.reduction, chosen=data.weighted[i]))
        factors.append(plan.loss_weight)
        if i in epoch_metrics.split:  # a single output's loss is the total, which is kept anyway
            sinks.append(_running_loss(means[-1], weights, epoch_metrics.output_states[i]))
    penalties = [regularizer(weight) for regularizer, weight in model.penalties]
    if not means and not penalties:
        raise ValueError("the model has no loss: pass loss=... to compile")
    total = weighted_total([*means, *penalties], [*factors, *[1.0] * len(penalties)])
    sinks.append(_running_loss(total, data.weights[0], epoch_metrics.loss_state))
    running = _running_metrics(outputs, data, epoch_metrics)
    return Objective(means, total, [*guards, *running.guards], [*sinks, *running.sinks])


def _running_loss(loss: Tensor, weights: Tensor, state: Array) -> Node:
    return Node(AccumulateScalar(), (loss, weights, StateTensor(state)), ())


def _running_metrics(outputs: Sequence[Tensor], data: StepData, epoch_metrics: EpochMetrics) -> StepNodes:
    sinks: list[Node] = []
    guards: list[Node] = []
    for tracker in epoch_metrics.trackers:
        if tracker.traced:
            target, weights = data.targets[tracker.output], data.weights[tracker.output]
            assert target is not None  # an output with a metric has targets
            nodes = tracker.metric.step_nodes(
                target, outputs[tracker.output], weights if tracker.weighted else None
            )
            sinks += nodes.sinks
            guards += nodes.guards
    return StepNodes(sinks, guards)


def _label_guard(loss: Loss, output: Tensor, target: Tensor, weights: Tensor | None) -> Node:
    guard = LabelGuard(output.shape[-1] or 0, getattr(loss, "ignore_class", None))
    return Node(guard, (target,) if weights is None else (target, weights), ())


def _loss_values(
    loss: Loss, target: Tensor, output: Value, weights: Tensor | None
) -> tuple[Value, Value | None]:
    """Trace the values of a loss and its mask; values that weigh 0 or are masked get no gradient."""
    mask = loss.mask(target)
    for factor in (weights, mask):
        if factor is not None and factor.shape == output.shape[: len(factor.shape)]:
            output = counted(output, factor)
    return loss.values(target, output), mask


def _target_tensor(array: Array | None, dtype: np.dtype[np.generic]) -> Tensor | None:
    """Integers stay integers (a class number must be exact), the rest takes the model's dtype."""
    if array is None:
        return None
    kind = np.dtype(np.int64) if array.dtype.kind in "iub" else dtype
    return Tensor(Spec((None, *array.shape[1:]), kind), "y_true")


def _weight_tensor(weight: Array | None) -> Tensor:
    tail = () if weight is None else weight.shape[1:]
    return Tensor(Spec((None, *tail), np.dtype(np.float64)), "sample_weight")
