"""`EpochMetrics`: running results, copied and restored."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamfit import losses, metrics
from streamfit._base.specs import Spec
from streamfit.training.compile_config import NamedMetric, OutputPlan
from streamfit.training.epoch_metrics import EpochMetrics

SPEC = Spec((None, 1), np.dtype("float32"))


class Largest(metrics.Metric):
    """Keeps its state in a plain attribute."""

    def __init__(self) -> None:
        super().__init__(name="largest")
        self.value = 0.0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.value = max(self.value, float(np.max(y_pred)))

    def result(self) -> float:
        return self.value

    def reset_state(self) -> None:
        self.value = 0.0


def epoch_metrics(*items: Any, outputs: int = 1) -> EpochMetrics:
    plans = [
        OutputPlan(f"o{i}", losses.MeanSquaredError(), 1.0, [NamedMetric(str(m), m, False) for m in items])
        for i in range(outputs)
    ]
    return EpochMetrics(plans, [SPEC] * outputs, [SPEC] * outputs)


def test_nothing_seen_is_zero() -> None:
    assert epoch_metrics("mae").logs() == {"loss": 0.0, "mae": 0.0}


def test_means_are_sums_over_counts() -> None:
    made = epoch_metrics("mae")
    made.loss_state[:2] = 6, 4
    made.trackers[0].metric.total[:2] = 3, 2
    assert made.logs() == {"loss": 1.5, "mae": 1.5}


def test_names_follow_the_order_of_logs() -> None:
    made = epoch_metrics("mae", "mse", outputs=2)
    assert made.names == list(made.logs())
    assert made.names[:3] == ["loss", "o0_loss", "o1_loss"]


def test_snapshots_bring_everything_back() -> None:
    largest = Largest()
    made = epoch_metrics("mae", largest)
    made.loss_state[:2] = 6, 4
    made.trackers[0].metric.total[:2] = 3, 2
    made.update_eager([np.zeros((2, 1))], [np.array([[5.0], [1.0]])], [None])
    before = made.logs()
    kept = made.snapshot()
    made.reset()
    assert set(made.logs().values()) == {0.0}
    made.update_eager([np.zeros((2, 1))], [np.array([[9.0], [1.0]])], [None])
    made.restore(kept)
    assert made.logs() == before
    assert largest.value == 5.0


def test_metrics_get_copies_of_outputs() -> None:
    seen: list[Any] = []

    class Keep(Largest):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            seen.append(y_pred)

    memory = np.ones((2, 1))
    epoch_metrics(Keep()).update_eager([memory], [memory], [None])
    memory[:] = 7
    assert (seen[0] == 1).all()
