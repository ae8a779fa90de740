"""`RunningResults`: the running results of one runner, the only place that keeps them.

Losses and metrics need the shapes of the data, which the first step shows. Results that are taken up before
(of an interrupted epoch, or of the model that this one is a copy of) wait here until then.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.specs import Array, Spec
from streamfit.training.compile_config import CompileConfig, OutputPlan, ResultNames
from streamfit.training.epoch_metrics import EpochMetrics, Snapshot
from streamfit.training.results import Measure, all_measures


class RunningResults:
    """Keep the running results of one runner.

    Attributes:
        metrics: The losses and metrics; None before the first step.
    """

    def __init__(self) -> None:
        self.metrics: EpochMetrics | None = None
        self._plans: Sequence[OutputPlan] = ()
        self._waiting: dict[str, Array] = {}

    def plan(self, plans: Sequence[OutputPlan]) -> None:
        """Set the plans of the outputs, which are known when the model is built."""
        self._plans = plans

    def metrics_for(self, targets: Sequence[Spec | None], outputs: Sequence[Spec]) -> EpochMetrics:
        """Return the losses and metrics, made for data like these on first use."""
        if self.metrics is None:
            self.metrics = EpochMetrics(self._plans, targets, outputs)
            self.metrics.overwrite(self.withhold())
        return self.metrics

    def states(self) -> dict[str, Array]:
        """Return every array that holds results, by name; empty before the first step."""
        return {} if self.metrics is None else self.metrics.states()

    def reset(self) -> None:
        """Forget the results, also those that wait."""
        self._waiting = {}
        if self.metrics is not None:
            self.metrics.reset()

    def overwrite(self, states: dict[str, Array]) -> None:
        """Continue with results that `states` returned, now or from the first step on."""
        if self.metrics is None:
            self._waiting = states
        else:
            self.metrics.overwrite(states)

    # -- results set aside for a while --------------------------------------------------------------

    def snapshot(self) -> Snapshot | None:
        """Copy the results; None before the first step."""
        return None if self.metrics is None else self.metrics.snapshot()

    def restore(self, results: Snapshot) -> None:
        """Continue with results that `snapshot` of this model returned: perhaps no step follows."""
        if self.metrics is None:
            self.metrics = EpochMetrics(self._plans, results.targets, results.outputs)
        self.metrics.restore(results)

    def withhold(self) -> dict[str, Array]:
        """Return the results that wait for the first step; the first step then begins at zero."""
        waiting, self._waiting = self._waiting, {}
        return waiting

    def give_back(self, waiting: dict[str, Array]) -> None:
        """Continue with results that `withhold` returned when there were no metrics yet."""
        if self.metrics is None:
            self._waiting = waiting
        else:  # made meanwhile; another model may be counting with its metric objects
            self.metrics.reset()
            self.metrics.overwrite(self.metrics.found | waiting)

    # -- names and values -----------------------------------------------------------------------------

    def logs(self) -> dict[str, object]:
        """Return the results by name, in the order of the logs; empty before the first step."""
        return {} if self.metrics is None else self.metrics.logs()

    def losses(self, fetches: Sequence[Array]) -> dict[str, float]:
        """Return by name the losses that a step has fetched."""
        assert self.metrics is not None
        return {name: float(value) for name, value in zip(self.metrics.loss_names, fetches, strict=False)}

    def measures(self, config: CompileConfig | None, outputs: Sequence[str]) -> list[Measure]:
        """Describe the results, as far as they are known.

        Args:
            config: The arguments of `compile`; None for a model that only predicts.
            outputs: The names of the outputs; empty for a model that is not built.
        """
        if self.metrics is not None:
            return self.metrics.measures()
        return [] if config is None or not outputs else expected_measures(config.plan(outputs))


def expected_measures(plans: Sequence[OutputPlan]) -> list[Measure]:
    """Describe the results of outputs before the first step."""
    names = ResultNames.of(plans)
    trackers = [
        (name, item.label, item.identifier, f"{plans[i].name}_" if len(plans) > 1 else "")
        for i, item, name in names.metrics
    ]
    return all_measures(names.losses, trackers)
