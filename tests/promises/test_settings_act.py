"""A changed setting of an optimizer takes effect with the next step, or the change is refused."""

from __future__ import annotations

import copy
import inspect
import itertools
from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers, optimizers
from streamfit.callbacks import LambdaCallback, ReduceLROnPlateau

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(24, 3)).astype("float32"), RNG.normal(size=(24, 2)).astype("float32")
X *= np.linspace(3, 0.1, 24, dtype="float32")[:, None]  # gradients that get smaller
NOTHING = np.zeros((24, 3), "float32")
START = [RNG.normal(size=(3, 2)).astype("float32"), RNG.normal(size=2).astype("float32")]
FREE: list[Any] = [  # (setting, before, after, settings beside it)
    ("learning_rate", 0.01, 0.05, {}),
    ("learning_rate", 0.01, optimizers.schedules.InverseTimeDecay(0.05, 1, 0.5), {}),
    ("decay", 0.0, 0.5, {}),
    ("decay", 0.5, 0.0, {}),
    ("weight_decay", None, 0.5, {}),
    ("weight_decay", 0.5, None, {}),
    ("weight_decay", 0.5, 0.1, {}),
    ("clipnorm", None, 0.01, {}),
    ("clipnorm", 0.01, None, {}),
    ("clipvalue", None, 0.01, {}),
    ("clipvalue", 0.1, 0.01, {}),
    ("global_clipnorm", None, 0.01, {}),
    ("global_clipnorm", 0.01, None, {}),
]
OWN: dict[str, list[Any]] = {
    "SGD": [
        ("momentum", 0.0, 0.9, {}),
        ("momentum", 0.9, 0.0, {}),
        ("momentum", 0.9, 0.5, {}),
        ("nesterov", False, True, {"momentum": 0.9}),
        ("nesterov", True, False, {"momentum": 0.9}),
        ("momentum", 0.0, 0.9, {"nesterov": True}),
    ],
    "RMSprop": [
        ("rho", 0.9, 0.5, {}),
        ("momentum", 0.0, 0.9, {}),
        ("momentum", 0.9, 0.0, {}),
        ("momentum", 0.9, 0.0, {"centered": True}),
        ("centered", False, True, {}),
        ("centered", True, False, {"momentum": 0.5}),
        ("epsilon", 1e-7, 0.1, {}),
    ],
    "Adam": [
        ("beta_1", 0.9, 0.5, {}),
        ("beta_1", 0.9, 0.0, {}),
        ("beta_2", 0.999, 0.5, {}),
        ("epsilon", 1e-7, 0.1, {}),
        ("amsgrad", False, True, {"beta_2": 0.3}),
        ("amsgrad", True, False, {"beta_2": 0.3}),
    ],
    "Adamax": [("beta_1", 0.9, 0.5, {}), ("beta_2", 0.999, 0.5, {}), ("epsilon", 1e-7, 0.1, {})],
    "Nadam": [("beta_2", 0.999, 0.5, {}), ("epsilon", 1e-7, 0.1, {})],
    "Adagrad": [("epsilon", 1e-7, 0.5, {})],
    "Adadelta": [("rho", 0.95, 0.5, {}), ("epsilon", 1e-7, 0.1, {})],
}
OWN["AdamW"] = OWN["LazyAdam"] = OWN["Adam"]
CLASSES = {
    name: kind
    for name, kind in vars(optimizers).items()
    if inspect.isclass(kind) and kind is not optimizers.Optimizer and issubclass(kind, optimizers.Optimizer)
}
CHANGES = [
    pytest.param(name, *change, id=f"{name}-{change[0]}-{change[1]}-{str(change[2])[:12]}")
    for name in CLASSES
    for change in FREE + OWN[name]
]


def network(optimizer: Any) -> Sequential:
    model = Sequential([layers.Dense(2, input_shape=(3,))])
    model.compile(optimizer, "mse")
    model.set_weights(START)
    return model


def without_gradient(model: Sequential) -> None:
    """Finish three steps that leave every moment at its first value, and go back to the start."""
    start = [START[0], np.zeros(2, "float32")]
    model.set_weights(start)
    model.fit(NOTHING, np.zeros((24, 2), "float32"), batch_size=8, verbose=0)
    model.set_weights(START)


def trained(model: Sequential, one_by_one: bool = False) -> bytes:
    if one_by_one:
        for first in range(0, 24, 4):
            model.train_on_batch(X[first : first + 4], Y[first : first + 4])
    else:
        model.fit(X, Y, batch_size=4, shuffle=False, verbose=0)
    return b"".join(weight.tobytes() for weight in model.get_weights())


def options_of(name: str, setting: str, value: Any, beside: dict[str, Any]) -> dict[str, Any]:
    return (
        {"learning_rate": 0.01}
        | ({"weight_decay": None} if name == "AdamW" else {})
        | beside
        | {setting: value}
    )


@pytest.mark.parametrize(("name", "setting", "before", "after", "beside"), CHANGES)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_setting_counts_from_the_next_step(
    name: str, setting: str, before: Any, after: Any, beside: dict[str, Any], one_by_one: bool
) -> None:
    changed = CLASSES[name](**options_of(name, setting, before, beside))
    model = network(changed)
    without_gradient(model)
    setattr(changed, setting, after)
    read = getattr(changed, setting)
    assert read == (after if not callable(after) else after(3))
    wanted = network(CLASSES[name](**options_of(name, setting, after, beside)))
    untouched = network(CLASSES[name](**options_of(name, setting, before, beside)))
    for other in (wanted, untouched):
        without_gradient(other)
    got = trained(model, one_by_one)
    assert got == trained(wanted, one_by_one)
    assert got != trained(untouched, one_by_one)
    assert changed.iterations == 9


@pytest.mark.parametrize(("name", "setting", "before", "after", "beside"), CHANGES)
def test_a_setting_that_is_set_and_set_back_changes_nothing(
    name: str, setting: str, before: Any, after: Any, beside: dict[str, Any]
) -> None:
    if callable(after):
        return  # a schedule stays
    pair = [network(CLASSES[name](**options_of(name, setting, before, beside))) for _ in range(2)]
    for model in pair:
        trained(model)
    setattr(pair[0].optimizer, setting, after)
    setattr(pair[0].optimizer, setting, before)
    assert trained(pair[0]) == trained(pair[1])


def test_every_setting_of_every_optimizer_is_tried() -> None:
    tried = {"lr", "name", "initial_accumulator_value"}
    for name, kind in CLASSES.items():
        known = {change[0] for change in FREE + OWN[name]} | tried
        missing = set(kind().get_config()) - known
        assert missing <= ({"beta_1"} if name == "Nadam" else set()), name


def test_nadams_momentum_acts_too() -> None:
    pair = [network(optimizers.Nadam(0.01)) for _ in range(2)]
    for model in pair:
        trained(model)
    pair[0].optimizer.beta_1 = 0.1
    assert trained(pair[0]) != trained(pair[1])


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_train_batch_begin", "on_batch_end", "on_epoch_end"])
def test_a_callback_may_warm_momentum_up(hook: str) -> None:
    count = itertools.count()

    def change(number: int, logs: Any) -> None:
        next(count)
        model.optimizer.momentum = 0.9

    model, plain = network(optimizers.SGD(0.01)), network(optimizers.SGD(0.01))
    model.fit(X, Y, 4, 2, verbose=0, shuffle=False, callbacks=[LambdaCallback(**{hook: change})])
    plain.fit(X, Y, 4, 2, verbose=0, shuffle=False)
    assert next(count) > 0
    assert not np.allclose(model.get_weights()[0], plain.get_weights()[0], atol=1e-4)


def test_settings_act_after_evaluation_and_prediction_alone() -> None:
    model, wanted = network(optimizers.SGD(0.01)), network(optimizers.SGD(0.01, momentum=0.9))
    model.evaluate(X, Y, verbose=0)
    model.predict(X)
    model.optimizer.momentum = 0.9
    assert trained(model) == trained(wanted)


def test_what_cannot_act_any_more_is_refused() -> None:
    optimizer = optimizers.Adagrad(0.1, initial_accumulator_value=0.2)
    optimizer.initial_accumulator_value = 0.3  # nothing has begun yet
    model = network(optimizer)
    assert trained(model) == trained(network(optimizers.Adagrad(0.1, initial_accumulator_value=0.3)))
    optimizer.initial_accumulator_value = 0.3
    with pytest.raises(AttributeError, match=r"initial_accumulator_value cannot be set to 0\.5.*new Adagrad"):
        optimizer.initial_accumulator_value = 0.5
    assert optimizer.initial_accumulator_value == 0.3


def test_two_kinds_of_clipping_are_refused() -> None:
    optimizer = optimizers.SGD(clipnorm=1.0)
    with pytest.raises(ValueError, match=r"clipnorm is 1\.0; set clipnorm = None before clipvalue = 0\.5"):
        optimizer.clipvalue = 0.5
    assert (optimizer.clipnorm, optimizer.clipvalue) == (1.0, None)
    optimizer.clipnorm = None
    optimizer.clipvalue = 0.5
    assert (optimizer.clipnorm, optimizer.clipvalue) == (None, 0.5)
    with pytest.raises(ValueError, match="clipvalue must be positive, got 0"):
        optimizer.clipvalue = 0


@pytest.mark.parametrize(
    ("make", "name", "hint"),
    [
        (optimizers.SGD, "momentun", "Did you mean 'momentum'?"),
        (optimizers.Adam, "momentum", "Its settings are amsgrad, beta_1,"),
        (optimizers.Adam, "beta1", "Did you mean 'beta_1'?"),
        (optimizers.RMSprop, "nesterov", "Its settings are centered, "),
        (optimizers.Nadam, "amsgrad", "Its settings are beta_1,"),
        (optimizers.SGD, "use_ema", "no setting 'use_ema', so use_ema = 1 would do nothing"),
    ],
)
def test_a_name_that_is_no_setting_is_refused(make: Any, name: str, hint: str) -> None:
    with pytest.raises(AttributeError) as refused:
        setattr(make(), name, 1)
    assert hint in str(refused.value)


def test_wrong_values_are_refused_and_change_nothing() -> None:
    optimizer = optimizers.SGD(momentum=0.5, decay=0.1, weight_decay=0.1)
    for name, value in (("momentum", 1.5), ("decay", -1), ("weight_decay", -1), ("iterations", -1)):
        before = getattr(optimizer, name)
        with pytest.raises(ValueError, match=f"{name} must be .*{value}"):
            setattr(optimizer, name, value)
        assert getattr(optimizer, name) == before
    with pytest.raises(TypeError, match=r"iterations must be a whole number, got 2\.5"):
        optimizer.iterations = 2.5  # type: ignore[assignment]


class Scaled(optimizers.SGD):
    """A subclass with a setting of its own, which its step reads when it is bound."""

    def __init__(self, factor: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def step(self, weights: Any, grads: Any, step_state: Any) -> Any:
        return super().step(weights, grads, step_state) * self.factor


def test_settings_of_ones_own_act_too() -> None:
    model, wanted = network(Scaled(1, learning_rate=0.01)), network(Scaled(3, learning_rate=0.01))
    for one in (model, wanted):
        without_gradient(one)
    model.optimizer.factor = 3
    assert trained(model) == trained(wanted)


# -- compiling again ------------------------------------------------------------------------------


def deep(optimizer: Any) -> Sequential:
    model = Sequential([layers.Dense(3, name=f"layer_{i}", input_shape=(3,)) for i in range(3)])
    model.compile(optimizer, "mse")
    return model


def moved_by_momentum(model: Sequential) -> list[bool]:
    """Return for each layer whether a step without gradient moves it, as only optimizer state can."""
    before = model.get_weights()
    rate, model.optimizer.learning_rate = model.optimizer.learning_rate, 0.0
    model.train_on_batch(X[:4], X[:4])
    model.optimizer.learning_rate = rate
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    return (
        [any(pair) for pair in itertools.batched(changed, 2)]
        if hasattr(itertools, "batched")
        else [changed[i] or changed[i + 1] for i in range(0, len(changed), 2)]
    )


def test_state_goes_with_the_weights_and_new_ones_start_at_zero() -> None:
    model = deep(optimizers.SGD(0.01, momentum=0.9))
    model.layers[2].trainable = False
    model.compile(model.optimizer, "mse")
    model.fit(X, X, batch_size=4, verbose=0)
    assert moved_by_momentum(model) == [True, True, False]
    model.layers[0].trainable, model.layers[2].trainable = False, True  # as many weights as before
    model.compile(model.optimizer, "mse")
    assert moved_by_momentum(model) == [False, True, False]
    model.layers[0].trainable = True
    model.compile(model.optimizer, "mse")
    assert moved_by_momentum(model) == [False, True, False]
    assert model.optimizer.iterations == 6 + 3


def test_all_frozen_for_a_while_keeps_the_steps() -> None:
    model = deep(optimizers.Adam(0.01))
    model.fit(X, X, batch_size=4, verbose=0)
    model.trainable = False
    model.compile(model.optimizer, "mse")
    model.fit(X, X, batch_size=4, verbose=0)
    model.trainable = True
    model.compile(model.optimizer, "mse")
    model.fit(X, X, batch_size=4, verbose=0)
    assert model.optimizer.iterations == 18


def test_layers_that_are_added_start_at_zero_without_harm_to_the_others() -> None:
    model = deep(optimizers.SGD(0.01, momentum=0.9))
    model.fit(X, X, batch_size=4, verbose=0)
    model.pop()
    model.add(layers.Dense(3))
    model.compile(model.optimizer, "mse", metrics=["mae"])
    assert moved_by_momentum(model) == [True, True, False]
    assert model.optimizer.iterations == 7


@pytest.mark.parametrize("kind", [optimizers.Adam, optimizers.Nadam, optimizers.Adadelta, optimizers.RMSprop])
@pytest.mark.parametrize(
    "how", ["metrics", "loss", "twice", "between other optimizers", "other model between"]
)
def test_the_same_object_goes_on_to_the_bit(kind: Any, how: str) -> None:
    models = [deep(kind(optimizers.schedules.ExponentialDecay(0.05, 3, 0.5))) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        model.fit(X, X, batch_size=4, verbose=0, shuffle=False)
    again = models[0]
    optimizer = again.optimizer
    steps, rate = optimizer.iterations, float(optimizer.learning_rate)
    if how == "between other optimizers":
        again.compile("sgd", "mse")
        assert again.optimizer.iterations == 0
    if how == "other model between":
        deep(optimizer).fit(X, X, batch_size=8, verbose=0)
        assert optimizer.iterations == 3
        assert again.optimizer.iterations == steps
    again.compile(optimizer, "mse", metrics=["mae"] if how == "metrics" else None)
    if how == "twice":
        again.compile(optimizer, "mse")
    assert (optimizer.iterations, float(optimizer.learning_rate)) == (steps, rate) == (6, 0.05 * 0.25)
    for model in models:
        model.fit(X, X, batch_size=4, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(*(m.get_weights() for m in models), strict=True))


def test_a_reduced_rate_is_kept() -> None:
    model = deep(optimizers.SGD(0.5))
    plateau = ReduceLROnPlateau(monitor="loss", factor=0.1, patience=1, min_delta=1e9)
    model.fit(X, X, epochs=3, verbose=0, callbacks=[plateau])
    rate = model.optimizer.learning_rate
    assert rate < 0.5
    model.compile(model.optimizer, "mse")
    assert model.optimizer.learning_rate == rate


def test_steps_that_were_set_by_hand_count() -> None:
    optimizer = optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([999], [1.0, 0.0]))
    optimizer.iterations = np.int64(1000)
    model = deep(optimizer)
    before = model.get_weights()
    model.fit(X, X, batch_size=8, verbose=0)
    assert optimizer.iterations == 1003
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    optimizer.iterations = 0
    model.fit(X, X, batch_size=8, verbose=0)
    assert optimizer.iterations == 3
    assert not np.array_equal(before[0], model.get_weights()[0])


def test_a_name_a_copy_or_another_object_starts_afresh() -> None:
    model = deep("adam")
    model.fit(X, X, verbose=0)
    old = model.optimizer
    for optimizer in ("adam", optimizers.Adam(), optimizers.Adam.from_config(old.get_config())):
        model.compile(optimizer, "mse")
        assert model.optimizer.iterations == 0
        assert not model.optimizer.state
    assert old.iterations == 1


def test_reset_counts_in_a_model_that_was_trained() -> None:
    model, fresh = network(optimizers.Adam(0.01)), network(optimizers.Adam(0.01))
    trained(model)
    model.optimizer.reset()
    model.set_weights(START)
    assert model.optimizer.iterations == 0
    assert trained(model) == trained(fresh)


def test_an_optimizer_can_be_copied_with_what_it_remembers() -> None:
    model = network(optimizers.Adam(0.01))
    trained(model)
    twin = copy.deepcopy(model.optimizer)
    assert twin.iterations == 6
    assert {name: v.tobytes() for name, v in twin.state.items()} == {
        name: v.tobytes() for name, v in model.optimizer.state.items()
    }


# -- layers ---------------------------------------------------------------------------------------


SMALL = X / 4


class Power(layers.Layer):
    """A user's layer whose call reads a setting and writes another attribute."""

    def __init__(self, power: float) -> None:
        super().__init__()
        self.power, self.calls = power, 0

    def call(self, x: Any) -> Any:
        self.calls += 1
        return x**self.power


LAYERS: list[Any] = [
    (lambda: layers.Dropout(0.5), "rate", 0.25),
    (lambda: layers.Dropout(0.5), "rate", 0.0),
    (lambda: layers.GaussianNoise(0.1), "stddev", 0.5),
    (lambda: layers.LeakyReLU(0.1), "negative_slope", 0.3),
    (lambda: layers.ELU(1.0), "alpha", 0.5),
    (lambda: layers.ReLU(), "max_value", 0.5),
    (lambda: layers.Rescaling(1.0), "scale", 2.0),
    (lambda: layers.Dense(3, activation="relu", kernel_initializer="identity"), "activation", "tanh"),
    (lambda: layers.Activation("relu"), "activation", "tanh"),
    (lambda: Power(2), "power", 3),
]


def with_layer(make: Any) -> tuple[Sequential, Any]:
    layer = make()
    model = Sequential([layers.Dense(3, input_shape=(3,), kernel_initializer="identity"), layer])
    model.add(layers.Dense(2, kernel_initializer="ones"))
    model.compile(optimizers.SGD(0.001), "mse")
    return model, layer


@pytest.mark.parametrize(
    ("make", "setting", "value"), LAYERS, ids=[f"{e[1]}-{e[2]}-{i}" for i, e in enumerate(LAYERS)]
)
@pytest.mark.parametrize("how", ["between fits", "in a callback"])
def test_a_setting_of_a_layer_counts_from_the_next_step(
    make: Any, setting: str, value: Any, how: str
) -> None:
    def run(when: str) -> list[Any]:
        model, layer = with_layer(make)
        if when == "at first":
            setattr(layer, setting, value)
        rate, model.optimizer.learning_rate = model.optimizer.learning_rate, 0.0
        model.fit(SMALL, Y, batch_size=8, verbose=0, seed=3)
        model.optimizer.learning_rate = rate
        model.evaluate(SMALL, Y, verbose=0)
        if when == "between fits":
            setattr(layer, setting, value)
        begin = LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(layer, setting, value))
        calls = [begin] if when == "in a callback" else []
        history = model.fit(
            SMALL, Y, batch_size=8, epochs=2, verbose=0, seed=4, callbacks=calls, validation_data=(SMALL, Y)
        )
        seen = [*history.history["loss"], *history.history["val_loss"], model.evaluate(SMALL, Y, verbose=0)]
        return [*seen, model.predict(SMALL).tobytes(), model.optimizer.iterations]

    got, wanted, untouched = run(how), run("at first"), run("never")
    assert got == wanted
    assert got != untouched


def test_settings_of_layers_cost_nothing_when_they_do_not_change() -> None:
    model, layer = with_layer(lambda: Power(2))
    model.fit(X, Y, batch_size=4, verbose=0)
    calls = layer.calls
    model.fit(X, Y, batch_size=4, epochs=5, verbose=0)
    for first in range(0, 20, 4):
        model.train_on_batch(X[first : first + 4], Y[first : first + 4])
    assert layer.calls == calls


@pytest.mark.parametrize(
    ("make", "setting", "value"),
    [
        (lambda: layers.Dense(3), "units", 5),
        (lambda: layers.Dense(3), "use_bias", False),
        (lambda: layers.Dense(3), "kernel_regularizer", "l2"),
        (lambda: layers.Dense(3), "dtype", "float64"),
        (lambda: layers.Reshape((3, 1)), "target_shape", (1, 3)),
        (lambda: layers.Dropout(0.5, seed=1), "seed", 2),
    ],
)
def test_what_counted_when_a_layer_was_built_is_refused(make: Any, setting: str, value: Any) -> None:
    layer = make()
    Sequential([layers.Dense(3, input_shape=(3,)), layer])
    before = getattr(layer, setting)
    with pytest.raises(
        AttributeError, match=rf"{setting} of layer .* cannot be set to .*make a new {type(layer).__name__}"
    ):
        setattr(layer, setting, value)
    assert getattr(layer, setting) == before
    with pytest.raises(ValueError, match="rate must be"):
        layers.Dropout(0.5).rate = 1.5
