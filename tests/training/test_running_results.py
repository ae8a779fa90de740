"""`RunningResults`: results that wait for the first step, and results set aside for another call."""

from __future__ import annotations

import numpy as np

from streamfit import losses
from streamfit._base.specs import Array, Spec
from streamfit.training.compile_config import NamedMetric, OutputPlan
from streamfit.training.running_results import RunningResults

SPEC = Spec((None, 1), np.dtype("float32"))


def planned() -> RunningResults:
    results = RunningResults()
    results.plan([OutputPlan("y", losses.MeanSquaredError(), 1.0, [NamedMetric("mae", "mae", False)])])
    return results


def states(total: float) -> dict[str, Array]:
    """Return the states of results whose loss is `total` over 2."""
    results = planned()
    results.metrics_for([SPEC], [SPEC]).loss_state[:2] = total, 2
    return results.states()


def test_nothing_before_the_first_step() -> None:
    results = planned()
    assert results.states() == results.logs() == {}
    assert results.snapshot() is None


def test_results_wait_for_the_first_step() -> None:
    results = planned()
    results.overwrite(states(6))
    assert results.logs() == {}
    results.metrics_for([SPEC], [SPEC])
    assert results.logs()["loss"] == 3.0
    results.overwrite(states(8))
    assert results.logs()["loss"] == 4.0


def test_waiting_results_are_forgotten_by_a_reset() -> None:
    results = planned()
    results.overwrite(states(6))
    results.reset()
    results.metrics_for([SPEC], [SPEC])
    assert results.logs()["loss"] == 0.0


def test_waiting_results_are_withheld_from_another_call_and_given_back() -> None:
    for another_call_takes_a_step in (False, True):
        results = planned()
        results.overwrite(states(6))
        waiting = results.withhold()
        if another_call_takes_a_step:
            results.metrics_for([SPEC], [SPEC]).loss_state[:2] = 100, 1
        results.give_back(waiting)
        results.metrics_for([SPEC], [SPEC])
        assert results.logs()["loss"] == 3.0


def test_a_snapshot_is_restored_where_no_step_was_taken() -> None:
    first, second = planned(), planned()
    first.metrics_for([SPEC], [SPEC]).loss_state[:2] = 6, 2
    snapshot = first.snapshot()
    assert snapshot is not None
    second.restore(snapshot)
    assert second.logs() == first.logs()
