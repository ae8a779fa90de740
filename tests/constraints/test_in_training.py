"""Constraints in training: after each update, in the weights' own memory, and nowhere else."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from oracles import constraints as reference
from oracles.models import data

from streamfit import Input, Model, Sequential, constraints, layers, ops, set_random_seed
from streamfit.callbacks import Callback
from streamfit.kernels import run
from streamfit.ops import Variable
from streamfit.optimizers import SGD, Adam
from streamfit.program.constraining import constraint_calls


def at_most_half(w: Any) -> Any:
    return ops.minimum(w, 0.5)


def centred(w: Any) -> Any:
    return w - ops.mean(w, axis=0, keepdims=True)


def norm_of_positive(w: Any) -> Any:
    return constraints.UnitNorm()(constraints.NonNeg()(w))


def folded(w: Any) -> Any:
    return ops.reshape(ops.reshape(w, (-1,)), w.shape)


def unchanged(w: Any) -> Any:
    return w


KINDS = [
    constraints.MaxNorm(0.5),
    constraints.MaxNorm(0.5, [1, 0]),
    constraints.UnitNorm(1),
    constraints.MinMaxNorm(0.4, 0.6, 0.5, None),
    constraints.NonNeg(),
    at_most_half,
    centred,
    norm_of_positive,
    folded,
    unchanged,
    layers.Activation("sigmoid"),
]
each = pytest.mark.parametrize("kind", KINDS, ids=repr)


@each
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_calls_change_the_memory_of_the_weight_as_the_constraint_says(kind: Any, dtype: str) -> None:
    w = np.random.default_rng(1).normal(size=(4, 3)).astype(dtype)
    weight = Variable(w, "kernel", constraint=kind)
    expected, memory = kind(w.copy()), weight.value
    calls = constraint_calls([weight])
    for _ in range(2):  # the calls are those of every step
        memory[...] = w
        run(calls)
        np.testing.assert_array_equal(memory, expected)
    assert weight.value is memory


def test_scattered_axes_of_a_kernel_of_four() -> None:
    w = np.random.default_rng(2).normal(size=(3, 2, 4, 5))
    weight = Variable(w, "kernel", constraint=constraints.MaxNorm(0.7, [0, 2]))
    run(constraint_calls([weight]))
    expected = reference.by_vectors(w, [0, 2], reference.max_norm(0.7))
    np.testing.assert_allclose(weight.value, expected, rtol=1e-12)


def test_weights_without_a_constraint_cost_nothing() -> None:
    assert constraint_calls([Variable(np.ones(3))]) == []


def test_one_pass_over_the_memory_where_one_kernel_does_it() -> None:
    for kind in (constraints.NonNeg(), constraints.MaxNorm(), constraints.MaxNorm(axis=[0, 1])):
        assert len(constraint_calls([Variable(np.ones((2, 3)), constraint=kind)])) == 1


def constrained(kernel: Any, bias: Any = None, optimizer: Any = None) -> Sequential:
    set_random_seed(3)
    dense = layers.Dense(4, kernel_constraint=kernel, bias_constraint=bias)
    model = Sequential([Input((3,)), dense])
    model.compile(optimizer or SGD(0.3), "mse")
    return model


@each
def test_each_step_is_an_update_and_then_the_constraint(kind: Any) -> None:
    x, y = data(8, 4)
    model, free = constrained(kind, "non_neg"), constrained(None)
    for _ in range(4):
        free.set_weights(model.get_weights())
        model.train_on_batch(x, y)
        free.train_on_batch(x, y)
        kernel, bias = free.get_weights()
        np.testing.assert_array_equal(model.get_weights()[0], kind(kernel))
        np.testing.assert_array_equal(model.get_weights()[1], np.maximum(bias, 0))


def test_first_values_are_not_constrained_and_no_other_call_applies_it() -> None:
    x, y = data(8, 4)
    model = constrained("non_neg")
    before = model.get_weights()
    assert (before[0] < 0).any()
    model.evaluate(x, y, verbose=0)
    model.predict(x)
    model(x)
    model.set_weights(before)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.train_on_batch(x, y)
    assert (model.get_weights()[0] >= 0).all()


def test_frozen_weights_are_not_constrained() -> None:
    x, y = data(8, 4)
    frozen = layers.Dense(4, kernel_constraint="non_neg", trainable=False)
    model = Sequential([Input((3,)), frozen, layers.Dense(4)])
    model.compile(SGD(0.1), "mse")
    before = frozen.get_weights()
    model.fit(x, y, verbose=0)
    assert (before[0] < 0).any()
    np.testing.assert_array_equal(frozen.get_weights()[0], before[0])


@pytest.mark.parametrize("kind", [constraints.MaxNorm(0.5), at_most_half, centred], ids=repr)
def test_many_steps_in_one_native_call_give_the_same_bits(kind: Any) -> None:
    x, y = data(37, 4)

    class Listening(Callback):
        """One that wants each batch: steps run one by one."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None: ...

    found = []
    for callbacks in ([], [Listening()]):
        model = constrained(kind, optimizer=Adam(0.05))
        model.fit(x, y, 4, 3, verbose=0, seed=5, callbacks=callbacks)
        found.append(model.get_weights())
    for left, right in zip(*found, strict=True):
        np.testing.assert_array_equal(left, right)


def test_other_calls_of_the_optimizer_keep_the_constraint() -> None:
    x, y = data(8, 4)
    model = constrained("non_neg", optimizer=SGD(0.5))
    model.train_on_batch(x, y)
    model.optimizer.clipnorm = 1.0  # has the calls of a step made again
    model.train_on_batch(-x, y)
    assert (model.get_weights()[0] >= 0).all()
    model.compile(Adam(0.5), "mse")
    model.train_on_batch(x, y)
    assert (model.get_weights()[0] >= 0).all()


def test_two_models_that_share_a_layer_both_apply_it() -> None:
    x, y = data(8, 4)
    shared = layers.Dense(4, kernel_constraint=constraints.UnitNorm())
    models = []
    for _ in range(2):
        start = Input((3,))
        models.append(Model(start, shared(start)))
        models[-1].compile(SGD(0.5), "mse")
    for model in models * 2:
        model.train_on_batch(x, y)
        np.testing.assert_allclose(np.linalg.norm(shared.get_weights()[0], axis=0), 1.0, rtol=1e-5)


def test_copies_of_models_keep_it() -> None:
    x, y = data(8, 4)
    model = constrained(constraints.MaxNorm(0.1))
    model.train_on_batch(x, y)
    again = pickle.loads(pickle.dumps(model))
    again.train_on_batch(x, y)
    assert (np.linalg.norm(again.get_weights()[0], axis=0) <= 0.1).all()


def test_layers_describe_their_constraints() -> None:
    layer = layers.Dense(4, kernel_constraint="max_norm", bias_constraint=constraints.NonNeg())
    config = layer.get_config()
    assert config["kernel_constraint"] == {"class_name": "MaxNorm", "config": {"max_value": 2.0, "axis": 0}}
    again = layers.Dense.from_config(config)
    assert again.get_config() == config


def test_what_cannot_work_fails_when_the_weight_is_made() -> None:
    with pytest.raises(TypeError, match="of weight 'kernel' cannot be traced"):
        constrained(lambda w: np.maximum(w, 0.0))
    with pytest.raises(ValueError, match="of weight 'bias': UnitNorm has no axis 1 in an array of 1 axes"):
        constrained(None, constraints.UnitNorm(1))


def test_other_weights_cannot_be_read() -> None:
    other = Variable(np.ones((2, 2)), "other")
    weight = Variable(np.ones((2, 2)), "kernel", constraint=lambda w: w * other)
    with pytest.raises(ValueError, match=r"constraint of weight 'kernel' reads <Variable .*'other'>"):
        constraint_calls([weight])
