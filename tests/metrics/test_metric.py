"""Custom metrics: subclasses with state, functions, means and sums without targets."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from streamfit import losses, metrics, ops
from streamfit._base.errors import ShapeError


class TruePositives(metrics.Metric):
    """The example of Keras' guide to custom metrics."""

    def __init__(self, name: str = "true_positives", **options: Any) -> None:
        super().__init__(name=name, **options)
        self.count = self.add_weight(name="tp", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        hits = (np.asarray(y_true) == 1) & (np.asarray(y_pred) > 0.5)
        self.count.assign_add(np.sum(hits if sample_weight is None else hits * sample_weight))

    def result(self) -> Any:
        return self.count


def test_subclass_written_as_for_keras() -> None:
    metric = TruePositives()
    assert float(metric([1, 1, 0], [0.9, 0.1, 0.9])) == 1.0
    metric.update_state([1, 1], [0.9, 0.9], sample_weight=[0.5, 0.25])
    assert float(metric.result()) == 1.75
    metric.reset_state()
    assert float(metric.result()) == 0.0
    assert metric.name == "true_positives"
    assert metric.variables[0].dtype == np.float64


def test_copy_of_a_subclass_keeps_attribute_and_variable_together() -> None:
    metric = TruePositives()
    metric([1], [0.9])
    other = copy.deepcopy(metric)
    other.reset_state()
    assert float(other.count) == 0.0
    assert float(metric.count) == 1.0
    other.count.assign(7)
    assert float(other.variables[0]) == 7.0


def test_variables_can_be_made_before_the_base_class_is_set_up() -> None:
    class Early(metrics.Metric):
        def __init__(self) -> None:
            self.seen = self.add_variable((2,), "ones")
            super().__init__()

    metric = Early()
    assert metric.variables[0] is metric.seen
    assert metric.seen.tolist() == [1.0, 1.0]


def test_state_has_the_methods_of_a_variable() -> None:
    state = TruePositives().add_weight((2,))
    state.assign([1, 2])
    state.assign_sub(1)
    copied = state.numpy()
    state.assign_add([1, 1])
    assert copied.tolist() == [0.0, 1.0]
    assert state.tolist() == [1.0, 2.0]
    assert type(copied) is np.ndarray


def test_base_class_needs_its_methods() -> None:
    with pytest.raises(TypeError, match="must define update_state"):
        metrics.Metric().update_state([0], [0])
    with pytest.raises(TypeError, match="must define result"):
        metrics.Metric().result()
    with pytest.raises(TypeError, match="must define call"):
        metrics.MeanMetric().update_state([0.0], [0.0])


def test_mean_is_weighted_by_samples_not_batches() -> None:
    metric = metrics.Mean()
    metric.update_state([1.0, 1.0, 1.0])
    metric.update_state([5.0])
    assert metric.result() == 2.0
    assert metrics.Mean().result() == 0.0
    assert metrics.Mean()(3.0) == 3.0


def test_sum_is_weighted() -> None:
    assert metrics.Sum()([1.0, 2.0, 3.0], sample_weight=[1.0, 0.0, 2.0]) == 7.0


def test_function_of_one_number_counts_as_many_as_the_samples() -> None:
    metric = metrics.FunctionMetric(lambda y, p: ops.mean(p))
    metric.update_state(np.zeros((3, 1)), np.ones((3, 1)))
    metric.update_state(np.zeros((1, 1)), np.full((1, 1), 5.0))
    assert metric.result() == 2.0


def test_function_with_settings() -> None:
    metric = metrics.MeanMetricWrapper(metrics.binary_accuracy, name="strict", threshold=0.9)
    assert metric([[1.0], [1.0]], [[0.8], [0.95]]) == 0.5
    assert metric.get_config() == {
        "fn": metrics.binary_accuracy,
        "name": "strict",
        "dtype": None,
        "threshold": 0.9,
    }


def test_weights_for_each_step_of_a_series() -> None:
    metric = metrics.MeanSquaredError()
    p = np.array([[[1.0], [2.0]], [[3.0], [4.0]]])
    metric.update_state(np.zeros_like(p), p, sample_weight=[[1.0, 0.0], [0.0, 1.0]])
    assert metric.result() == (1 + 16) / 2


def test_float32_means_do_not_drift() -> None:
    metric = metrics.Mean()
    metric.total[:2] = 2.0**30, 2.0**30
    metric.update_state(np.zeros(1000, "float32"))
    assert metric.total[1] == 2.0**30 + 1000


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="metric 'mean_squared_error' compares targets"):
        metrics.MeanSquaredError()(np.zeros((2, 3)), np.zeros((2, 1)))


def test_dtype_is_kept_in_the_description() -> None:
    assert metrics.MeanSquaredError(dtype="float32").get_config()["dtype"] == "float32"


def test_result_of_a_loss_as_a_metric() -> None:
    metric = metrics.get(losses.Huber(delta=0.5))
    assert metric is not None
    assert metric.name == "huber_loss"
    assert metric([[0.0]], [[3.0]]) == 0.5 * 3 - 0.125
