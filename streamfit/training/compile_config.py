"""`CompileConfig`: the arguments of `compile`, an optimizer, and for each output loss, loss weight, metrics.

Names are resolved to objects at once, so that a wrong name fails in `compile`; lists and dictionaries
are spread over the outputs when these are known. The meaning of each argument is Keras 2's, which is
the stricter and the documented one (a list of metrics belongs to every output, a list of lists gives
each output its own).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from streamfit import losses, metrics, optimizers
from streamfit._base.checks import plain
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit.ops import Variable
from streamfit.optimizers.tables import Table
from streamfit.optimizers.update import Update
from streamfit.optimizers.work import Work, places_of
from streamfit.training.trainable_flags import TrainableFlags


@dataclass
class NamedMetric:
    """A metric of one output.

    Attributes:
        label: Its name, without that of the output.
        identifier: The argument of the user: 'accuracy' stays a string until shapes are known.
        weighted: Whether sample and class weights count.
    """

    label: str
    identifier: object
    weighted: bool


@dataclass
class OutputPlan:
    """The arguments of `compile` for one output."""

    name: str
    loss: losses.Loss | None
    loss_weight: float
    metrics: list[NamedMetric] = field(default_factory=list)
    temporal: bool = False


def with_own_metrics(plan: OutputPlan) -> OutputPlan:
    """Return a plan whose metrics count for themselves, from zero, and not in the user's objects."""

    def own(item: NamedMetric) -> NamedMetric:
        if not isinstance(item.identifier, metrics.Metric):
            return item
        metric = item.identifier.clone()
        metric.reset_state()
        return replace(item, identifier=metric)

    return replace(plan, metrics=[own(item) for item in plan.metrics])


@dataclass(frozen=True)
class ResultNames:
    """The names of the results of a model in logs.

    Attributes:
        losses: The total loss, then with several outputs the loss of each that has one.
        metrics: (output number, metric, name) of each metric.
    """

    losses: list[str]
    metrics: list[tuple[int, NamedMetric, str]]

    @classmethod
    def of(cls, plans: Sequence[OutputPlan]) -> ResultNames:
        """Name the results of outputs: with several outputs, their names come first."""
        several = len(plans) > 1
        found = ["loss", *(f"{plan.name}_loss" for plan in plans if several and plan.loss is not None)]
        taken = set(found)
        named = [
            (i, item, unique(f"{plan.name}_{item.label}" if several else item.label, taken))
            for i, plan in enumerate(plans)
            for item in plan.metrics
        ]
        return cls(found, named)

    @property
    def all(self) -> list[str]:
        """List the names in the order of the logs."""
        return self.losses + [name for _, _, name in self.metrics]


def unique(name: str, taken: set[str]) -> str:
    """Return `name`, with a number behind it where it is taken, and note it as taken."""
    number, candidate = 0, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


class CompileConfig:
    """Hold the arguments of `compile`, checked.

    Args:
        optimizer: A name, a class or an optimizer.
        loss: A name, function, `Loss`, or a list or dictionary of them by output.
        metrics: A list for all outputs, a list of lists, or a dictionary by output.
        loss_weights: A list, or a dictionary by output.
        weighted_metrics: As `metrics`; these see sample and class weights.
        sample_weight_mode: None or ``'temporal'``, or a list or dictionary of them by output.
        flags: The model's `trainable` flags, as they are now.
        owner: Stands for the model: an optimizer that has worked for it continues, one that has worked for
            another starts again. None for a model that no other object refers to.
        previous: The arguments of the `compile` before, or None.

    Attributes:
        revision: That of the optimizer when it was bound last.
    """

    def __init__(
        self,
        optimizer: object,
        loss: object,
        metrics: object,
        loss_weights: object,
        weighted_metrics: object,
        sample_weight_mode: object,
        flags: TrainableFlags,
        owner: object = None,
        previous: CompileConfig | None = None,
    ) -> None:
        self.flags = flags
        self.optimizer = optimizers.get(optimizer)
        self.revision = -1
        loss, metrics, weighted_metrics = plain(loss), plain(metrics), plain(weighted_metrics)
        loss_weights, sample_weight_mode = plain(loss_weights), plain(sample_weight_mode)
        if isinstance(loss_weights, np.ndarray):
            loss_weights = loss_weights.tolist()
        self.loss, self._loss_given = _resolve(loss, _loss), loss
        _check_metrics_argument("metrics", metrics)
        _check_metrics_argument("weighted_metrics", weighted_metrics)
        self.metrics = _resolve(metrics, _check_metric)
        self.weighted_metrics = _resolve(weighted_metrics, _check_metric)
        if loss_weights is not None and not isinstance(loss_weights, (list, tuple, dict)):
            raise TypeError(
                f"Could not interpret loss_weights argument: {loss_weights!r}. "
                "Expected a list (one number for each output) or a dict by output name."
            )
        self.loss_weights = loss_weights
        self.sample_weight_mode = _resolve(sample_weight_mode, _check_mode)
        self._work: Work
        if previous is not None and previous.optimizer is self.optimizer:
            self._work = previous._work
        else:
            self._work = self.optimizer.work_for(owner or object())
        self.own_optimizer()
        _resolve([self.metrics, self.weighted_metrics], _reset)

    def own_optimizer(self) -> optimizers.Optimizer:
        """Return the optimizer with the steps and the state of this model, also where it works for others."""
        self.optimizer.work = self._work
        return self.optimizer

    def given(self) -> dict[str, object]:
        """Return the arguments of `compile` by name, as they were given."""
        return {
            "optimizer": self.own_optimizer(),
            "loss": self._loss_given,
            "metrics": self.metrics,
            "weighted_metrics": self.weighted_metrics,
            "loss_weights": self.loss_weights,
            "sample_weight_mode": self.sample_weight_mode,
        }

    def keep_time(self, step_state: Array) -> None:
        """Count the steps of this model in `step_state` from now on; it continues with the finished ones."""
        step_state[1] = self._work.step_state[1]
        self._work.step_state = step_state

    def bind(
        self,
        weights: Array,
        grads: Array,
        sizes: Array,
        step_state: Array,
        tables: Sequence[Table] = (),
        variables: Sequence[Variable] | None = None,
    ) -> Update:
        """Return the optimizer's update for one step, as `Optimizer.update` does.

        The optimizer continues with its memory of each of `variables`; those that are new to it start again.
        """
        optimizer = self.own_optimizer()
        if variables is not None:
            self._work.arrange(places_of(variables, sizes), weights, optimizer.first_values())
        update = optimizer.update(weights, grads, sizes, step_state, tables)
        self.revision = optimizer.revision
        return update

    def plan(self, outputs: Sequence[str]) -> list[OutputPlan]:
        """Spread the arguments over the outputs.

        Raises:
            ValueError: A list of another length than the outputs, or an unknown output name.
        """
        found_losses = self._losses(outputs)
        factors = self._loss_weights(outputs)
        plain = _metrics_by_output("metrics", self.metrics, outputs)
        weighted = _metrics_by_output("weighted_metrics", self.weighted_metrics, outputs)
        modes = _by_output("sample_weight_mode", self.sample_weight_mode, outputs, spread=True)
        plans = []
        for name, loss, factor, mine, weighed, mode in zip(
            outputs, found_losses, factors, plain, weighted, modes, strict=True
        ):
            items = [NamedMetric(_label(m), m, False) for m in mine]
            items += [NamedMetric(_label(m), m, True) for m in weighed]
            plans.append(OutputPlan(name, loss, factor, items, temporal=mode == "temporal"))
        return plans

    def _losses(self, outputs: Sequence[str]) -> list[losses.Loss | None]:
        given = self._loss_given
        if isinstance(given, (list, tuple)) and len(given) != len(outputs):
            raise ValueError(
                "When passing a list as loss, it should have one entry per model outputs. "
                f"The model has {len(outputs)} outputs, but you passed loss={list(given)}"
            )
        found = _by_output("loss", self.loss, outputs, spread=True)
        return cast("list[losses.Loss | None]", [copy.copy(loss) for loss in found])  # as `_loss` made them

    def _loss_weights(self, outputs: Sequence[str]) -> list[float]:
        given = self.loss_weights
        if isinstance(given, (list, tuple)) and len(given) != len(outputs):
            raise ValueError(
                "When passing a list as loss_weights, it should have one entry per model output. "
                f"The model has {len(outputs)} outputs, but you passed loss_weights={list(given)}"
            )
        return [_loss_weight(value) for value in _by_output("loss_weights", given, outputs)]


def _resolve(argument: object, resolve: Callable[[object], object]) -> object:
    """Apply `resolve` to every entry of a possibly nested list or dict."""
    if isinstance(argument, dict):
        return {key: _resolve(value, resolve) for key, value in argument.items()}
    if isinstance(argument, (list, tuple)):
        return [_resolve(value, resolve) for value in argument]
    return None if argument is None else resolve(argument)


def _loss_weight(value: object) -> float:
    if not isinstance(value, (int, float, np.number, type(None))):
        raise TypeError(f"loss_weights must be numbers, got {value!r}")
    return 1.0 if value is None else float(value)


def _loss(identifier: object) -> losses.Loss | None:
    loss = losses.get(identifier)
    if loss is not None and loss.reduction == "none":
        raise ValueError(
            f"loss {loss.name!r} has reduction='none', so it gives no single number to minimise; "
            "pass reduction='sum_over_batch_size' or 'sum'"
        )
    return loss


def _check_metric(identifier: object) -> object:
    """Raise for an unknown name; return the argument, because 'accuracy' depends on shapes."""
    if isinstance(identifier, str):
        metrics.check_name(identifier)
    elif not (callable(identifier) or isinstance(identifier, metrics.Metric)):
        raise ValueError(
            f"Unknown metric: {identifier!r}. Pass a name, a function (y_true, y_pred) or a Metric."
        )
    return identifier


def _reset(identifier: object) -> None:
    """Let a metric object begin at zero: it may have counted before."""
    if isinstance(identifier, metrics.Metric):
        identifier.reset_state()


def _check_mode(mode: object) -> object:
    if mode not in (None, "temporal"):
        raise ValueError(f'sample_weight_mode should be None or "temporal". Found: {mode!r}')
    return mode


def _check_metrics_argument(what: str, value: object) -> None:
    if value is not None and not isinstance(value, (list, tuple, dict)):
        raise TypeError(
            f"Type of `{what}` argument not understood. Expected a list or dictionary, found: {value!r}; "
            f"write {what}=[{value!r}]"
        )


def _check_names(what: str, given: Mapping[str, object], outputs: Sequence[str]) -> None:
    unknown = [name for name in given if name not in outputs]
    if unknown:
        raise ValueError(
            f"Unknown entries in {what} dictionary: {unknown}. Only expected following keys: {list(outputs)}."
            + did_you_mean(unknown[0], outputs)
        )


def _by_output(what: str, argument: object, outputs: Sequence[str], spread: bool = False) -> list[object]:
    """Return one entry for each output; a single value goes to all when `spread`."""
    if isinstance(argument, dict):
        _check_names(what, argument, outputs)
        return [argument.get(name) for name in outputs]
    if isinstance(argument, (list, tuple)):
        if len(argument) != len(outputs):
            raise ValueError(
                f"{what} has {len(argument)} entries, but the model has {len(outputs)} outputs "
                f"{list(outputs)}"
            )
        return list(argument)
    return [argument if spread else None] * len(outputs)


def _metrics_by_output(what: str, argument: object, outputs: Sequence[str]) -> list[list[object]]:
    if isinstance(argument, (list, tuple)) and not any(isinstance(item, (list, tuple)) for item in argument):
        per_output: list[object] = [list(argument) for _ in outputs]
    else:
        per_output = _by_output(what, argument, outputs)
    return [_as_list(entry) for entry in per_output]


def _as_list(entry: object) -> list[object]:
    if entry is None:
        return []
    return [item for item in entry if item is not None] if isinstance(entry, (list, tuple)) else [entry]


def _label(identifier: object) -> str:
    return identifier if isinstance(identifier, str) else metrics.label(identifier)
