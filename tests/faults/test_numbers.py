"""Faults of numbers: rows 39 and 40 of the fault matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from oracles.data_sets import Batches

from streamfit import NonFiniteError, Sequential, layers, set_random_seed
from streamfit._base.specs import Spec
from streamfit.callbacks import Callback, TerminateOnNaN
from streamfit.kernels import CallList
from streamfit.kernels.calls import run as run_calls
from streamfit.kernels.running_sums import mean_of
from streamfit.metrics import Mean, Metric, TruePositives
from streamfit.metrics.step_nodes import AccumulateMean
from streamfit.ops.core import Op
from streamfit.optimizers import Adam
from streamfit.program import AccumulateScalar
from streamfit.streams import Feed, Source, SourceTraits, Ticket
from streamfit.streams.order import Order
from streamfit.workers import make_pool

pytestmark = pytest.mark.timeout(60)
BILLION = 10**9


# -- 39: numbers that are none ------------------------------------------------------------------------------


def model_of(loss: str = "mse") -> Sequential:
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", loss)
    return model


def data_with(value: float, at: int, batches: int = 8) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(4).normal(size=(batches * 4, 3))
    x[at * 4 + 1, 2] = value
    return x, np.ones((len(x), 1))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 3, 7])
def test_39_training_stops_at_the_batch_whose_loss_is_no_number(
    value: float, at: int, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_of()
    x, y = data_with(value, at)
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0, epochs=3, callbacks=[TerminateOnNaN()])
    assert model.optimizer.iterations == at + 1
    assert f"Batch {at}: Invalid loss" in capsys.readouterr().out
    assert len(history.epoch) == 1


@pytest.mark.parametrize("at", [0, 5])
def test_39_or_raises_and_names_the_batch(at: int) -> None:
    model = model_of()
    x, y = data_with(math.nan, at)
    with pytest.raises(RuntimeError, match=f"batch {at}"):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[TerminateOnNaN(raise_error=True)])
    assert model.optimizer.iterations == at + 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_39_unasked_it_shows_in_the_results_and_is_never_smoothed_over(value: float) -> None:
    model = model_of()
    x, y = data_with(value, 2)
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    assert not math.isfinite(history.history["loss"][0])
    assert not all(np.isfinite(weight).all() for weight in model.get_weights())


class Listener(Callback):
    """Hears of every batch, so that steps are not joined."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[int] = []
        self.ended: list[int] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.begun.append(batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.ended.append(batch)


BATCHES = 12


def poison(fault: str, at: int) -> tuple[np.ndarray, np.ndarray]:
    """Return twelve batches of four samples; the numbered one makes the loss or the gradient no number."""
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(BATCHES * 4, 3)).astype("float32"), np.ones((BATCHES * 4, 1), np.float32)
    row = at * 4 + 1
    if fault == "gradient":  # about 1e10 * 1e30 overflows float32, and so does nothing that leads to the loss
        x[row], y[row] = [0.0, 0.0, 1e30], 1e10
        x[:, 2] *= np.arange(BATCHES * 4) == row  # the third weight stays what it was: zero
    elif fault == "loss":
        y[row] = 1e25  # its square overflows, its gradient does not
    else:
        x[row, 2] = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[fault]
    return x, y


def careful_model(metrics: tuple[Any, ...] = ("mae",), **clipping: float) -> Sequential:
    set_random_seed(11)
    model = Sequential([layers.Dense(1, input_shape=(3,), kernel_initializer="zeros")])
    model.compile(Adam(0.05, **clipping), "mse", metrics=list(metrics))
    return model


def bits_of(model: Any) -> list[bytes]:
    optimizer = model.optimizer
    arrays = [*model.get_weights(), *optimizer.state.values(), np.array(optimizer.iterations)]
    return [array.tobytes() for array in arrays]


def fed(kind: str, x: np.ndarray, y: np.ndarray) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of `fit` for data that come joined, one by one, or through workers."""
    if kind in ("joined", "alone"):
        return (x, y), {"batch_size": 4}
    return (Batches(x, y),), {"workers": 2, "use_multiprocessing": kind == "processes"}


def before(fault: str, at: int, epochs: int = 1) -> tuple[Any, Any]:
    """Train only on the samples before the poison."""
    x, y = poison(fault, at)
    model = careful_model()
    model.build_for(x)
    if not at:
        return model, None
    return model, model.fit(x[: at * 4], y[: at * 4], 4, epochs, shuffle=False, verbose=0, seed=1)


@pytest.mark.parametrize("fault", ["nan", "inf", "-inf", "loss", "gradient"])
@pytest.mark.parametrize("at", [0, 1, 6, BATCHES - 1])
@pytest.mark.parametrize("kind", ["joined", "alone", "threads", "processes"])
def test_39_stopped_before_the_update_all_is_as_the_batch_before_left_it(
    fault: str, at: int, kind: str
) -> None:
    model, listener = careful_model(), Listener()
    data, how = fed(kind, *poison(fault, at))
    guard = TerminateOnNaN(before_update=True)
    callbacks = [guard] if kind == "joined" else [guard, listener]
    with pytest.warns(UserWarning, match=f"pass 0, batch {at}, sample.* {at * 4 if len(data) > 1 else at}"):
        history = model.fit(*data, epochs=3, shuffle=False, verbose=0, seed=1, callbacks=callbacks, **how)
    expected, expected_history = before(fault, at)
    assert model.optimizer.iterations == at
    if at:
        assert bits_of(model) == bits_of(expected)
        assert history.history == expected_history.history
        assert [receipt.delivered for receipt in history.receipts] == [at + 1]
    else:
        assert [w.tolist() for w in model.get_weights()] == [w.tolist() for w in expected.get_weights()]
        assert not any(vector.any() for vector in model.optimizer.state.values())
        assert history.history == {}
    assert len(history.epoch) == (1 if at else 0)
    if kind != "joined":
        assert listener.begun == list(range(at + 1))
        assert listener.ended == list(range(at))


@pytest.mark.parametrize("kind", ["joined", "alone", "processes"])
@pytest.mark.parametrize("at", [0, 7, BATCHES - 1])
def test_39_raised_before_the_update(kind: str, at: int) -> None:
    model = careful_model()
    data, how = fed(kind, *poison("nan", at))
    guards = [
        TerminateOnNaN(raise_error=True, before_update=True),
        *([] if kind == "joined" else [Listener()]),
    ]
    with pytest.raises(NonFiniteError, match=rf"x holds NaN or Inf in .* batch {at},") as caught:
        model.fit(*data, shuffle=False, verbose=0, seed=1, callbacks=guards, **how)
    assert (caught.value.batch, caught.value.data) == (at, ["x"])
    assert model.optimizer.iterations == at
    assert np.isfinite(model.get_weights()[0]).all()
    if at:
        assert bits_of(model) == bits_of(before("nan", at)[0])


def test_39_steps_are_joined_up_to_the_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    model = careful_model()
    x, y = poison("nan", 9)
    model.fit(x[:16], y[:16], 4, verbose=0)
    runner, sizes = model.runner(), []
    train = runner.train
    monkeypatch.setattr(runner, "train", lambda batch: (sizes.append(batch.steps), train(batch)))
    with pytest.warns(UserWarning, match="batch 9"):
        model.fit(x, y, 4, shuffle=False, verbose=0, callbacks=[TerminateOnNaN(before_update=True)])
    assert sizes == [BATCHES]
    assert model.optimizer.iterations == 4 + 9


def test_39_joined_and_single_steps_leave_the_same_receipts() -> None:
    x, y = poison("inf", 6)
    found = []
    for callbacks in ([], [Listener()]):
        model = careful_model()
        with pytest.warns(UserWarning, match="Training stopped"):
            history = model.fit(
                x, y, 4, seed=5, verbose=0, callbacks=[TerminateOnNaN(before_update=True), *callbacks]
            )
        found.append((bits_of(model), history.history, [str(receipt) for receipt in history.receipts]))
    assert found[0] == found[1]


@pytest.mark.parametrize("clipping", [{"clipvalue": 0.5}, {"clipnorm": 0.5}, {"global_clipnorm": 0.5}])
@pytest.mark.parametrize("joined", [True, False])
def test_39_clipping_hides_no_infinity(clipping: dict[str, float], joined: bool) -> None:
    x, y = poison("gradient", 3)
    model = careful_model(**clipping)
    guards = [TerminateOnNaN(raise_error=True, before_update=True), *([] if joined else [Listener()])]
    with pytest.raises(NonFiniteError) as caught:
        model.fit(x, y, 4, shuffle=False, verbose=0, callbacks=guards)
    assert caught.value.weights == [f"{model.layers[-1].name}/kernel"]
    assert np.isfinite(caught.value.loss)
    assert model.optimizer.iterations == 3


class Samples(Metric):
    """Counts samples in Python, after the step."""

    def __init__(self) -> None:
        super().__init__(name="samples")
        self.count = self.add_variable()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count.assign_add(len(y_true))

    def result(self) -> float:
        return float(self.count)


def test_39_metrics_in_python_do_not_see_the_batch() -> None:
    x, y = poison("nan", 4)
    model = careful_model((Samples(),))
    with pytest.warns(UserWarning, match="batch 4"):
        history = model.fit(x, y, 4, shuffle=False, verbose=0, callbacks=[TerminateOnNaN(before_update=True)])
    assert history.history["samples"] == [16.0]


def test_39_in_a_later_epoch_of_shuffled_data() -> None:
    x, y = poison("nan", 5)
    healthy = np.nan_to_num(x)

    class Decaying(Batches):
        def on_epoch_end(self) -> None:
            self.x = x

    model, listener = careful_model(), Listener()
    with pytest.warns(UserWarning, match="pass 1, batch [0-9]+, sample ids 5") as caught:
        history = model.fit(
            Decaying(healthy, y),
            epochs=4,
            verbose=0,
            callbacks=[listener, TerminateOnNaN(before_update=True)],
        )
    assert len(caught) == 1
    done = len(listener.ended) - BATCHES
    assert model.optimizer.iterations == BATCHES + done
    assert len(history.epoch) == (2 if done else 1)
    assert all(np.isfinite(values).all() for values in history.history.values())


def test_39_nobody_asked_nothing_is_checked() -> None:
    x, y = poison("nan", 2)
    model = careful_model()
    with pytest.raises(NonFiniteError):
        model.fit(x, y, 4, verbose=0, callbacks=[TerminateOnNaN(raise_error=True, before_update=True)])
    assert not np.isnan(model.get_weights()[0]).any()
    model.fit(x, y, 4, verbose=0)
    assert np.isnan(model.get_weights()[0]).any()


def test_39_validation_is_not_what_is_checked() -> None:
    x, y = poison("nan", 2)
    model = careful_model()
    history = model.fit(
        np.nan_to_num(x), y, 4, verbose=0, validation_data=(x, y),
        callbacks=[TerminateOnNaN(raise_error=True, before_update=True)],
    )  # fmt: skip
    assert np.isnan(history.history["val_loss"]).all()
    assert np.isfinite(history.history["loss"]).all()


def test_39_looking_at_other_data_on_the_way_changes_nothing() -> None:
    x, y = poison("nan", 6)

    class Looks(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.evaluate(x, y, verbose=0)

    model = careful_model()
    with pytest.warns(UserWarning, match="source 'training data', pass 0, batch 6"):
        model.fit(x, y, 4, shuffle=False, verbose=0, callbacks=[Looks(), TerminateOnNaN(before_update=True)])
    assert bits_of(model) == bits_of(before("nan", 6)[0])


def test_39_healthy_training_keeps_its_bits() -> None:
    x, y = poison("nan", 2)
    x = np.nan_to_num(x)
    found = []
    for callbacks in ([], [TerminateOnNaN(before_update=True)]):
        model = careful_model()
        history = model.fit(x, y, 5, epochs=3, seed=3, verbose=0, callbacks=callbacks, validation_split=0.2)
        found.append((bits_of(model), history.history, [str(receipt) for receipt in history.receipts]))
    assert found[0] == found[1]


# -- 40: a great many samples -------------------------------------------------------------------------------


def relative(found: float, exact: Fraction) -> float:
    return float(abs(Fraction(found) - exact) / abs(exact))


def repeated(op: Op, inputs: list[np.ndarray], times: int) -> None:
    """Run the kernels of an epoch's running mean as a step does, on the same batch again and again."""
    calls = CallList(op.forward(inputs, [], []))
    calls.run_steps([calls.input_pointer(inputs[0])], [inputs[0]], times)


@pytest.mark.jit
@pytest.mark.parametrize("size", [32, 1000])
@pytest.mark.parametrize("value", [0.1, 1 / 3, 12345.678])
def test_40_a_mean_over_a_billion_samples(value: float, size: int) -> None:
    batch = np.full(size, value, np.float32)
    batch[::7] *= np.float32(1.5)
    state = np.zeros(4)
    repeated(AccumulateMean(), [batch, state], BILLION // size)
    assert state[1] == BILLION
    assert relative(mean_of(state), sum(Fraction(float(v)) for v in batch) / size) <= 1e-12


@pytest.mark.jit
@pytest.mark.parametrize("size", [32, 1000])
def test_40_a_weighted_mean_over_a_billion_samples(size: int) -> None:
    rng = np.random.default_rng(6)
    batch, weights, state = rng.random(size).astype("float32"), rng.random(size), np.zeros(4)
    repeated(AccumulateMean(), [batch, weights, state], BILLION // size)
    parts = [(Fraction(float(v)), Fraction(float(w))) for v, w in zip(batch, weights, strict=True)]
    assert relative(mean_of(state), sum(v * w for v, w in parts) / sum(w for _, w in parts)) <= 1e-12


@pytest.mark.jit
@pytest.mark.parametrize("value", [0.1, 1 / 3, 12345.678])
def test_40_a_loss_over_a_billion_samples(value: float) -> None:
    state = np.zeros(4)
    repeated(AccumulateScalar(), [np.array([value]), np.ones(32), state], BILLION // 32)
    assert state[1] == BILLION
    assert relative(mean_of(state), Fraction(value)) <= 1e-12


def test_40_a_mean_by_numpy_goes_on_from_a_billion_samples() -> None:
    metric, exact = Mean(), [Fraction(0), Fraction(0)]
    metric.update_state(0.3, sample_weight=float(BILLION))
    exact = [Fraction(0.3 * BILLION), Fraction(BILLION)]
    for _ in range(5000):
        metric.update_state(np.array([0.1]), sample_weight=np.array([0.3]))
        exact[0] += Fraction(0.1 * 0.3)
        exact[1] += Fraction(0.3)
    assert abs(Fraction(metric.total[0]) + Fraction(metric.total[2]) - exact[0]) < 1e-12
    assert relative(metric.result(), exact[0] / exact[1]) <= 1e-15


def test_40_weighted_decisions_go_on_from_a_billion_samples() -> None:
    metric = TruePositives()
    metric.update_state([1.0], [0.9], sample_weight=[0.7 * BILLION])
    for _ in range(5000):
        metric.update_state([1.0], [0.9], sample_weight=[1e-8])  # each of them less than rounding takes
    assert relative(metric.result(), Fraction(0.7 * BILLION) + 5000 * Fraction(1e-8)) <= 1e-15


@pytest.mark.parametrize("weighted", [False, True])
def test_40_a_mean_goes_on_from_a_billion_samples(weighted: bool) -> None:
    """The contribution of a further batch is not rounded away."""
    state = np.array([0.3 * BILLION, float(BILLION), 0.0, 0.0])
    exact = [Fraction(float(part)) for part in state[:2]]
    rng = np.random.default_rng(3)
    for _ in range(20):
        values, weights = rng.random(64), rng.random(64) if weighted else np.ones(64)
        inputs = [values, weights, state] if weighted else [values, state]
        AccumulateMean().infer(*(Spec((None,), part.dtype) for part in inputs))
        run_calls(AccumulateMean().forward(inputs, [], []))
        exact[0] += sum(Fraction(float(v)) * Fraction(float(w)) for v, w in zip(values, weights, strict=True))
        exact[1] += sum(Fraction(float(w)) for w in weights)
    assert relative(mean_of(state), exact[0] / exact[1]) <= 1e-15
    assert state[0] > 0.3 * BILLION + 100


def test_40_the_loss_goes_on_from_a_billion_samples() -> None:
    state = np.array([0.7 * BILLION, float(BILLION), 0.0, 0.0])
    mean, weights = np.array(0.25), np.ones(1000)
    run_calls(AccumulateScalar().forward([mean, weights, state], [], []))
    assert state.tolist() == [0.7 * BILLION + 250.0, BILLION + 1000.0, 0.0, 0.0]


@pytest.mark.parametrize("n", [2**32 + 7, 10**12, 2**53 + 1, 2**62])
def test_40_orders_beyond_32_bits(n: int) -> None:
    order = Order(n, key=5)
    places = [0, 1, 2**31 - 8, 2**32 - 64, n // 2, n - 64]
    found = np.concatenate([order.ids(place, 64) for place in places])
    assert found.dtype == np.int64
    assert found.min() >= 0
    assert found.max() < n
    asked = {position for place in places for position in range(place, place + 64)}
    assert len(set(found.tolist())) == len(asked)
    assert np.median(found) > n // 8, "ids come from all over the range"
    for place in places:
        assert order.ids(place + 5, 3).tolist() == order.ids(place, 64)[5:8].tolist()


class Virtual(Source):
    """A trillion samples that are nowhere stored: each batch is made of its own ids."""

    traits = SourceTraits(in_workers=True)
    name = "virtual"
    n, size = 10**12, 64

    def batches(self, data_epoch: int) -> int | None:
        return -(-self.n // self.size)

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        order = Order(self.n, self.key(data_epoch))
        for number in range(start, -(-self.n // self.size)):
            count = min(self.size, self.n - number * self.size)
            yield Ticket(data_epoch, number, order.ids(number * self.size, count), self.key(data_epoch))

    def load(self, ticket: Ticket) -> Any:
        ids = ticket.ids
        return np.stack([ids >> 32, ids & 0xFFFFFFFF], axis=1).astype(np.float64), ids[:, None] % 2, None


@pytest.mark.parametrize("kind", ["inline", "threads", "processes"])
def test_40_a_pass_resumed_beyond_batch_2_to_the_32(kind: Any) -> None:
    first = 2**32 + 11
    source = Virtual()
    with make_pool(kind, 2) as pool, Feed(source, pool) as feed:
        feed.seek(0, first)
        assert feed.steps() == source.batches(0) - first
        for number, batch in enumerate(feed.run(5), first):
            ids = (batch.x[:, 0].astype(np.int64) << 32) + batch.x[:, 1].astype(np.int64)
            assert batch.number == number
            np.testing.assert_array_equal(ids, Order(source.n, source.key(0)).ids(number * 64, 64))
        assert feed.place == (0, first + 5)
        assert feed.state(within=False)["number"] == first + 5


@pytest.mark.jit
def test_40_fit_on_a_trillion_samples() -> None:
    model = Sequential([layers.Rescaling(1e-9, input_shape=(2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(
        Virtual(), steps_per_epoch=6, epochs=2, verbose=0, workers=2, use_multiprocessing=True
    )
    assert [receipt.delivered for receipt in history.receipts] == [6, 6]
    assert np.isfinite(history.history["loss"]).all()
