"""Sample weights, class weights, loss weights: facts 15 to 20 of the Keras contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import cut, data, linear, squares, two_heads

from streamfit import Input, Sequence, Sequential, layers
from streamfit.losses import MeanSquaredError, SparseCategoricalCrossentropy
from streamfit.optimizers import SGD

LOSSES = {0: 1.0, 1: 2.0, 2: 0.5}


def expectations(model: Any, x: Any, y: Any, weights: Any) -> list[float]:
    """Return loss, mse and weighted mse."""
    losses = squares(model, x, y)
    return [
        (losses * weights).sum() / len(x),
        losses.mean(),
        (losses * weights).sum() / weights.sum(),
    ]


def weighing() -> Any:
    return linear(metrics=["mse"], weighted_metrics=["mse"])


@pytest.mark.parametrize("size", [3, 10])
def test_sample_weights_of_arrays(size: int) -> None:
    x, y = data(10)
    weights = np.linspace(0, 3, 10)
    model = weighing()
    expected = expectations(model, x, y, weights)
    history = model.fit(x, y, size, sample_weight=weights, verbose=0).history
    assert [history[name][0] for name in ("loss", "mse", "mse_1")] == pytest.approx(expected, rel=1e-6)
    assert model.evaluate(x, y, size, 0, weights) == pytest.approx(expected, rel=1e-6)
    assert model.train_on_batch(x, y, weights) == pytest.approx(expected, rel=1e-6)
    assert model.test_on_batch(x, y, weights) == pytest.approx(expected, rel=1e-6)


def test_sample_weights_of_generators() -> None:
    x, y = data(10)
    weights = np.linspace(0, 3, 10)
    model = weighing()
    expected = expectations(model, x, y, weights)
    history = model.fit_generator(cut(x, y, 4, weights), 3, verbose=0).history
    assert [history[name][0] for name in ("loss", "mse", "mse_1")] == pytest.approx(expected, rel=1e-6)
    assert model.evaluate_generator(cut(x, y, 4, weights), 3) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("as_column", [False, True])
def test_class_weights_of_arrays_and_single_batches(as_column: bool) -> None:
    x, _ = data(9)
    y = np.arange(9) % 3
    weights = np.array([LOSSES[int(k)] for k in y])
    model = weighing()
    expected = expectations(model, x, y[:, None], weights)
    target = y[:, None] if as_column else y
    history = model.fit(x, target, 2, class_weight=LOSSES, verbose=0).history
    assert [history[name][0] for name in ("loss", "mse", "mse_1")] == pytest.approx(expected, rel=1e-6)
    assert model.train_on_batch(x, target, class_weight=LOSSES) == pytest.approx(expected, rel=1e-6)


class Weighted(Sequence):
    """Batches of three with weights."""

    def __init__(self, *arrays: Any) -> None:
        super().__init__()
        self.arrays = arrays

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return tuple(array[3 * index : 3 * index + 3] for array in self.arrays)


@pytest.mark.parametrize("kind", ["arrays", "generator", "sequence"])
def test_class_weights_and_sample_weights_multiply(kind: str) -> None:
    x, _ = data(9)
    y = np.arange(9) % 3
    own = np.linspace(1, 2, 9)
    model = weighing()
    expected = expectations(model, x, y[:, None], own * np.array([LOSSES[int(k)] for k in y]))
    if kind == "arrays":
        history = model.fit(x, y, 2, sample_weight=own, class_weight=LOSSES, verbose=0)
    elif kind == "generator":
        history = model.fit(cut(x, y, 4, own), class_weight=LOSSES, verbose=0)
    else:
        history = model.fit(Weighted(x, y, own), class_weight=LOSSES, verbose=0)
    found = [history.history[name][0] for name in ("loss", "mse", "mse_1")]
    assert found == pytest.approx(expected, rel=1e-6)


def test_class_weights_of_one_hot_rows() -> None:
    x, _ = data(6)
    y = np.eye(3, dtype="float32")[np.arange(6) % 3]
    model = linear(3)
    weights = np.array([LOSSES[k % 3] for k in range(6)])
    history = model.fit(x, y, class_weight=LOSSES, verbose=0).history
    assert history["loss"] == [pytest.approx((squares(model, x, y) * weights).mean(), rel=1e-6)]


def test_a_class_without_a_weight_is_refused() -> None:
    message = (
        r"`class_weight` must contain all classes in the data. The classes \{1\} exist in the data but not "
        r"in `class_weight`. \(source 'training data', pass 0, batch 0, samples 0, 1, 2, 3\)"
    )
    with pytest.raises(ValueError, match=message):
        linear().fit(data(4)[0], np.arange(4) % 2, class_weight={0: 1.0}, shuffle=False, verbose=0)


def test_class_weights_for_targets_of_3_axes_are_refused() -> None:
    model = Sequential([Input((2, 3)), layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"`class_weight` not supported for 3\+ dimensional targets"):
        model.fit(np.zeros((4, 2, 3)), np.zeros((4, 2, 2)), class_weight={0: 1.0}, verbose=0)


def test_class_weights_for_several_classes_a_sample_are_refused() -> None:
    model = Sequential([Input((4, 3)), layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"`class_weight` not supported for several classes a sample"):
        model.fit(np.zeros((5, 4, 3)), np.zeros((5, 4), int), class_weight={0: 1.0, 1: 2.0}, verbose=0)


@pytest.mark.parametrize("table", [[1.0, 2.0], "balanced", 3])
def test_class_weights_of_another_kind_are_refused(table: Any) -> None:
    with pytest.raises(ValueError, match="class_weight must be a dict from class number to weight, got"):
        linear().fit(data(4)[0], np.arange(4) % 2, class_weight=table, verbose=0)


def classifier() -> Sequential:
    model = Sequential([Input((2,)), layers.Dense(2, "softmax")])
    model.compile(SGD(0.5), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize("how", ["class_weight", "sample_weight"])
def test_weighting_a_class_up_improves_its_score(how: str) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    x = rng.normal(size=(200, 2)).astype("float32") + y[:, None] * 0.7
    plain, weighted = classifier(), classifier()
    weighted.set_weights(plain.get_weights())
    plain.fit(x, y, epochs=10, verbose=0, seed=1)
    options: Any = {"class_weight": {0: 1.0, 1: 5.0}}
    if how == "sample_weight":
        options = {"sample_weight": np.where(y == 1, 5.0, 1.0)}
    weighted.fit(x, y, epochs=10, verbose=0, seed=1, **options)
    ones = y == 1
    assert weighted.evaluate(x[ones], y[ones], verbose=0) < plain.evaluate(x[ones], y[ones], verbose=0) - 0.05


# -- temporal weights ---------------------------------------------------------------------------------


def temporal(outputs: int = 2, **options: Any) -> Sequential:
    model = Sequential([Input((4, 3)), layers.Dense(outputs, name="y")])
    model.compile(SGD(0.0), "mse", sample_weight_mode="temporal", **options)
    return model


def steps_data(n: int = 6) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4, 3)), rng.normal(size=(n, 4, 2)), rng.random((n, 4))


@pytest.mark.parametrize("size", [6, 4])
def test_temporal_weights_count_samples_and_steps(size: int) -> None:
    x, y, weights = steps_data()
    model = temporal(weighted_metrics=["mse"], metrics=["mse"])
    losses = ((model.predict(x) - y) ** 2).mean(-1)
    expected = [
        (losses * weights).sum() / losses.size,
        losses.mean(),
        (losses * weights).sum() / weights.sum(),
    ]
    history = model.fit(x, y, size, sample_weight=weights, verbose=0).history
    assert [history[name][0] for name in ("loss", "mse", "mse_1")] == pytest.approx(expected, rel=1e-5)
    assert model.evaluate(x, y, size, 0, weights) == pytest.approx(expected, rel=1e-5)


def test_temporal_weights_decide_what_is_learned() -> None:
    x, y, weights = steps_data()
    model = temporal()
    model.optimizer.learning_rate = 0.1
    before = model.get_weights()
    model.fit(x, y, sample_weight=np.zeros((6, 4)), verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    model.fit(x, y, sample_weight=weights, verbose=0)
    assert not any((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_weights_of_2_axes_need_the_temporal_mode() -> None:
    message = (
        r"Found a sample_weight array with shape \(6, 4\). In order to use timestep-wise sample weights, you "
        r'should specify sample_weight_mode="temporal" in compile\(\)'
    )
    model = Sequential([Input((4, 3)), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y, weights = steps_data()
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, sample_weight=weights, verbose=0)


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 4, 1)])
def test_temporal_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    x, y, _ = steps_data()
    message = (
        r'sample_weight_mode="temporal" of output .y. needs weights of shape \(samples, steps\), got weights'
    )
    with pytest.raises(ValueError, match=message):
        temporal().fit(x, y, sample_weight=np.ones(shape), verbose=0)


def test_weights_for_another_number_of_samples_are_refused() -> None:
    x, y = data(10)
    with pytest.raises(ValueError, match="Found 10 input samples and 5 sample_weight samples"):
        linear().fit(x, y, sample_weight=np.ones(5), verbose=0)
    with pytest.raises(ValueError, match="sample_weight has 5 entries for 10 samples of output 'y'"):
        linear().train_on_batch(x, y, np.ones(5))


# -- several outputs ------------------------------------------------------------------------------------


def heads() -> tuple[Any, list[Any], list[Any], Any]:
    """Return a model, its data, and the losses of both outputs for each sample."""
    (x, ya), (z, yb) = data(8), data(8, seed=1)
    model = two_heads()
    a, b = model.predict([x, z])
    return model, [x, z], [ya, yb], (((a - ya) ** 2)[:, 0], ((b - yb) ** 2)[:, 0])


def test_sample_weights_of_several_outputs() -> None:
    model, x, y, (la, lb) = heads()
    wa, wb = np.linspace(0, 1, 8), np.linspace(1, 5, 8)
    for given, losses in [
        ([wa, wb], (wa * la, wb * lb)),
        ({"b": wb, "a": wa}, (wa * la, wb * lb)),
        ({"b": wb}, (la, wb * lb)),
        (wa, (wa * la, wa * lb)),
    ]:
        a, b = losses[0].mean(), losses[1].mean()
        found = model.evaluate(x, y, sample_weight=given, verbose=0)
        assert found == pytest.approx([a + b, a, b], rel=1e-5)


def test_sample_weights_for_unknown_outputs_are_refused() -> None:
    model, x, y, _ = heads()
    with pytest.raises(ValueError, match=r"sample_weight names unknown outputs \['c'\]; the outputs are"):
        model.evaluate(x, y, sample_weight={"c": np.ones(8)}, verbose=0)


def test_class_weights_of_several_outputs() -> None:
    model, x, _, _ = heads()
    ya, yb = np.arange(8) % 2, np.arange(8) % 3
    table = {0: 1.0, 1: 4.0}
    by_hand = [((p[:, 0] - y) ** 2) for p, y in zip(model.predict(x), (ya, yb), strict=True)]
    a = (by_hand[0] * np.where(ya == 1, 4, 1)).mean()
    b = by_hand[1].mean()
    for given in ({"a": table}, [table, None]):
        history = model.fit(x, [ya, yb], class_weight=given, verbose=0).history
        assert [history[k][0] for k in ("loss", "a_loss", "b_loss")] == pytest.approx([a + b, a, b], rel=1e-5)
    with pytest.raises(ValueError, match="must be a dict of dicts by output name or a list of dicts"):
        model.fit(x, [ya, yb], class_weight=table, verbose=0)


@pytest.mark.parametrize("given", [[1.0, 0.25], {"b": 0.25}, {"b": 0.25, "a": 1}])
def test_loss_weights_scale_the_total_only(given: Any) -> None:
    model, x, y, (la, lb) = heads()
    model.compile(SGD(0.0), "mse", loss_weights=given)
    found = model.evaluate(x, y, verbose=0)
    assert found == pytest.approx([la.mean() + lb.mean() / 4, la.mean(), lb.mean()], rel=1e-5)


# -- reductions and masks ---------------------------------------------------------------------------------


def test_a_loss_may_be_a_sum() -> None:
    x, y = data(6)
    weights = np.linspace(0, 2, 6)
    model = linear(loss=MeanSquaredError(reduction="sum"))
    losses = squares(model, x, y)
    assert model.test_on_batch(x, y) == pytest.approx(losses.sum(), rel=1e-6)
    assert model.test_on_batch(x, y, weights) == pytest.approx((losses * weights).sum(), rel=1e-6)


def test_a_loss_may_divide_by_the_weights() -> None:
    x, y = data(6)
    weights = np.linspace(0, 2, 6)
    model = linear(loss=MeanSquaredError(reduction="mean_with_sample_weight"))
    losses = squares(model, x, y)
    expected = (losses * weights).sum() / weights.sum()
    assert model.test_on_batch(x, y, weights) == pytest.approx(expected, rel=1e-6)
    assert model.test_on_batch(x, y, np.zeros(6)) == 0.0


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight", "sum_over_batch_size"])
def test_a_step_uses_the_gradient_of_the_reduced_loss(reduction: str) -> None:
    x, y = data(6)
    weights = np.linspace(0.5, 2, 6)
    model = linear(optimizer=SGD(0.01), loss=MeanSquaredError(reduction=reduction))
    kernel, bias = model.get_weights()
    share = {"sum": 1.0, "mean_with_sample_weight": weights.sum(), "sum_over_batch_size": 6.0}[reduction]
    slope = 2 * (x @ kernel + bias - y) * weights[:, None] / share
    model.train_on_batch(x, y, weights)
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.01 * x.T @ slope, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.01 * slope.sum(0), rtol=1e-4, atol=1e-6)


def test_a_loss_without_reduction_is_refused() -> None:
    with pytest.raises(ValueError, match="loss 'mean_squared_error' has reduction='none', so it gives no"):
        linear(loss=MeanSquaredError(reduction=None))


def ignoring() -> tuple[Sequential, Any, Any, Any]:
    """Return a classifier that ignores label -1, data, and the loss of each sample, 0 for ignored ones."""
    x, _ = data(10)
    y = np.array([0, 1, -1, 3, 2, -1, -1, 0, 1, 2])
    model = Sequential([Input((3,)), layers.Dense(4, "softmax")])
    model.compile(SGD(0.1), SparseCategoricalCrossentropy(ignore_class=-1))
    p = model.predict(x)
    return model, x, y, np.where(y < 0, 0.0, -np.log(p[np.arange(10), np.maximum(y, 0)]))


def test_ignored_labels_count_neither_in_the_sum_nor_in_the_number() -> None:
    model, x, y, losses = ignoring()
    assert model.test_on_batch(x, y) == pytest.approx(losses.sum() / 7, rel=1e-5)
    weights = np.linspace(0.5, 2, 10)
    assert model.test_on_batch(x, y, weights) == pytest.approx((losses * weights).sum() / 7, rel=1e-5)


def test_ignored_labels_teach_nothing() -> None:
    model, x, y, _ = ignoring()
    twin, *_ = ignoring()
    twin.set_weights(model.get_weights())
    twin.train_on_batch(x[y >= 0], y[y >= 0])
    model.train_on_batch(x, y)
    for left, right in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)


def test_a_batch_of_ignored_labels_alone_has_loss_0_and_changes_nothing() -> None:
    model, x, _, _ = ignoring()
    before = model.get_weights()
    assert model.train_on_batch(x, np.full(10, -1)) == 0.0
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_labels_that_are_neither_classes_nor_ignored_are_refused() -> None:
    model, x, y, _ = ignoring()
    y[3] = 4
    with pytest.raises(ValueError, match="label 4 at position 3 is not one of the 4 classes 0 to 3"):
        model.train_on_batch(x, y)
