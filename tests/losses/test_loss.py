"""Custom losses, weights and reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles import gradients

from streamfit import losses, ops
from streamfit._base.errors import DataError, ShapeError
from streamfit._base.specs import Spec

Y = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
P = np.array([[1.0, 1.0], [2.0, 5.0], [4.0, 9.0]])


def squares(y_true: Any, y_pred: Any) -> Any:
    return (y_pred - y_true) ** 2


def test_function_is_a_loss_by_its_name() -> None:
    loss = losses.get(squares)
    assert isinstance(loss, losses.FunctionLoss)
    assert loss.name == "squares"
    assert loss(Y, P) == pytest.approx(np.mean((Y - P) ** 2))


def test_values_of_a_function_keep_its_axes() -> None:
    np.testing.assert_array_equal(losses.FunctionLoss(squares).values(Y, P), (Y - P) ** 2)


def test_one_number_goes_to_every_sample() -> None:
    loss = losses.FunctionLoss(lambda y, p: ops.mean((p - y) ** 2))
    np.testing.assert_allclose(loss.values(Y, P), [np.mean((Y - P) ** 2)] * 3)
    trace = gradients.Trace(loss.values, [Y, P], 3, [True, True])
    assert trace.outputs[0].shape == (None,)
    np.testing.assert_allclose(trace.compute()[0], [np.mean((Y - P) ** 2)] * 3)
    slopes, _ = trace.gradients([np.ones(3)])
    np.testing.assert_allclose(slopes[1], 3 * 2 * (P - Y) / 6)


def test_one_number_that_ignores_the_prediction() -> None:
    assert losses.FunctionLoss(lambda y, p: 2.0)(Y, np.full_like(P, np.inf)) == 2.0


def test_values_without_the_batch_axis_are_refused() -> None:
    loss = losses.FunctionLoss(lambda y, p: ops.mean((p - y) ** 2, axis=0), name="mine")
    with pytest.raises(ShapeError, match=r"loss 'mine' returned shape \(2,\) for 3 samples"):
        loss(Y, P)


def test_flat_targets_of_a_custom_loss_are_no_cross_product() -> None:
    seen: list[Any] = []

    def watch(y: Any, p: Any) -> Any:
        seen.append(y.shape)
        return ops.mean((p - y) ** 2, axis=-1)

    loss = losses.FunctionLoss(watch)
    assert loss(np.zeros(4), np.ones((4, 1))) == 1.0
    assert seen == [(4, 1)]


def test_custom_loss_sees_floats_of_the_predictions() -> None:
    seen: list[Any] = []

    def watch(y: Any, p: Any) -> Any:
        seen.append(y.dtype)
        return ops.mean(p - y, axis=-1)

    losses.FunctionLoss(watch)(np.zeros((2, 1), "int64"), np.zeros((2, 1), "float32"))
    assert seen == [np.float32]


def test_weights_may_be_a_column_or_one_for_each_value() -> None:
    loss = losses.MeanSquaredError(reduction="none")
    values = loss(Y, P)
    weights = np.array([1.0, 2.0, 0.0])
    np.testing.assert_allclose(loss(Y, P, weights), values * weights)
    np.testing.assert_allclose(loss(Y, P, weights[:, None]), values * weights)
    steps = losses.MeanSquaredError()
    y, p = np.zeros((2, 3, 1)), np.ones((2, 3, 1))
    assert steps(y, p, np.array([[1.0, 0, 0], [1, 1, 1]])) == pytest.approx(4 / 6)
    assert steps(y, p, np.array([1.0, 0.5])) == pytest.approx(4.5 / 6)


def test_loss_is_the_weighted_sum_over_the_number_of_samples() -> None:
    weights = np.array([1.0, 2.0, 3.0])
    values = np.mean((Y - P) ** 2, axis=-1)
    assert losses.MeanSquaredError()(Y, P, weights) == pytest.approx((weights * values).sum() / 3)


@pytest.mark.parametrize("weights", [np.ones(2), np.ones((3, 2)), np.ones((1, 3))])
def test_weights_that_do_not_fit_are_refused(weights: Any) -> None:
    with pytest.raises(ShapeError, match=r"sample weights have shape .* for values of shape \(3,\)"):
        losses.MeanSquaredError()(Y, P, weights)


def test_traced_loss_is_one_number_with_a_gradient() -> None:
    loss = losses.MeanSquaredError()
    trace = gradients.Trace(lambda y, p, w: loss(y, p, w), [Y, P, np.array([1.0, 2.0, 3.0])], 3, [True] * 3)
    assert trace.compute()[0] == pytest.approx(loss(Y, P, np.array([1.0, 2.0, 3.0])))
    slopes, _ = trace.gradients([np.ones(())])
    np.testing.assert_allclose(slopes[1], np.array([[1.0], [2.0], [3.0]]) * (P - Y) / 3)


def test_losses_of_losses() -> None:
    def both(y: Any, p: Any) -> Any:
        return losses.mean_squared_error(y, p) + 0.5 * losses.MeanAbsoluteError(reduction="none")(y, p)

    found = losses.FunctionLoss(both)(Y, P)
    assert found == pytest.approx(np.mean((Y - P) ** 2) + 0.5 * np.mean(np.abs(Y - P)))


def test_ignored_class_counts_neither_above_nor_below() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    p = np.array([[0.5, 0.5], [0.9, 0.1], [0.25, 0.75]])
    assert loss([0, -1, 1], p) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)
    assert loss.mask(np.array([0, -1, 1])).tolist() == [1.0, 0.0, 1.0]
    assert losses.SparseCategoricalCrossentropy().mask(np.array([0])) is None


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"reduction must be one of .*, got 'summ'\. Did you mean 'sum'\?"):
        losses.MeanSquaredError(reduction="summ")
    with pytest.raises(ValueError, match="delta must be positive, got 0"):
        losses.Huber(delta=0)
    for cls in (losses.BinaryCrossentropy, losses.CategoricalCrossentropy):
        with pytest.raises(ValueError, match=r"label_smoothing must be in \[0, 1\], got 2"):
            cls(label_smoothing=2)
    x = ops.Tensor(Spec((None, 3), np.dtype("float32")))
    with pytest.raises(ShapeError, match="label_smoothing needs an axis of classes"):
        losses.categorical_crossentropy(x, x, label_smoothing=0.1, axis=0)
    with pytest.raises(TypeError, match=r"Loss must define call\(self, y_true, y_pred\)"):
        losses.Loss()(Y, P)


def test_reduction_none_is_a_name_too() -> None:
    assert losses.MeanSquaredError(reduction=None).reduction == "none"


def test_names() -> None:
    assert losses.Huber().name == "huber_loss"
    assert losses.KLDivergence().name == "kl_divergence"
    assert losses.MeanSquaredError(name="mine").name == "mine"


def test_label_checks_of_a_batch() -> None:
    sparse = losses.SparseCategoricalCrossentropy()
    sparse.check_targets(np.array([0, 2]), (None, 3))
    with pytest.raises(DataError, match="data, pass 0, batch 1: label 3 at position 1 is not one of the 3"):
        sparse.check_targets(np.array([0, 3]), (None, 3), "data, pass 0, batch 1")
    losses.MeanSquaredError().check_targets(np.array([[7.0]]), (None, 1))
    losses.SparseCategoricalCrossentropy(ignore_class=-1).check_targets(np.array([-1, 0]), (None, 3))


@pytest.mark.parametrize("value", ["text", {"a": 1.0}, [None], object(), True])
def test_what_is_no_value_is_refused_by_name(value: Any) -> None:
    loss = losses.FunctionLoss(lambda y, p: value, name="mine")
    with pytest.raises(TypeError, match="loss 'mine' returned "):
        loss(Y, P)
    with pytest.raises(TypeError, match="loss 'mine' returned tuple"):
        gradients.Trace(losses.FunctionLoss(lambda y, p: (y, p), name="mine").values, [Y, P], 3, [True, True])
