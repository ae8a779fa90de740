"""`EpochMetrics`: the running results of an epoch, losses and metrics."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np

from streamfit import metrics
from streamfit._base.errors import DataError
from streamfit._base.specs import Array, Spec
from streamfit.kernels.running_sums import mean_of
from streamfit.losses.targets import with_last_axis_of
from streamfit.training.compile_config import OutputPlan, ResultNames
from streamfit.training.results import Measure, all_measures, entries, key_names
from streamfit.training.user_warnings import warn


class Tracker:
    """A metric of one output, made for the shapes of the data."""

    def __init__(
        self,
        name: str,
        metric: metrics.Metric,
        output: int,
        weighted: bool,
        label: str = "",
        prefix: str = "",
    ) -> None:
        self.name, self.metric, self.output, self.weighted = name, metric, output, weighted
        self.label, self.prefix = label or name, prefix

    @property
    def traced(self) -> bool:
        """Return whether the program computes the metric; others see arrays after each step."""
        return self.metric.traced


class Snapshot(NamedTuple):
    """The running results of one moment, and the shapes of their data."""

    states: list[Array]
    eager: list[dict[str, object]]
    targets: Sequence[Spec | None]
    outputs: Sequence[Spec]


class EpochMetrics:
    """The running results of an epoch: losses and metrics, in the order of the logs.

    Args:
        plans: One for each output.
        targets: Spec of each output's target, None where there is none.
        outputs: Spec of each output.

    Attributes:
        names: The names of the results, in the order of the logs; dictionaries add their keys to these.
        found: The counts of metric objects from before they came here, by the names of `states`.
    """

    def __init__(
        self, plans: Sequence[OutputPlan], targets: Sequence[Spec | None], outputs: Sequence[Spec]
    ) -> None:
        self.plans = plans
        self._targets, self._outputs = targets, outputs
        self.loss_state = np.zeros(4)
        self.output_states: list[Array] = [np.zeros(4) for _ in plans]
        names = ResultNames.of(plans)
        self.names, self.loss_names = names.all, names.losses
        self.split = [i for i, plan in enumerate(plans) if len(plans) > 1 and plan.loss is not None]
        self.trackers: list[Tracker] = []
        for i, item, name in names.metrics:
            target = targets[i]
            assert target is not None  # an output with a metric has targets
            metric = metrics.make(item.identifier, plans[i].loss, target, outputs[i])
            _warn_of_threshold(item.identifier, metric, plans[i])
            if any(metric is tracker.metric for tracker in self.trackers):
                metric = metric.clone()  # one object for several outputs: each keeps its own count
            prefix = f"{plans[i].name}_" if len(plans) > 1 else ""
            self.trackers.append(Tracker(name, metric, i, item.weighted, item.label, prefix))
        self.eager = [tracker for tracker in self.trackers if not tracker.traced]
        self.found = {key: state.copy() for key, state in self.states().items()}
        self.reset()  # an object may have counted before: by hand, or in another model

    def reset(self) -> None:
        """Start a new epoch."""
        self.loss_state[:] = 0
        for state in self.output_states:
            state[:] = 0
        for tracker in self.trackers:
            tracker.metric.reset_state()

    def states(self) -> dict[str, Array]:
        """Return every array that holds results, by name, to be read or overwritten."""
        found = {f"score/{i}": state for i, state in enumerate([self.loss_state, *self.output_states])}
        for tracker in self.trackers:
            for i, state in enumerate(tracker.metric.variables):
                found[f"score/{tracker.name}/{i}"] = state
        return found

    def _states(self) -> list[Array]:
        """List the arrays that programs write to."""
        traced = [state for each in self.trackers if each.traced for state in each.metric.variables]
        return [self.loss_state, *self.output_states, *traced]

    def overwrite(self, states: dict[str, Array]) -> None:
        """Continue with results that `states` gave, in this or another process."""
        own = self.states()
        for name, state in states.items():
            own[name][...] = state

    def snapshot(self) -> Snapshot:
        """Copy the results so far."""
        eager = [copy.deepcopy(vars(tracker.metric)) for tracker in self.eager]
        return Snapshot([state.copy() for state in self._states()], eager, self._targets, self._outputs)

    def restore(self, kept: Snapshot) -> None:
        """Return to the results that `snapshot` copied."""
        for state, old in zip(self._states(), kept.states, strict=True):
            state[:] = old
        for tracker, attributes in zip(self.eager, kept.eager, strict=True):
            vars(tracker.metric).update(attributes)

    def logs(self) -> dict[str, object]:
        """Return the results so far: numbers as Python floats, arrays as arrays, dictionaries by their keys.

        Raises:
            TypeError: A metric has a result of another kind.
        """
        logs: dict[str, object] = {"loss": mean_of(self.loss_state)}
        for i in self.split:
            logs[f"{self.plans[i].name}_loss"] = mean_of(self.output_states[i])
        for tracker in self.trackers:
            result = tracker.metric.result()
            if type(result) is float:
                logs[tracker.name] = result
            else:
                self._add(logs, tracker, result)
        return logs

    def _add(self, logs: dict[str, object], tracker: Tracker, result: object) -> None:
        found = entries(result, tracker.label, f"metric {tracker.name!r}")
        if not isinstance(result, Mapping):
            logs[tracker.name] = found[0][1]
            return
        taken = {*logs, *self.names}
        for (_, value), name in zip(
            found, key_names(found, tracker.name, tracker.prefix, taken), strict=True
        ):
            logs[name] = value

    def measures(self) -> list[Measure]:
        """Describe the results."""
        trackers = [(t.name, t.label, t.metric, t.prefix) for t in self.trackers]
        return all_measures(self.loss_names, trackers)

    def stop_error(self) -> DataError | None:
        """Return the error for the guard of a metric that has just stopped a step; None if it was another."""
        errors = (tracker.metric.stop_error() for tracker in self.trackers if tracker.traced)
        return next((error for error in errors if error is not None), None)

    def update_eager(
        self,
        targets: Sequence[Array | None],
        outputs: Sequence[Array],
        weights: Sequence[Array | None],
    ) -> None:
        """Show a finished batch to the metrics that are not compiled into the step."""
        for tracker in self.eager:
            i = tracker.output
            weight = weights[i] if tracker.weighted else None
            target, output = targets[i], outputs[i].copy()
            assert target is not None  # an output with a metric has targets
            shape = with_last_axis_of(target.shape, output.shape)
            target = target.reshape(cast("tuple[int, ...]", shape))  # shapes of arrays have no None
            tracker.metric.update_state(target, output, sample_weight=weight)


def _warn_of_threshold(identifier: object, metric: metrics.Metric, plan: OutputPlan) -> None:
    """Warn where 'binary_accuracy', given by name, cuts logits or margins at 0.5."""
    if isinstance(identifier, metrics.Metric) or not isinstance(metric, metrics.BinaryAccuracy):
        return
    if metrics.reads_probabilities(plan.loss) or metric.threshold != 0.5:
        return
    loss = plan.loss
    assert loss is not None
    warn(
        f"metric {metric.name!r} of output {plan.name!r} cuts the outputs at 0.5, but loss {loss.name!r} "
        "reads logits or margins, whose border is 0; write 'accuracy', or BinaryAccuracy(threshold=0)"
    )
