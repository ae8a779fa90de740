"""Frozen layers, layers that several models share, and callbacks that use the model in `fit`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import data, linear, squares

from streamfit import Input, Model, Sequential, layers
from streamfit.callbacks import Callback
from streamfit.optimizers import SGD


def same(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def stack() -> Sequential:
    return Sequential([Input((3,)), layers.Dense(4, name="low"), layers.Dense(1, name="high")])


def test_frozen_layers_stay() -> None:
    model = stack()
    model.layers[0].trainable = False
    model.compile(SGD(0.1), "mse")
    low, high = (layer.get_weights() for layer in model.layers)
    model.fit(*data(), verbose=0)
    assert same(low, model.layers[0].get_weights())
    assert not same(high, model.layers[1].get_weights())
    assert [w.shape for w in model.non_trainable_weights] == [(3, 4), (4,)]


def test_trainable_is_read_at_compile() -> None:
    model = stack()
    model.compile(SGD(0.1), "mse")
    model.layers[0].trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="Discrepancy between trainable weights and collected") as caught:
        model.fit(*data(), verbose=0)
    assert caught[0].filename == __file__
    assert not same(before[:2], model.get_weights()[:2])
    model.compile(SGD(0.1), "mse")
    before = model.get_weights()
    model.fit(*data(), verbose=0)
    assert same(before[:2], model.get_weights()[:2])


def test_trainable_is_read_at_compile_of_a_model_that_is_not_built() -> None:
    model = Sequential([layers.Dense(4), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile(SGD(0.1), "mse")
    model.train_on_batch(*data())
    before = model.get_weights()
    model.train_on_batch(*data())
    assert same(before[:2], model.get_weights()[:2])
    assert not same(before[2:], model.get_weights()[2:])


def test_a_frozen_model_is_frozen_whole_and_cannot_lose() -> None:
    model = stack()
    model.trainable = False
    model.compile(SGD(0.1), "mse")
    before = model.get_weights()
    model.fit(*data(), epochs=2, verbose=0)
    assert same(before, model.get_weights())


def test_two_models_share_layers_and_are_trained_in_turn() -> None:
    generator, critic = stack(), Sequential([Input((1,)), layers.Dense(3, "relu"), layers.Dense(1)])
    critic.compile(SGD(0.1), "mse")
    critic.trainable = False
    start = Input((3,))
    whole = Model(start, critic(generator(start)))
    whole.compile(SGD(0.1), "mse")
    x, y = data()
    for _ in range(3):
        made = generator.predict(x)
        judged, making = critic.get_weights(), generator.get_weights()
        critic.train_on_batch(made, y)
        assert not same(judged, critic.get_weights())
        assert same(making, generator.get_weights())
        judged = critic.get_weights()
        whole.train_on_batch(x, y)
        assert same(judged, critic.get_weights())
        assert not same(making, generator.get_weights())
    np.testing.assert_allclose(whole.predict(x), critic.predict(generator.predict(x)), rtol=1e-4, atol=1e-6)


def test_two_models_train_the_same_layers_in_turn_as_one_would() -> None:
    x, y = data()
    inner = linear(optimizer=SGD(0.1))
    start = Input((3,))
    outer = Model(start, inner(start))
    outer.compile(SGD(0.1), "mse")
    alone = linear(optimizer=SGD(0.1))
    alone.set_weights(inner.get_weights())
    for _ in range(3):
        for model in (inner, outer):
            model.train_on_batch(x, y)
            alone.train_on_batch(x, y)
            assert same(alone.get_weights(), inner.get_weights())
            assert same(alone.get_weights(), outer.get_weights())


def test_another_model_is_trained_in_a_callback() -> None:
    x, y = data(4)
    inner = linear(optimizer=SGD(0.01))
    start = Input((3,))
    outer = Model(start, inner(start))
    outer.compile(SGD(0.01), "mse")
    alone = linear(optimizer=SGD(0.01))
    alone.set_weights(inner.get_weights())

    class Also(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            outer.train_on_batch(x, y)

    inner.fit(x, y, 2, 2, shuffle=False, verbose=0, callbacks=[Also()])
    for rows in (slice(0, 2), slice(2, 4)) * 2:
        alone.train_on_batch(x[rows], y[rows])
        alone.train_on_batch(x, y)
    for left, right in zip(inner.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("call", ["train_on_batch", "test_on_batch"])
def test_single_batches_in_a_callback_leave_the_fit_alone(call: str) -> None:
    x, _ = data(8)
    y = np.arange(8) % 2

    class Also(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            getattr(self.model, call)(x * 50, y)

    model = linear()
    weights = np.where(y == 1, 3.0, 1.0)
    expected = (squares(model, x, y[:, None]) * weights).mean()
    history = model.fit(x, y, 2, class_weight={0: 1.0, 1: 3.0}, verbose=0, callbacks=[Also()]).history
    assert history["loss"] == [pytest.approx(expected, rel=1e-6)]


def test_a_fit_in_a_callback_leaves_the_settings_of_the_fit_around_it() -> None:
    x, _ = data(8)
    y = np.arange(8) % 2

    class Again(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if self.model.session is outer[0]:
                self.model.fit(x, y, verbose=0)

        def on_train_begin(self, logs: Any = None) -> None:
            outer.append(self.model.session)

    outer: list[Any] = []
    model = linear()
    expected = (squares(model, x, y[:, None]) * np.where(y == 1, 3.0, 1.0)).mean()
    history = model.fit(x, y, 2, 2, class_weight={0: 1.0, 1: 3.0}, verbose=0, callbacks=[Again()])
    assert history.history["loss"] == pytest.approx([expected] * 2, rel=1e-6)
    assert model.session is None
