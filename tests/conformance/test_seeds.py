"""Seeds: the same seed gives the same bits, another seed other ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import data, linear

import streamfit
from streamfit import Input, Sequence, Sequential, layers

Bits = list[bytes]
pytestmark = pytest.mark.jit  # random numbers overflow, about which machine code does not warn


def bits(model: Any) -> Bits:
    return [weight.tobytes() for weight in model.get_weights()]


def network() -> Sequential:
    """Return a model that draws in training, compiled."""
    model = Sequential(
        [
            Input((3,)),
            layers.Dense(8, "relu"),
            layers.Dropout(0.3),
            layers.Dense(8, "relu"),
            layers.Dropout(0.3),
        ]
    )
    model.add(layers.Dense(1))
    model.compile("adam", "mse")
    return model


START = [np.array(w) for w in network().get_weights()]


def trained(seed: int | None, **options: Any) -> tuple[Bits, Any]:
    model = network()
    model.set_weights(START)
    history = model.fit(*data(30), batch_size=8, epochs=3, seed=seed, verbose=0, **options)
    return bits(model), history


def test_one_seed_one_result_though_layers_are_named_differently() -> None:
    first, history = trained(7, validation_split=0.2)
    second, again = trained(7, validation_split=0.2)
    assert first == second
    assert history.history == again.history


def test_another_seed_another_result() -> None:
    assert trained(7)[0] != trained(8)[0]
    assert trained(7, shuffle=False)[0] != trained(8, shuffle=False)[0]  # dropout alone


def test_the_seed_in_the_history_repeats_a_run() -> None:
    first, history = trained(None)
    assert trained(history.seed)[0] == first
    assert trained(None)[0] != first


def test_the_same_model_compiled_again_repeats_itself() -> None:
    model = network()
    runs = []
    for _ in range(2):
        model.set_weights(START)
        model.compile("adam", "mse")
        model.fit(*data(30), batch_size=8, epochs=2, seed=3, verbose=0)
        runs.append(bits(model))
    assert runs[0] == runs[1]


def test_set_random_seed_repeats_initial_weights_and_training() -> None:
    runs = []
    for seed in (5, 5, 6):
        streamfit.set_random_seed(seed)
        model = network()
        start = bits(model)
        history = model.fit(*data(30), batch_size=8, epochs=2, verbose=0)
        runs.append((start, bits(model), history.seed))
    assert runs[0] == runs[1]
    assert all(one != other for one, other in zip(runs[0], runs[2], strict=True))


@pytest.mark.parametrize("look", [False, True])
def test_looking_at_a_model_does_not_change_the_seeds_that_follow(look: bool) -> None:
    streamfit.set_random_seed(5)
    model = linear()
    x, y = data()
    first = model.fit(x, y, verbose=0).seed
    if look:
        model.evaluate(x, y, verbose=0)
        model.predict(x)
    second = model.fit(x, y, verbose=0).seed
    streamfit.set_random_seed(5)
    other = linear()
    assert [other.fit(x, y, verbose=0).seed for _ in range(2)] == [first, second]
    assert first != second


class Order(Sequence):
    """Ten batches, each with a loss of its own."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return np.zeros((1, 3), "float32"), np.full((1, 1), index, "float32")


def test_an_order_is_new_in_each_epoch_and_the_same_for_each_seed() -> None:
    found = []
    for seed in (1, 1, 2):
        history = linear().fit(Order(), epochs=3, seed=seed, verbose=0)
        found.append([receipt.digest for receipt in history.receipts])
    assert found[0] == found[1]
    assert len(set(found[0])) == 3
    assert not set(found[0]) & set(found[2])


def test_shuffle_batch_keeps_batches_together() -> None:
    x, y = data(10)
    whole = {tuple(y[start : start + 4, 0]) for start in (0, 4, 8)}
    seen: set[Any] = set()

    from streamfit.metrics import Metric

    class Batches(Metric):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            seen.add(tuple(np.asarray(y_true)[:, 0]))

        def result(self) -> float:
            return 0.0

    linear(metrics=[Batches(name="batches")]).fit(x, y, 4, 5, shuffle="batch", verbose=0)
    assert seen == whole


def test_receipts_prove_the_seed_and_the_batches() -> None:
    history = linear().fit(*data(10), batch_size=4, epochs=2, seed=11, verbose=0)
    assert [(r.planned, r.delivered, r.seed) for r in history.receipts] == [(3, 3, 11)] * 2
