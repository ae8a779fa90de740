"""The same samples in the same order give the same weights, bit for bit, for any kind of data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.leaks import nothing_left_behind
from oracles.sequences import Recorded

from streamfit import Sequential, layers, metrics, optimizers, set_random_seed
from streamfit.callbacks import Callback
from streamfit.streams import open_source

EPOCHS = 3


def make_model(features: int, optimizer: str) -> Sequential:
    set_random_seed(5)
    model = Sequential(
        [
            layers.Dense(16, activation="relu", input_shape=(features,)),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fingerprint(model: Sequential, history: Any) -> str:
    """Hash weights, optimizer state, the step count, and the logs of all epochs."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    for name in sorted(model.optimizer.state):
        digest.update(model.optimizer.state[name].tobytes())
    digest.update(repr((model.optimizer.iterations, history.history)).encode())
    return digest.hexdigest()


def orders(x: np.ndarray, y: np.ndarray, batch_size: int, seed: int) -> list[list[np.ndarray]]:
    source = open_source(x, y, batch_size=batch_size, shuffle=True, seed=seed)
    return [[np.array(batch.ids) for batch in source.make_reader().read(epoch)] for epoch in range(EPOCHS)]


def generated(x: np.ndarray, y: np.ndarray, rows: list[list[np.ndarray]]) -> Iterator[Any]:
    for one_pass in rows:
        for ids in one_pass:
            yield x[ids], y[ids]


@pytest.mark.jit
@pytest.mark.timeout(300)
@settings(max_examples=4)
@given(
    samples=st.integers(5, 70),
    features=st.integers(1, 9),
    batch_size=st.integers(1, 17),
    seed=st.integers(0, 2**62),
    optimizer=st.sampled_from(["sgd", "rmsprop", "adam"]),
)
def test_every_kind_of_stream_gives_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory,
    samples: int,
    features: int,
    batch_size: int,
    seed: int,
    optimizer: str,
) -> None:
    folder: Path = tmp_path_factory.mktemp("maps")
    rng = np.random.default_rng(samples)
    x, y = rng.normal(size=(samples, features)), rng.integers(0, 3, samples)
    for name, array in (("x", x), ("y", y)):
        np.save(folder / f"{name}.npy", array)
    rows = orders(x, y, batch_size, seed)
    steps = len(rows[0])

    def fitted(*data: Any, **how: Any) -> str:
        model = make_model(features, optimizer)
        with nothing_left_behind():
            history = model.fit(*data, epochs=EPOCHS, seed=seed, verbose=0, **how)
        assert [receipt.delivered for receipt in history.receipts] == [steps] * EPOCHS
        return fingerprint(model, history)

    expected = fitted(x, y, batch_size=batch_size)
    mapped = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in "xy"]
    found = {
        "memory map": fitted(*mapped, batch_size=batch_size),
        "generator": fitted(generated(x, y, rows), steps_per_epoch=steps),
        "generator, no thread": fitted(generated(x, y, rows), steps_per_epoch=steps, workers=0),
        "inline": fitted(Recorded(x, y, rows), shuffle=False, workers=0),
    }
    for workers in (1, 2, 4):
        found[f"{workers} threads"] = fitted(Recorded(x, y, rows), shuffle=False, workers=workers)
        found[f"{workers} processes"] = fitted(
            Recorded(x, y, rows), shuffle=False, workers=workers, use_multiprocessing=True
        )
    assert found == dict.fromkeys(found, expected)


def test_another_seed_gives_other_bits() -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 3
    prints = set()
    for seed in (1, 2, 1):
        model = make_model(4, "adam")
        prints.add(fingerprint(model, model.fit(x, y, epochs=2, seed=seed, verbose=0)))
    assert len(prints) == 2


RATES: list[Any] = [
    lambda: 0.01,
    lambda: optimizers.schedules.ExponentialDecay(0.05, 7, 0.9),
    lambda: optimizers.schedules.CosineDecayRestarts(0.05, 5),
    lambda: lambda step: 0.05 / (1 + step),
]


class Listener(Callback):
    """Reads the logs of every n-th batch."""

    def __init__(self, every: int) -> None:
        self.every, self.seen = every, list[tuple[int, float]]()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append((batch, logs["loss"]))


@pytest.mark.jit
@settings(max_examples=15)
@given(
    samples=st.integers(5, 150),
    batch_size=st.integers(1, 9),
    rate=st.sampled_from(RATES),
    decay=st.sampled_from([0.0, 0.1]),
    everies=st.lists(st.integers(1, 40), max_size=2),
    limit=st.sampled_from([None, 7]),
    weighted=st.booleans(),
)
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_what_happens_between_steps_changes_no_bit(
    samples: int, batch_size: int, rate: Any, decay: float, everies: list[int], limit: Any, weighted: bool
) -> None:
    """Rates, callbacks that listen now and then, and counts: as where every batch parts the steps."""
    rng = np.random.default_rng(samples)
    x, y, w = rng.normal(size=(samples, 3)), np.eye(2)[rng.integers(0, 2, samples)], rng.random(samples)
    found = []
    for others in ([], [Listener(1)]):
        set_random_seed(8)
        model = Sequential([layers.Dense(4, "relu", input_shape=(3,)), layers.Dense(2, "softmax")])
        items = [metrics.AUC(), metrics.Precision(class_id=1), metrics.Recall([0.3, 0.6]), "accuracy"]
        listeners = [Listener(every) for every in everies]
        model.compile(optimizers.SGD(rate(), momentum=0.9, decay=decay), "mse", weighted_metrics=items)
        how = {"epochs": EPOCHS, "steps_per_epoch": limit, "seed": 4, "verbose": 0}
        weights = {"sample_weight": w} if weighted else {}
        history = model.fit(x, y, batch_size, **how, **weights, callbacks=[*listeners, *others])
        receipts = [str(receipt) for receipt in history.receipts]
        found.append((fingerprint(model, history), [listener.seen for listener in listeners], receipts))
    assert found[0] == found[1]
