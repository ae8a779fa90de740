"""Learning rates that depend on the step, where many steps run in one native call: the bits of one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers, optimizers, set_random_seed
from streamfit.callbacks import BackupAndRestore, Callback, TerminateOnNaN
from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.optimizers import schedules
from streamfit.streams import Batch

SAMPLES = 210 if JIT_ENABLED else 42
X = np.random.default_rng(0).normal(size=(SAMPLES, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
STEPS = SAMPLES // 2


class Listener(Callback):
    """Listens to every batch, so that steps are not joined."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        pass


def compiled(optimizer: Any) -> Sequential:
    set_random_seed(4)
    model = Sequential([layers.Dense(4, "tanh", input_shape=(3,)), layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def bits(model: Sequential) -> list[Any]:
    optimizer = model.optimizer
    vectors = [*model.get_weights(), *optimizer.state.values(), optimizer.hyper]
    return [*(vector.tobytes() for vector in vectors), optimizer.iterations, optimizer.learning_rate]


def fitted(make: Callable[[], Any], *callbacks: Any, epochs: int = 3, batch_size: int = 2) -> list[Any]:
    model = compiled(make())
    history = model.fit(X, Y, batch_size, epochs, verbose=0, seed=1, callbacks=list(callbacks))
    return [*bits(model), history.history]


def joined_sizes(model: Sequential, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    runner, sizes = model.runner(), list[int]()
    train = runner.train
    monkeypatch.setattr(runner, "train", lambda batch: (sizes.append(batch.steps), train(batch)))
    return sizes


RATES: dict[str, Callable[[], Any]] = {
    "exponential": lambda: optimizers.Adam(schedules.ExponentialDecay(0.1, 7, 0.9)),
    "staircase": lambda: optimizers.RMSprop(schedules.InverseTimeDecay(0.01, 7, 0.9, staircase=True)),
    "pieces": lambda: optimizers.SGD(schedules.PiecewiseConstantDecay([3, 70], [0.1, 0.05, 0.01]), 0.9),
    "polynomial": lambda: optimizers.Adam(schedules.PolynomialDecay(0.1, 31, power=1.7, cycle=True)),
    "cosine": lambda: optimizers.Adam(schedules.CosineDecay(0.01, 150, 0.1, 0.1, 20), weight_decay=0.01),
    "restarts": lambda: optimizers.SGD(schedules.CosineDecayRestarts(0.1, 9, 1.5, 0.8), clipnorm=0.5),
    "function": lambda: optimizers.Adagrad(lambda step: 0.1 / (1 + step) ** 0.3),
    "decay": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, decay=0.03),
    "both": lambda: optimizers.SGD(lambda step: 0.1 * 0.99**step, decay=0.03),
}


@pytest.mark.parametrize("name", RATES)
def test_joined_steps_give_the_same_bits(name: str) -> None:
    assert fitted(RATES[name]) == fitted(RATES[name], Listener())


def test_each_step_takes_the_rate_of_its_own_number() -> None:
    """The gradient of this loss is 1, so that the weight is minus the sum of all rates."""
    model = Sequential([layers.Dense(1, use_bias=False, input_shape=(1,))])
    model.compile(optimizers.SGD(lambda step: 2.0**-step), lambda y, p: p - y)
    model.set_weights([np.zeros((1, 1))])
    model.fit(np.ones((20, 1)), np.zeros((20, 1)), 1, verbose=0)
    assert model.get_weights()[0].item() == -(2.0 - 2.0**-19)


@pytest.mark.parametrize("name", ["exponential", "function", "decay"])
def test_steps_are_joined(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled(RATES[name]())
    model.fit(X, Y, 2, verbose=0)
    sizes = joined_sizes(model, monkeypatch)
    model.fit(X, Y, 2, epochs=2, verbose=0)
    assert sum(sizes) == 2 * STEPS
    assert max(sizes) > 10


@pytest.mark.parametrize("listeners", [0, 1])
@pytest.mark.parametrize("last", [1, 9, STEPS - 1, STEPS + 3])
def test_a_schedule_that_raises_ends_training_at_its_step(last: int, listeners: int) -> None:
    def rate(step: int) -> float:
        if step == last:
            raise LookupError(f"no rate for step {step}")
        return 0.1

    model, wanted = compiled(optimizers.SGD(rate)), compiled(optimizers.SGD(0.1))
    wanted.fit(X, Y, 2, 2, verbose=0, seed=1, callbacks=[Stop(last)])
    with pytest.raises(LookupError, match=f"no rate for step {last}"):
        model.fit(X, Y, 2, 2, verbose=0, seed=1, callbacks=[Listener()] * listeners)
    assert model.optimizer.iterations == last
    assert [w.tobytes() for w in model.get_weights()] == [w.tobytes() for w in wanted.get_weights()]


@pytest.mark.parametrize("asked", [0, 1])
@pytest.mark.parametrize("last", [3, 100])
def test_joined_batches_that_another_thread_or_a_schedule_parts_are_done_once_and_in_order(
    asked: int, last: int
) -> None:
    """Where another thread asks for the end of a step, each call does one step and leaves the rest."""

    def rate(step: int) -> float:
        if step == last:
            raise LookupError("no rate")
        return 0.1 / (1 + step)

    models = [compiled(optimizers.SGD(rate, momentum=0.5)) for _ in range(2)]
    for k in range(min(6, last)):
        models[1].train_on_batch(X[2 * k : 2 * k + 2], Y[2 * k : 2 * k + 2])
    runner = models[0].runner()
    runner.set_up()
    runner.refresh_bindings()
    runner.asked = np.full(1, asked)
    rest: Any = Batch(X[:12], Y[:12], ids=np.arange(12), number=5, size=12, steps=6)
    numbers = []
    try:
        while rest is not None:
            numbers.append(rest.number)
            runner.rest = None
            runner.train(rest)
            rest = runner.rest
    except LookupError:
        assert rest.number == 5 + last
    assert numbers == (list(range(5, 5 + min(6, last + 1))) if asked else [5, 8] if last == 3 else [5])
    found, wanted = (
        [
            array.tobytes()
            for array in (*model.get_weights(), *model.optimizer.state.values(), model.optimizer.hyper)
        ]
        for model in models
    )
    assert found == wanted
    assert models[0].optimizer.iterations == min(6, last)


class Stop(Callback):
    """Stops after a number of steps, counted over epochs."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        self.model.stop_training = self.left == 0


def test_an_interrupt_inside_a_schedule_comes_out_at_once() -> None:
    def rate(step: int) -> float:
        if step == 7:
            raise KeyboardInterrupt
        return 0.1

    model = compiled(optimizers.SGD(rate))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, 2, verbose=0)
    assert model.optimizer.iterations <= 7


def test_what_a_schedule_reads_may_change_between_epochs() -> None:
    class Halve(Callback):
        """Changes what the schedule reads, and sees the new rate at once."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            factor["now"] = 0.5**epoch
            seen.append(self.model.optimizer.learning_rate)

    seen: list[float] = []
    factor = {"now": 1.0}

    def make() -> Any:
        factor["now"] = 1.0
        return optimizers.SGD(lambda step: 0.1 * factor["now"])

    assert fitted(make, Halve()) == fitted(make, Halve(), Listener())
    assert seen == [0.1, 0.05, 0.025] * 2


@pytest.mark.parametrize("change", ["schedule", "decay", "no decay"])
def test_a_rate_may_begin_and_end_to_depend_on_the_step(change: str) -> None:
    class Change(Callback):
        """Changes the kind of the rate between two epochs."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                if change == "schedule":
                    self.model.optimizer.learning_rate = schedules.ExponentialDecay(0.1, 9, 0.5)
                else:
                    self.model.optimizer.decay = 0.3 if change == "decay" else 0.0

    def make() -> Any:
        return optimizers.SGD(0.1, decay=0.1 if change == "no decay" else 0.0)

    found = fitted(make, Change())
    assert found == fitted(make, Change(), Listener())
    assert found != fitted(make)


def test_a_model_trained_beside_with_the_same_optimizer_changes_no_rate() -> None:
    class Beside(Callback):
        """Trains another model with the optimizer of this one."""

        def __init__(self) -> None:
            self.other: Any = None

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if self.other is None:
                self.other = compiled(self.model.optimizer)
            self.other.fit(X[:30], Y[:30], 2, verbose=0, seed=2)

    make = RATES["exponential"]
    assert fitted(make, Beside())[:2] == fitted(make)[:2]


@pytest.mark.parametrize("name", ["restarts", "decay"])
def test_a_run_that_is_resumed_goes_on_with_the_same_rates(name: str, tmp_path: Any) -> None:
    class Fail(Callback):
        """Ends the run in an exception."""

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 11:
                raise RuntimeError("power cut")

    make = RATES[name]
    with pytest.raises(RuntimeError, match="power cut"):
        fitted(make, BackupAndRestore(tmp_path, save_freq=5), Fail())
    assert fitted(make, BackupAndRestore(tmp_path)) == fitted(make)


@pytest.mark.filterwarnings("ignore:Training stopped")
def test_a_step_that_is_stopped_leaves_the_rate_of_the_step_before_it() -> None:
    x, found = X.copy(), []
    x[31] = np.nan
    for others in ([], [Listener()]):
        model = compiled(RATES["exponential"]())
        callbacks = [TerminateOnNaN(before_update=True), *others]
        model.fit(x, Y, 2, shuffle=False, verbose=0, callbacks=callbacks)
        found.append(bits(model))
    assert found[0] == found[1]
    assert model.optimizer.iterations == 15
