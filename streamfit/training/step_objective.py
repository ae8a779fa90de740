"""The objective of a step: the loss of each output, their total, and the running sums, traced as a graph.

Losses and metrics are traced like layers, so a custom one that is written with `ops` is compiled into the
step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Shape, Spec, may_equal
from streamfit.losses import Loss
from streamfit.metrics.step_nodes import StepNodes
from streamfit.ops.core import Node, Tensor, Value
from streamfit.ops.selecting import counted
from streamfit.ops.state import StateTensor
from streamfit.program import AccumulateScalar, weighted_mean, weighted_total
from streamfit.training.compile_config import OutputPlan
from streamfit.training.epoch_metrics import EpochMetrics
from streamfit.training.label_guard import LabelGuard
from streamfit.training.target_checks import TargetWarnings


class StepData(NamedTuple):
    """The tensors of the data of a step, one entry for each output.

    Attributes:
        targets: None for an output without targets.
        weights: Ones where no weights are given.
        weighted: Whether weights are given. Values that weigh 0 are then left out of loss and gradient, even
            NaN.
        masks: Which positions of the output count; None where all do.
    """

    targets: list[Tensor | None]
    weights: list[Tensor]
    weighted: list[bool]
    masks: list[Tensor | None]


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


def step_data(
    targets: Sequence[Array | None],
    weights: Sequence[Array | None],
    outputs: Sequence[Tensor],
    masks: Sequence[Tensor | None],
) -> StepData:
    """Return tensors for data like these arrays.

    Args:
        targets: One for each output.
        weights: Likewise.
        outputs: The first gives the dtype of targets that are no integers; each the free axes of its data.
        masks: One for each output.
    """
    pairs = list(zip(targets, outputs, strict=True))
    return StepData(
        [_target_tensor(array, output, outputs[0].dtype) for array, output in pairs],
        [_weight_tensor(array, output) for array, output in zip(weights, outputs, strict=True)],
        [array is not None for array in weights],
        list(masks),
    )


def target_tail(array: Array, output: Spec) -> Shape:
    """Return the lengths of an array's axes behind the batch; None where the same axis of the output is
    free.
    """
    free = [axis < output.rank and output.shape[axis] is None for axis in range(array.ndim)]
    return tuple(None if free[axis] else array.shape[axis] for axis in range(1, array.ndim))


def trace_objective(
    plans: Sequence[OutputPlan],
    outputs: Sequence[Tensor],
    data: StepData,
    epoch_metrics: EpochMetrics,
    target_warnings: Sequence[TargetWarnings],
    penalties: Sequence[Value] = (),
) -> Objective:
    """Trace losses and metrics.

    Args:
        plans: One for each output.
        outputs: The lowered outputs.
        data: Targets and weights.
        epoch_metrics: Holds the running sums.
        target_warnings: One for each output with a loss.
        penalties: Scalars to add to the loss: those of weights, and those that layers add.

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
        given = weights if data.weighted[i] else None
        values, mask = _loss_values(plan.loss, target, outputs[i], given, data.masks[i], plan.name)
        assert isinstance(values, Tensor)  # its output is one
        means.append(weighted_mean(values, weights, mask, plan.loss.reduction, chosen=data.weighted[i]))
        factors.append(plan.loss_weight)
        if i in epoch_metrics.split:  # a single output's loss is the total, which is kept anyway
            sinks.append(_running_loss(means[-1], weights, epoch_metrics.output_states[i]))
    if not means and not penalties:
        raise ValueError("the model has no loss: pass loss=... to compile")
    terms = [*means, *(cast(Tensor, penalty) for penalty in penalties)]
    total = weighted_total(terms, [*factors, *[1.0] * len(penalties)])
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
            target, output = data.targets[tracker.output], outputs[tracker.output]
            assert target is not None  # an output with a metric has targets
            weights = metric_weights(data, tracker.output, tracker.weighted)
            nodes = tracker.metric.step_nodes(target, output, weights)
            sinks += nodes.sinks
            guards += nodes.guards
    return StepNodes(sinks, guards)


def _label_guard(loss: Loss, output: Tensor, target: Tensor, weights: Tensor | None) -> Node:
    guard = LabelGuard(output.shape[-1] or 0, getattr(loss, "ignore_class", None))
    return Node(guard, (target,) if weights is None else (target, weights), ())


def metric_weights(data: StepData, output: int, weighted: bool) -> Tensor | None:
    """Return the weights of a metric: the user's, the mask, or their product; None if all are 1."""
    mask, weights = data.masks[output], data.weights[output]
    if mask is None:
        return weights if weighted else None
    counts = cast(Tensor, ops.cast(mask, "float64"))
    if not weighted or not data.weighted[output]:
        return counts
    for axis in range(len(weights.shape), len(counts.shape)):
        weights = cast(Tensor, ops.expand_dims(weights, axis))
    return cast(Tensor, ops.multiply(weights, counts))


def _fitting(mask: Tensor, values: Tensor, what: str) -> Tensor:
    """Return a mask, of which only axes in front of the values' may be missing.

    Raises:
        ShapeError: The values have fewer axes.
    """
    if not may_equal(mask.shape, values.shape[: len(mask.shape)]):
        raise ShapeError(
            f"the output has a mask of shape {mask.shape}, but the values of {what} have shape "
            f"{values.shape}: "
            "there must be a value for each position of the mask; keep a last axis in the output, such as "
            "that "
            "of Dense(1)"
        )
    return mask


def _loss_values(
    loss: Loss, target: Tensor, output: Value, weights: Tensor | None, given: Tensor | None, name: str
) -> tuple[Value, Value | None]:
    """Trace the values of a loss and their mask; values that weigh 0 or are masked get no gradient.

    Args:
        loss: The loss, which may have a mask of its own: labels that do not count.
        target: The targets.
        output: The output.
        weights: The weights of its samples or steps, or None.
        given: The mask of the output, or None.
        name: Its name, for messages.
    """
    mask = loss.mask(target)
    for factor in (weights, mask, given):
        if factor is not None and may_equal(factor.shape, output.shape[: len(factor.shape)]):
            output = counted(output, factor)
    values = loss.values(target, output)
    if given is None:
        return values, mask
    whole = cast(Tensor, ops.cast(_fitting(given, cast(Tensor, values), f"loss {loss.name!r}"), output.dtype))
    for axis in range(len(whole.shape), len(values.shape)):
        whole = cast(Tensor, ops.add(ops.expand_dims(whole, axis), ops.zeros_like(values)))
    return values, whole if mask is None else ops.multiply(whole, ops.cast(mask, whole.dtype))


def _target_tensor(array: Array | None, output: Tensor, dtype: np.dtype[np.generic]) -> Tensor | None:
    """Integers stay integers (a class number must be exact), the rest takes the model's dtype."""
    if array is None:
        return None
    kind = np.dtype(np.int64) if array.dtype.kind in "iub" else dtype
    return Tensor(Spec((None, *target_tail(array, output.spec)), kind), "y_true")


def _weight_tensor(weight: Array | None, output: Tensor) -> Tensor:
    tail = () if weight is None else target_tail(weight, output.spec)
    return Tensor(Spec((None, *tail), np.dtype(np.float64)), "sample_weight")
