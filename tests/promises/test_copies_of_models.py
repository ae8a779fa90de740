"""Models, trained or not, and objects that hold them can be pickled and deep-copied; copies train alike."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import cloudpickle
import numpy as np
import pytest
from oracles.leaks import nothing_left_behind

import streamfit as sf
from streamfit import Input, Model, Sequence, Sequential, callbacks, layers, losses, metrics, ops, optimizers

pytestmark = [pytest.mark.timeout(60)]

RNG = np.random.default_rng(5)
X = RNG.normal(size=(48, 5)).astype("float32")
Y = X[:, :1] * 2 + 1

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda item: pickle.loads(pickle.dumps(item)),
    "cloudpickle": lambda item: cloudpickle.loads(cloudpickle.dumps(item)),
    "deepcopy": copy.deepcopy,
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))


class Largest(metrics.Metric):
    """A metric that is not computed by the program."""

    def __init__(self, name: str = "largest") -> None:
        super().__init__(name)
        self.value = self.add_variable(())

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.value.assign(max(float(self.value), float(np.max(y_pred))))

    def result(self) -> float:
        return float(self.value)


class Own(Model):
    def __init__(self) -> None:
        super().__init__()
        self.low, self.drop, self.high = layers.Dense(7, "tanh"), layers.Dropout(0.3), layers.Dense(1)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.high(self.drop(self.low(x), training=training))


def stack() -> Sequential:
    return Sequential(
        [layers.Dense(7, "relu", kernel_regularizer="l2"), layers.Dropout(0.3), layers.Dense(1)]
    )


def shared() -> Model:
    start = Input((5,))
    inner = layers.Dense(5, "tanh")
    return Model(start, layers.Dense(1)(ops.add(inner(inner(start)), start)))


def nested() -> Model:
    start = Input((5,))
    inner = Sequential([layers.Dense(4, "selu", input_shape=(5,)), layers.GaussianNoise(0.1)])
    return Model(start, layers.Dense(1)(layers.concatenate([inner(start), start])))


MAKERS: dict[str, Callable[[], Model]] = {"own": Own, "stack": stack, "shared": shared, "nested": nested}


def compiled(make: Callable[[], Model], optimizer: Any = "adam") -> Model:
    sf.set_random_seed(4)
    model = make()
    model.compile(optimizer, "huber", metrics=["mae", Largest(), metrics.MeanSquaredError(name="square")])
    return model


def bits(model: Model) -> list[bytes]:
    return [array.tobytes() for array in [*model.get_weights(), *model.optimizer.state.values()]]


def go_on(model: Model) -> Any:
    """Continue with everything that a model keeps: running results, dropout, steps, rate, optimizer state."""
    single = [model.train_on_batch(X[:9], Y[:9], reset_metrics=False) for _ in range(3)]
    history = model.fit(X, Y, 16, epochs=2, verbose=0, seed=7, validation_split=0.2).history
    looks = model.evaluate(X, Y, verbose=0), model.predict(X).tobytes()
    return single, history, looks, model.optimizer.iterations, bits(model)


@ways
@pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))
def test_a_copy_of_a_trained_model_goes_on_alike(make: Callable[[], Model], way: Any) -> None:
    model = compiled(make)
    model.fit(X, Y, 16, epochs=2, verbose=0)
    model.train_on_batch(X[:9], Y[:9])
    twin = way(model)
    assert twin.predict(X).tobytes() == model.predict(X).tobytes()
    assert twin.metrics_names == model.metrics_names
    assert go_on(twin) == go_on(model)


@ways
@pytest.mark.parametrize(
    "optimizer",
    [
        "rmsprop",
        "adagrad",
        optimizers.SGD(0.01, momentum=0.9, nesterov=True),
        optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 5, 0.5)),
        optimizers.Adam(0.01, amsgrad=True, weight_decay=0.01, clipnorm=1.0),
        optimizers.SGD(0.01, decay=0.1),
    ],
)
def test_the_state_of_the_optimizer_travels(optimizer: Any, way: Any) -> None:
    model = compiled(stack, way(optimizer))
    model.fit(X, Y, 16, epochs=2, verbose=0)
    if not model.optimizer.follows_schedule:
        model.optimizer.learning_rate = 0.003
    assert go_on(way(model)) == go_on(model)


@ways
@pytest.mark.parametrize("stage", ["made", "compiled", "asked"])
def test_a_model_before_its_first_step_can_be_copied(stage: str, way: Any) -> None:
    for make in MAKERS.values():
        model = make() if stage == "made" else compiled(make)
        if stage == "asked":
            model.predict(X)
        twin = way(model)
        if model.weights and not isinstance(model, Own):
            assert twin.predict(X).tobytes() == model.predict(X).tobytes()
        twin.compile("sgd", "mse")
        assert np.isfinite(twin.fit(X, Y, verbose=0).history["loss"]).all()
        assert len(twin.weights) == len(make_built(make).weights)


def make_built(make: Callable[[], Model]) -> Model:
    model = make()
    model.predict(X)
    return model


@ways
def test_deep_models_can_be_copied(way: Any) -> None:
    start = Input((5,))
    end = start
    for _ in range(120):
        end = ops.relu(layers.Dense(5)(end) + end)
    for model in (
        Model(start, end),
        Sequential([layers.Dense(5, input_shape=(5,)), *[layers.Dense(5) for _ in range(120)]]),
    ):
        assert way(model).predict(X).tobytes() == model.predict(X).tobytes()


@ways
def test_what_models_share_stays_shared(way: Any) -> None:
    noise, sample = Input((5,)), Input((4,))
    generator = Model(noise, layers.Dense(4)(noise))
    judge = Model(sample, layers.Dense(1, "sigmoid")(sample))
    judge.compile("sgd", "binary_crossentropy")
    whole = Model(noise, judge(generator(noise)))
    whole.compile("adam", "binary_crossentropy")
    whole.fit(X, np.ones((48, 1)), verbose=0)
    made, judging, both = way((generator, judge, whole))
    before = made.predict(X)
    both.fit(X, np.ones((48, 1)), verbose=0)
    assert (made.predict(X) != before).any()
    np.testing.assert_allclose(both.predict(X), judging.predict(made.predict(X)), rtol=1e-5)
    assert (generator.predict(X) == before).all()  # the originals are unchanged


@ways
def test_a_copy_from_the_middle_of_fit_goes_on_from_there(way: Any) -> None:
    copies: list[Any] = []

    class Keeps(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 1:
                copies.append((way(self.model), self.model.get_weights(), self.model.optimizer.iterations))

        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            copies.append((way(self.model), self.model.get_weights(), self.model.optimizer.iterations))

    how = {"epochs": 2, "verbose": 0, "seed": 1, "validation_split": 0.3}
    alone = compiled(stack)
    history = alone.fit(X, Y, 16, **how).history
    model, keeps = compiled(stack), Keeps()
    assert model.fit(X, Y, 16, **how, callbacks=[keeps]).history == history
    assert bits(model) == bits(alone)
    assert len(copies) == 4
    for twin, weights, steps in copies:
        assert twin.session is None
        assert all((a == b).all() for a, b in zip(twin.get_weights(), weights, strict=True))
        assert twin.optimizer.iterations == steps
        twin.fit(X, Y, 16, verbose=0)


@ways
def test_a_copy_made_beside_a_training_is_of_one_moment(way: Any) -> None:
    sf.set_random_seed(4)
    model = Sequential([layers.Dense(64, "tanh", input_shape=(5,)), layers.Dense(1)])
    model.compile("adam", "mse")
    moments: set[tuple[bytes, ...]] = set()

    class Notes(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            moments.add((model.optimizer.iterations, *bits(model)))  # type: ignore[arg-type]

    end, copies = threading.Event(), []

    def keep() -> None:
        while not end.is_set():
            copies.append(way(model))

    thread = threading.Thread(target=keep, daemon=True)
    model.fit(X, Y, 4, verbose=0, seed=1, callbacks=[Notes()])
    thread.start()
    model.fit(X, Y, 4, epochs=20, verbose=0, seed=1, callbacks=[Notes()])
    end.set()
    thread.join(30)
    assert copies
    assert all((twin.optimizer.iterations, *bits(twin)) in moments for twin in copies)


class Holder(Sequence):
    """Data that hold a model, a history and a callback."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model, self.history = model, model.history
        self.callback = callbacks.EarlyStopping(monitor="loss")
        self.callback.set_model(model)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        self.model.train_on_batch(X[:8], Y[:8])  # changes the worker's own copy
        return self.callback.model.predict(X), np.ones((48, 1))


@ways
def test_what_holds_a_model_can_be_copied(way: Any) -> None:
    model = compiled(stack)
    history = model.fit(X, Y, 16, epochs=2, verbose=0, validation_split=0.2)
    twin = way(history)
    assert (twin.history, twin.epoch, twin.seed) == (history.history, history.epoch, history.seed)
    assert [str(receipt) for receipt in twin.receipts] == [str(receipt) for receipt in history.receipts]
    assert twin.model.predict(X).tobytes() == model.predict(X).tobytes()
    assert twin.model.history is twin
    for holder in (
        callbacks.EarlyStopping(monitor="loss", restore_best_weights=True),
        callbacks.ReduceLROnPlateau(monitor="loss"),
        callbacks.TerminateOnNaN(),
        callbacks.ModelCheckpoint("w.safetensors", save_weights_only=True),
    ):
        holder.set_model(model)
        assert way(holder).model.predict(X).tobytes() == model.predict(X).tobytes()
    layer = way(model.layers[0])
    assert (layer(X) == model.layers[0](X)).all()
    for part in (model.optimizer, model.loss, *model.metrics, losses.Huber(), metrics.AUC()):
        assert type(way(part)) is type(part)


def test_data_that_hold_a_model_travel_to_worker_processes() -> None:
    model = compiled(stack)
    model.fit(X, Y, 16, verbose=0)
    before = bits(model)
    through = Sequential([layers.Flatten(input_shape=(1,))])
    with nothing_left_behind():
        got = through.predict(Holder(model), workers=1, use_multiprocessing=True)
    assert bits(model) == before
    twin = copy.deepcopy(model)
    want = []
    for _ in range(3):
        twin.train_on_batch(X[:8], Y[:8])
        want.append(twin.predict(X))
    np.testing.assert_array_equal(got, np.concatenate(want))


def test_a_shallow_copy_is_a_second_name() -> None:
    model = compiled(stack)
    model.fit(X, Y, 16, verbose=0)
    name = copy.copy(model)
    assert type(name) is type(model)
    model.train_on_batch(X[:8], Y[:8])
    assert name.predict(X).tobytes() == model.predict(X).tobytes()
    assert name.optimizer is model.optimizer
