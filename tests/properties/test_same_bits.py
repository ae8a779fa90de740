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

from streamfit import Sequential, layers, set_random_seed
from streamfit.streams import Sequence, open_source

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


class Recorded(Sequence):
    """Batches in a given order for each pass: rows[pass][index] are sample ids."""

    def __init__(self, x: np.ndarray, y: np.ndarray, rows: list[list[np.ndarray]]) -> None:
        super().__init__()
        self.x, self.y, self.rows, self.passed = x, y, rows, 0

    def __len__(self) -> int:
        return len(self.rows[0])

    def __getitem__(self, index: int) -> Any:
        ids = self.rows[self.passed][index]
        return self.x[ids], self.y[ids]

    def on_epoch_end(self) -> None:
        self.passed = min(self.passed + 1, len(self.rows) - 1)


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
