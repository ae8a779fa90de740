"""Faults of numbers: rows 39 and 40 of the fault matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers
from streamfit._base.specs import Spec
from streamfit.callbacks import TerminateOnNaN
from streamfit.kernels import CallList
from streamfit.kernels.calls import run as run_calls
from streamfit.kernels.running_sums import mean_of
from streamfit.metrics import Mean, TruePositives
from streamfit.ops.core import Op
from streamfit.program import AccumulateMean, AccumulateScalar
from streamfit.streams import Feed, Source, Ticket
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


# -- 40: a great many samples -------------------------------------------------------------------------------


def relative(found: float, exact: Fraction) -> float:
    return float(abs(Fraction(found) - exact) / abs(exact))


def repeated(op: Op, inputs: list[np.ndarray], times: int) -> None:
    """Run the kernels of an epoch's running mean as a step does, on the same batch again and again."""
    calls = CallList(op.forward(inputs, [], []))
    calls.run_steps([calls.reader(inputs[0])], [inputs[0]], times)


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
    """What a further batch adds is not rounded away."""
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
    """A trillion samples that are not there: what is loaded is made of its own ids."""

    remote = True
    name = "virtual"
    n, size = 10**12, 64

    def batches(self, epoch: int) -> int | None:
        return -(-self.n // self.size)

    def tickets(self, epoch: int, start: int = 0) -> Iterator[Ticket]:
        order = Order(self.n, self.key(epoch))
        for number in range(start, -(-self.n // self.size)):
            count = min(self.size, self.n - number * self.size)
            yield Ticket(epoch, number, order.ids(number * self.size, count), self.key(epoch))

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
