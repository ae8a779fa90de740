"""Losses from inside the model: `activity_regularizer`, `add_loss`, `losses`; penalties of weights."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from oracles.models import data

from streamfit import Input, Model, Sequential, layers, ops, regularizers
from streamfit._base.errors import ShapeError, UnknownNameError
from streamfit.callbacks import Callback
from streamfit.ops.batch_size import batch_size
from streamfit.optimizers import SGD


class Bent(layers.Layer):
    """Adds the mean square of its input times a weight to the loss; in training twice of it."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight((), "ones", name="factor")

    def call(self, x: Any, training: bool = False) -> Any:
        self.add_loss(self.factor * ops.mean(ops.square(x)) * (2.0 if training else 1.0))
        return x


def model_of(*stack: Any, rate: float = 0.0) -> Sequential:
    model = Sequential([Input((3,)), *stack])
    model.compile(SGD(rate), "mse")
    return model


# -- activity_regularizer -----------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("batch", [10, 4])
def test_penalty_of_outputs_is_divided_by_the_samples_of_each_batch(call: str, batch: int) -> None:
    x, y = data(10)
    model = model_of(layers.Dense(1, activity_regularizer=regularizers.L2(0.5)))
    kernel, bias = model.get_weights()
    out = x.astype("float64") @ kernel + bias
    sizes = [len(x[i : i + batch]) for i in range(0, 10, batch)] if "batch" not in call else [10]
    parts = np.split(out, np.cumsum(sizes)[:-1])
    penalty = sum(0.5 * (part**2).sum() / len(part) * len(part) for part in parts) / 10
    expected = ((out - y) ** 2).mean() + penalty
    if call == "fit":
        found = model.fit(x, y, batch, shuffle=False, verbose=0).history["loss"][0]
    elif call == "evaluate":
        found = model.evaluate(x, y, batch, verbose=0)
    else:
        found = getattr(model, call)(x, y)
    assert found == pytest.approx(expected, rel=1e-6)


def test_gradient_of_the_penalty_reaches_the_weights() -> None:
    x, y = data(6)
    model = model_of(layers.Dense(1, activity_regularizer="l2"), rate=0.1)
    kernel, bias = model.get_weights()
    out = x @ kernel + bias
    slope = 2 * (out - y) / 6 + 0.01 * 2 * out / 6
    model.train_on_batch(x, y)
    np.testing.assert_allclose(model.get_weights()[0], kernel - 0.1 * x.T @ slope, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], bias - 0.1 * slope.sum(0), rtol=1e-4, atol=1e-6)


def test_every_layer_takes_it_and_each_use_and_each_output_counts() -> None:
    x, _ = data(4)
    start = Input((3,))
    twice = layers.Activation("relu", activity_regularizer=regularizers.L1(1.0))
    model = Model(start, layers.add([twice(start), twice(-start)]))
    model.compile(SGD(0.0), "mae")
    out = model.predict(x)
    assert model.evaluate(x, out, verbose=0) == pytest.approx(np.abs(x).sum() / 4, rel=1e-5)

    class Pair(layers.Layer):
        def call(self, x: Any) -> Any:
            return {"a": x, "b": [2.0 * x]}

    both = Pair(activity_regularizer=regularizers.L1(1.0))(start)
    split = Model(start, layers.add([both["a"], both["b"][0]]))
    split.compile(SGD(0.0), "mae")
    assert split.evaluate(x, 3 * x, verbose=0) == pytest.approx(3 * np.abs(x).sum() / 4, rel=1e-5)


def test_layers_inside_layers_and_models_inside_models_count() -> None:
    x, y = data(4)
    inner = Sequential([Input((3,)), layers.Dense(2, activity_regularizer=regularizers.L1(1.0))])
    model = model_of(inner, layers.Dense(1))
    kernel, bias = inner.get_weights()
    expected = ((model.predict(x) - y) ** 2).mean() + np.abs(x @ kernel + bias).sum() / 4
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_a_function_is_a_regularizer_of_outputs_and_it_may_be_changed() -> None:
    x, y = data(4)
    dense = layers.Dense(1, activity_regularizer=lambda out: ops.max(ops.abs(out)))
    model = model_of(dense)
    out = model.predict(x)
    mse = ((out - y) ** 2).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(mse + np.abs(out).max() / 4, rel=1e-5)
    dense.activity_regularizer = "l1"
    assert repr(dense.activity_regularizer) == "L1(l1=0.01)"
    assert model.evaluate(x, y, verbose=0) == pytest.approx(mse + 0.01 * np.abs(out).sum() / 4, rel=1e-5)
    dense.activity_regularizer = None
    assert model.evaluate(x, y, verbose=0) == pytest.approx(mse, rel=1e-5)
    with pytest.raises(UnknownNameError, match="Unknown regularizer: 'l3'"):
        dense.activity_regularizer = "l3"


def test_description_and_copies_keep_it() -> None:
    layer = layers.Dense(2, activity_regularizer=regularizers.L2(0.5))
    config = layer.get_config()
    assert config["activity_regularizer"] == {"class_name": "L2", "config": {"l2": 0.5}}
    assert layers.Dense.from_config(config).get_config() == config
    assert "activity_regularizer" not in layers.Dense(2).get_config()
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(again.activity_regularizer) == "L2(l2=0.5)"


def test_a_graph_cannot_have_it() -> None:
    start = Input((3,))
    with pytest.raises(ValueError, match=r"would not count: give L2\(l2=0.01\) to the layer"):
        Model(start, layers.Dense(1)(start), activity_regularizer="l2")
    with pytest.raises(ValueError, match=r"would not count: give L2\(l2=0.01\) to the layer"):
        Sequential([Input((3,)), layers.Dense(1)], activity_regularizer="l2")


@pytest.mark.parametrize("n", [1, 3])
def test_batch_size_is_the_number_of_samples(n: int) -> None:
    assert float(batch_size(np.zeros((n, 2)))) == n
    assert batch_size(np.zeros((n, 2), "float32")).dtype == np.float32
    assert batch_size(np.zeros(n, "int64")).dtype == np.float64


# -- add_loss -------------------------------------------------------------------------------------------


def test_a_loss_added_in_call_counts_and_has_a_gradient() -> None:
    x, y = data(5)
    bent = Bent()
    model = model_of(bent, layers.Dense(1), rate=0.1)
    mse, added = ((model.predict(x) - y) ** 2).mean(), (x.astype("float64") ** 2).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(mse + added, rel=1e-6)
    assert model.train_on_batch(x, y) == pytest.approx(mse + 2 * added, rel=1e-6)
    assert float(bent.factor.numpy()) == pytest.approx(1 - 0.1 * 2 * added, rel=1e-5)


def test_a_model_may_have_no_other_loss() -> None:
    x, _ = data(5)
    model = Sequential([Input((3,)), Bent()])
    model.compile(SGD(0.0))
    assert model.fit(x, verbose=0).history["loss"] == [pytest.approx(2 * (x.astype("float64") ** 2).mean())]


class Coder(Model):
    """A subclass whose loss is made in its call, of its inputs and its outputs."""

    def __init__(self) -> None:
        super().__init__(activity_regularizer=regularizers.L1(0.5))
        self.small, self.large = layers.Dense(2), layers.Dense(3)

    def call(self, x: Any) -> Any:
        out = self.large(self.small(x))
        self.add_loss(ops.mean(ops.square(out - x)))
        return out


def test_a_subclass_adds_losses_of_its_own() -> None:
    x, _ = data(8)
    model = Coder()
    model.compile(SGD(0.0))
    (loss,) = model.fit(x, verbose=0).history["loss"]
    out = model.predict(x).astype("float64")
    assert loss == pytest.approx(((out - x) ** 2).mean() + 0.5 * np.abs(out).sum() / 8, rel=1e-5)


def test_many_steps_in_one_native_call_give_the_same_bits() -> None:
    x, y = data(37)

    class Listening(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None: ...

    found = []
    first = model_of(Bent(), layers.Dense(1, activity_regularizer="l1_l2")).get_weights()
    for callbacks in ([], [Listening()]):
        model = model_of(Bent(), layers.Dense(1, activity_regularizer="l1_l2"), rate=0.05)
        model.set_weights(first)
        losses = model.fit(x, y, 4, 3, verbose=0, seed=5, callbacks=callbacks).history["loss"]
        found.append((losses, [weight.tobytes() for weight in model.get_weights()]))
    assert found[0] == found[1]


def adding(loss: Any) -> Any:
    class Adding(layers.Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(loss(x))
            return x

    return Adding(name="adding")


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (
            lambda x: x,
            ShapeError,
            r"add_loss of layer 'adding' takes a scalar, got shape \(None, 3\); write ops",
        ),
        (lambda x: 0.5, TypeError, "add_loss of layer 'adding' takes a scalar tensor or array, got 0.5"),
    ],
)
def test_what_is_no_scalar_is_refused_when_the_layer_is_called(loss: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        adding(loss)(Input((3,)))


def test_outside_a_call_nothing_can_be_added() -> None:
    start = Input((3,))
    model = Model(start, layers.Dense(1)(start))
    for loss in (ops.sum(model.output), np.ones(())):
        with pytest.raises(ValueError, match=r"only counts inside its call\(self, inputs\)"):
            model.add_loss(loss)


# -- losses ---------------------------------------------------------------------------------------------


def test_losses_of_the_last_call_on_arrays_and_penalties_of_weights() -> None:
    x, _ = data(4)
    dense = layers.Dense(
        1, kernel_regularizer=regularizers.L2(0.5), activity_regularizer=regularizers.L1(1.0)
    )
    model = Sequential([Input((3,)), Bent(), dense])
    kernel = model.get_weights()[1]
    assert [float(loss) for loss in model.losses] == pytest.approx([0.5 * (kernel**2).sum()])
    for _ in range(2):  # a call forgets what the one before added
        out = model(x)
        found = [float(loss) for loss in model.losses]
        expected = [(x**2).mean(), np.abs(out).sum() / 4, 0.5 * (kernel**2).sum()]
        assert found == pytest.approx(expected, rel=1e-5)
    dense.trainable = False
    assert len(model.losses) == 2


def test_penalties_of_frozen_weights_do_not_count() -> None:
    x, y = data(4)
    dense = layers.Dense(1, kernel_regularizer="l2")
    model = model_of(dense)
    mse, penalty = ((model.predict(x) - y) ** 2).mean(), 0.01 * (dense.get_weights()[0] ** 2).sum()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(mse + penalty, rel=1e-5)
    dense.trainable = False
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights"):
        assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(mse + penalty, rel=1e-5)]
    model.compile(SGD(0.0), "mse")
    assert model.evaluate(x, y, verbose=0) == pytest.approx(mse, rel=1e-5)
    assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(mse, rel=1e-5)]
