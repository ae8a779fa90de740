"""A sample of weight 0 adds 0 to loss, gradient and weighted metrics, with any values, and counts in N."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streamfit as sf
from streamfit import Input, Model, Sequential, layers, losses, metrics, ops

# Without compiled kernels NumPy computes them, and warns of NaN and infinity.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

N = 24
RNG = np.random.default_rng(5)
X = RNG.normal(size=(N, 3)).astype("float32")
Y = RNG.uniform(0.1, 0.9, size=(N, 1)).astype("float32")
W = np.where(np.arange(N) % 3 == 1, 0.0, 1.5)


def distance(y_true: Any, y_pred: Any) -> Any:
    return ops.square(y_true - y_pred)


LOSSES = ["mse", "mae", "huber", "binary_crossentropy", "poisson", "msle", "hinge", "log_cosh", distance]


def network(loss: Any, **settings: Any) -> Sequential:
    model = Sequential(
        [
            layers.Dense(4, activation="tanh", input_shape=(3,), kernel_initializer="ones"),
            layers.Dense(1, activation="sigmoid", kernel_initializer="ones"),
        ]
    )
    model.compile("adam", loss, **settings)
    return model


def torn(value: float) -> tuple[Any, Any]:
    """Return the data with `value` in the targets of weight 0, and in the inputs of one of them."""
    x, y = X.copy(), Y.copy()
    y[W == 0] = value
    x[1] = value
    return x, y


def fitted(loss: Any, x: Any, y: Any, **settings: Any) -> tuple[Any, list[Any]]:
    model = network(loss, weighted_metrics=["mae", metrics.Recall(name="recall")], **settings)
    history = model.fit(x, y, 8, sample_weight=W, epochs=2, verbose=0, seed=3, validation_data=(x, y, W))
    return history.history, model.get_weights()


@pytest.mark.filterwarnings("ignore:loss 'hinge'")  # its labels should be -1 and 1
@pytest.mark.parametrize("loss", LOSSES)
def test_what_weighs_nothing_changes_no_bit_of_training(loss: Any) -> None:
    history, weights = fitted(loss, X, Y)
    for value in (np.nan, np.inf):
        again, same = fitted(loss, *torn(value))
        assert again == history
        for one, other in zip(weights, same, strict=True):
            np.testing.assert_array_equal(one, other)


class Batches(sf.utils.Sequence):
    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.x, self.y = x, y

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * 8, index * 8 + 8)
        return self.x[rows], self.y[rows], W[rows]


@pytest.mark.parametrize("workers", [{"workers": 0}, {"workers": 1}])
def test_sequences_generators_and_single_batches(workers: dict[str, Any]) -> None:
    def run(x: Any, y: Any) -> list[Any]:
        model = network("mse", weighted_metrics=["mae"])
        found = [model.fit(Batches(x, y), verbose=0, seed=1, **workers).history]
        batches = [Batches(x, y)[i] for i in range(3)]
        found += [model.fit_generator(iter(batches), 3, verbose=0, seed=1).history]
        found += [model.train_on_batch(x, y, sample_weight=W), model.test_on_batch(x, y, sample_weight=W)]
        found += [model.evaluate(x, y, sample_weight=W, verbose=0)]
        return [*found, [weight.tolist() for weight in model.get_weights()]]

    assert run(X, Y) == run(*torn(np.nan))


def test_n_counts_the_samples_of_weight_zero() -> None:
    model = Sequential([layers.Dense(1, input_shape=(3,), kernel_initializer="zeros")])
    model.compile(sf.optimizers.SGD(0.0), "mse", weighted_metrics=["mse"])
    x, y = torn(np.nan)
    loss, mean = model.evaluate(x, y, sample_weight=W, verbose=0)
    squares = Y[W > 0, 0].astype("float64") ** 2
    assert loss == pytest.approx((1.5 * squares).sum() / N, rel=1e-6)
    assert mean == pytest.approx(squares.mean(), rel=1e-6)


def test_each_output_has_weights_of_its_own() -> None:
    def run(a: Any, b: Any) -> list[Any]:
        inputs = Input((3,))
        hidden = layers.Dense(3, activation="tanh", kernel_initializer="ones")(inputs)
        outputs = [layers.Dense(1, name=name, kernel_initializer="ones")(hidden) for name in ("a", "b")]
        model = Model(inputs, outputs)
        model.compile("sgd", "mse")
        given = {"a": W} if b is Y else [W, np.roll(W, 1)]
        history = model.fit(X, [a, b], sample_weight=given, verbose=0, seed=1).history
        return [history, [weight.tolist() for weight in model.get_weights()]]

    first, second = Y.copy(), Y.copy()
    first[W == 0], second[np.roll(W, 1) == 0] = np.nan, np.inf
    assert run(first, Y) == run(Y, Y)
    assert run(first, second) == run(Y, Y.copy())


def test_steps_of_weight_zero() -> None:
    x = RNG.normal(size=(6, 4, 2))
    y = RNG.normal(size=(6, 4, 1))
    weights = (RNG.uniform(size=(6, 4)) > 0.4) * 1.0

    def run(targets: Any) -> list[Any]:
        model = Sequential([layers.Dense(1, input_shape=(4, 2), kernel_initializer="ones")])
        model.compile("sgd", "mae", sample_weight_mode="temporal", weighted_metrics=["mse"])
        history = model.fit(x, targets, sample_weight=weights, verbose=0, seed=1).history
        return [history, [weight.tolist() for weight in model.get_weights()]]

    unknown = y.copy()
    unknown[weights == 0] = np.nan
    assert run(unknown) == run(y)


@pytest.mark.parametrize("unknown", [-1, 99, pytest.param(np.nan, marks=pytest.mark.jit)])
@pytest.mark.parametrize("from_logits", [False, True])
def test_a_label_that_is_no_class_may_weigh_nothing(unknown: float, from_logits: bool) -> None:
    labels = np.arange(N) % 4
    odd = labels.astype("float64")
    odd[W == 0] = unknown

    def run(targets: Any) -> Any:
        activation = None if from_logits else "softmax"
        model = Sequential([layers.Dense(4, activation, input_shape=(3,), kernel_initializer="ones")])
        loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        model.compile("sgd", loss, weighted_metrics=["accuracy"])
        history = model.fit(X, targets, 8, sample_weight=W, verbose=0, seed=1, shuffle=False).history
        return history, [weight.tolist() for weight in model.get_weights()]

    assert run(odd) == run(labels)
    wrong = odd.copy()
    wrong[W == 0], wrong[5] = -1, 7
    with pytest.raises(ValueError, match=r"label 7.* at position 5 "):
        run(wrong)


def test_classes_of_weight_zero() -> None:
    labels = np.arange(N) % 3
    unknown = X.copy()
    unknown[labels == 1] = np.nan

    def run(x: Any) -> Any:
        model = Sequential([layers.Dense(3, "softmax", input_shape=(3,), kernel_initializer="ones")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(x, labels, class_weight={0: 1, 1: 0, 2: 2}, verbose=0, seed=1)
        return [weight.tolist() for weight in model.get_weights()]

    assert run(unknown) == run(X)


@given(seed=st.integers(0, 2**32), reduction=st.sampled_from(["sum_over_batch_size", "sum", "none"]))
@settings(max_examples=30)
def test_losses_and_metrics_on_arrays(seed: int, reduction: str) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    y, p = rng.uniform(0.1, 0.9, (2, n, 2))
    weights = rng.integers(0, 3, n) * 0.5
    odd, lost = y.copy(), p.copy()
    odd[weights == 0], lost[weights == 0] = np.nan, np.inf
    loss = losses.MeanSquaredError(reduction=reduction)
    np.testing.assert_array_equal(loss(odd, lost, weights), loss(y, p, weights))
    for made in (metrics.MeanAbsoluteError, metrics.BinaryAccuracy, metrics.Precision, metrics.AUC):
        assert made()(odd, lost, weights) == made()(y, p, weights)
    values = np.where(weights == 0, np.nan, y[:, 0])
    assert metrics.Mean()(values, weights) == metrics.Mean()(y[:, 0], weights)
