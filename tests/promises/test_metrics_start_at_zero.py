"""A metric object begins at zero in every compile, fit and evaluate, whatever it counted before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, Sequential, layers, metrics, optimizers
from streamfit.callbacks import Callback

X = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
Y = (X[:, :1] > 0).astype("float32")


class Seen(metrics.Metric):
    """Count samples."""

    def __init__(self, name: str = "seen") -> None:
        super().__init__(name=name)
        self.count = self.add_variable(())

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count.assign_add(len(y_pred))

    def result(self) -> float:
        return float(self.count)


class Attribute(Seen):
    """Count in an attribute of its own."""

    def __init__(self, name: str = "seen") -> None:
        super().__init__(name)
        self.own = 0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.own += len(y_pred)

    def result(self) -> float:
        return float(self.own)

    def reset_state(self) -> None:
        self.own = 0


class Endless(Attribute):
    """Never forget."""

    def reset_state(self) -> None:
        pass


def network(*items: Any, **settings: Any) -> Sequential:
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(2,), kernel_initializer="zeros")])
    model.compile(optimizers.SGD(0.0), "mse", metrics=list(items), **settings)
    return model


@pytest.mark.parametrize("kind", [Seen, Attribute])
def test_an_object_in_one_model_after_the_other(kind: Any) -> None:
    metric = kind()
    for _ in range(3):
        model = network(metric)
        assert model.evaluate(X, Y, verbose=0)[1] == 20.0
        history = model.fit(X, Y, 5, epochs=2, verbose=0, validation_data=(X[:7], Y[:7])).history
        assert history["seen"] == [20.0, 20.0]
        assert history["val_seen"] == [7.0, 7.0]


@pytest.mark.parametrize(
    "make", [metrics.AUC, metrics.BinaryAccuracy, metrics.Recall, metrics.MeanSquaredError]
)
def test_what_was_counted_by_hand_is_forgotten(make: Any) -> None:
    metric = make(name="m")
    for use in ("fit", "evaluate", "train_on_batch"):
        metric.update_state([1.0, 1.0, 0.0], [0.0, 0.9, 0.9])
        model = network(metric)
        metric.reset_state()
        wanted = network(make(name="m")).evaluate(X, Y, verbose=0)[1]
        metric.update_state([1.0, 1.0, 0.0], [0.0, 0.9, 0.9])
        if use == "fit":
            assert model.fit(X, Y, verbose=0).history["m"] == [wanted]
        elif use == "evaluate":
            assert model.evaluate(X, Y, verbose=0)[1] == wanted
        else:
            assert model.train_on_batch(X, Y)[1] == wanted


def test_compile_forgets_too() -> None:
    metric = Seen()
    metric.update_state(Y, Y)
    network(metric)
    assert metric.result() == 0.0


def test_one_object_in_both_lists_and_for_two_outputs() -> None:
    metric = Seen()
    metric.update_state(Y, Y)
    inputs = Input((2,))
    model = Model(inputs, [layers.Dense(1, name=name)(inputs) for name in ("a", "b")])
    model.compile("sgd", "mse", metrics=[metric], weighted_metrics=[metric])
    names = ["a_seen", "a_seen_1", "b_seen", "b_seen_1"]
    for _ in range(2):
        found = model.evaluate(X, [Y, Y], verbose=0, return_dict=True)
        assert [found[name] for name in names] == [20.0] * 4
        history = model.fit(X, [Y, Y], verbose=0).history
        assert [history[name] for name in names] == [[20.0]] * 4


def test_another_model_that_is_evaluated_in_mid_epoch_disturbs_nothing() -> None:
    metric = Seen()
    model, other = network(metric), network(metric)
    found: list[float] = []

    class Look(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            found.append(other.evaluate(X[:3], Y[:3], verbose=0)[1])

    history = model.fit(X, Y, 5, epochs=2, verbose=0, callbacks=[Look()]).history
    assert history["seen"] == [20.0, 20.0]
    assert found == [3.0] * 8


def test_to_go_on_is_asked_for() -> None:
    model = network(Seen())
    found = [model.train_on_batch(X[:4], Y[:4], reset_metrics=reset)[1] for reset in (False, False, True)]
    assert found == [4.0, 8.0, 4.0]


def test_a_metric_that_does_not_forget_is_the_users_own_business() -> None:
    model = network(Endless())
    model.fit(X, Y, epochs=2, verbose=0)
    assert model.fit(X, Y, verbose=0).history["seen"] == [60.0]
