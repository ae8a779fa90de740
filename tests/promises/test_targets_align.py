"""Targets and outputs are aligned by one rule: a last axis of length 1 may differ; nothing is broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import Sequential, layers, losses, metrics, ops, optimizers


def difference(y_true: Any, y_pred: Any) -> Any:
    return ops.abs(y_true - y_pred)


class OwnLoss(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return difference(y_true, y_pred)


class OwnMetric(metrics.MeanMetric):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return difference(y_true, y_pred)


EVERY = [
    *(losses.MeanAbsoluteError(), OwnLoss(), losses.FunctionLoss(difference, name="own")),
    *(metrics.MeanAbsoluteError(), OwnMetric(), metrics.FunctionMetric(difference, name="own")),
]
each = pytest.mark.parametrize("measure", EVERY, ids=lambda measure: type(measure).__module__[-7:])
AXES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


def measured(measure: Any, y: Any, p: Any) -> float:
    if isinstance(measure, metrics.Metric):
        measure.reset_state()
    return float(measure(y, p))


@each
@given(shape=AXES, side=st.sampled_from([0, 1]), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_a_last_axis_of_one_may_be_missing_on_either_side(
    measure: Any, shape: tuple[int, ...], side: int, seed: int
) -> None:
    y, p = np.random.default_rng(seed).normal(size=(2, *shape)).astype("float32")
    pair = (y[..., None], p) if side else (y, p[..., None])
    assert measured(measure, *pair) == pytest.approx(float(np.abs(y - p).mean()), rel=1e-5)


@each
@given(target=AXES, output=AXES)
@settings(max_examples=25)
def test_anything_else_is_an_error_with_both_shapes(
    measure: Any, target: tuple[int, ...], output: tuple[int, ...]
) -> None:
    if output in (target, (*target, 1)) or target == (*output, 1):
        return
    with pytest.raises(ValueError) as error:
        measured(measure, np.ones(target), np.ones(output))
    if target[0] == output[0] and np.ones(target).ndim != 0:
        assert str(output) in str(error.value)
        assert str(target) in str(error.value)


SHAPES = [((), (1,)), ((1,), ()), ((5,), (5, 1)), ((5, 1), (5,))]


@pytest.mark.parametrize(("output", "target"), SHAPES)
@pytest.mark.parametrize("loss", ["mae", difference, OwnLoss()])
@pytest.mark.parametrize("how", ["fit", "evaluate", "train_on_batch", "generator"])
def test_in_training(output: tuple[int, ...], target: tuple[int, ...], loss: Any, how: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 5, 2) if 5 in output else (6, 2)).astype("float32")
    y = rng.normal(size=(6, *target)).astype("float32")
    model = Sequential([layers.Dense(1, input_shape=x.shape[1:]), layers.Reshape(output)])
    items = ["mse", difference, OwnMetric(name="m")]
    model.compile(optimizers.SGD(0.0), loss, metrics=items, weighted_metrics=[OwnMetric("w")])
    wanted = np.abs(model.predict(x, verbose=0).reshape(6, -1) - y.reshape(6, -1)).mean()
    if how == "fit":
        found = {name: values[0] for name, values in model.fit(x, y, verbose=0).history.items()}
    elif how == "generator":
        found = {k: v[0] for k, v in model.fit_generator(iter([(x, y)]), 1, verbose=0).history.items()}
    elif how == "evaluate":
        found = model.evaluate(x, y, verbose=0, return_dict=True)
    else:
        found = model.train_on_batch(x, y, return_dict=True)
    for name in ("loss", "difference", "m", "w"):
        assert found[name] == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize(("units", "target"), [(3, (1,)), (1, (3,)), (3, ()), (6, ())])
def test_in_training_nothing_is_broadcast(units: int, target: tuple[int, ...]) -> None:
    x, y = np.ones((6, 2)), np.ones((6, *target))
    shapes = rf"\(batch, {units}\)"
    for loss, items in ((difference, []), ("mae", []), (lambda y, p: ops.sum(p, axis=-1), [difference])):
        model = Sequential([layers.Dense(units, input_shape=(2,))])
        model.compile("sgd", loss, metrics=items)
        with pytest.raises(ValueError, match=shapes):
            model.fit(x, y, verbose=0)


def test_a_function_may_turn_class_numbers_into_rows_itself() -> None:
    def own(y_true: Any, y_pred: Any) -> Any:
        column = y_true if len(y_true.shape) == 1 else y_true[:, 0]
        rows = ops.one_hot(ops.cast(column, "int64"), y_pred.shape[-1])
        return -ops.log(ops.sum(rows * y_pred, axis=-1))

    y = np.arange(4.0)
    p = np.full((4, 4), 0.25, "float32")
    for target in (y, y[:, None]):
        assert float(losses.FunctionLoss(own)(target, p)) == pytest.approx(np.log(4))
        model = Sequential([layers.Dense(4, "softmax", input_shape=(2,), kernel_initializer="zeros")])
        model.compile("sgd", own)
        assert model.evaluate(np.ones((4, 2)), target, verbose=0) == pytest.approx(np.log(4))


def test_weights_meet_values_by_the_same_rule() -> None:
    x, y = np.ones((4, 2)), np.arange(4.0)
    weights = np.array([1.0, 0.0, 2.0, 1.0])
    model = Sequential([layers.Dense(1, input_shape=(2,), kernel_initializer="zeros")])
    model.compile(optimizers.SGD(0.0), difference, weighted_metrics=["mae"])
    assert model.evaluate(x, y, sample_weight=weights, verbose=0) == model.evaluate(
        x, y[:, None], sample_weight=weights[:, None], verbose=0
    )
    one, other = metrics.Precision(), metrics.Precision()
    p = np.array([0.9, 0.8, 0.7, 0.1])
    assert one(y > 0, p, weights) == other((y > 0)[:, None], p[:, None], weights[:, None])
    for loss in (losses.MeanAbsoluteError(), losses.FunctionLoss(difference)):
        assert float(loss(y, p, weights)) == float(loss(y[:, None], p[:, None], weights[:, None]))


def test_a_metric_that_gets_arrays_gets_them_aligned() -> None:
    seen: list[Any] = []

    class Look(metrics.Metric):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            seen.append((y_true.shape, y_pred.shape))

        def result(self) -> float:
            return 0.0

    for output, target in (((), (4, 1)), ((1,), (4,))):
        model = Sequential([layers.Dense(1, input_shape=(2,)), layers.Reshape(output)])
        model.compile("sgd", lambda y, p: p, metrics=[Look()])
        model.evaluate(np.ones((4, 2)), np.ones(target), verbose=0)
    assert seen == [((4,), (4,)), ((4, 1), (4, 1))]


def test_counts_do_not_take_targets_of_another_shape_apart() -> None:
    with pytest.raises(ValueError, match=r"predictions \(2, 2, 2\), got \(2, 4\)"):
        metrics.TruePositives()(np.ones((2, 4)), np.ones((2, 2, 2)))
