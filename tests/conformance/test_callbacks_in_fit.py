"""The callbacks of the library in a real `fit`; their rules are tested alone, next to them."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.models import cut, data, linear

from streamfit.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from streamfit.optimizers import SGD


class Worsen(Callback):
    """Train for two epochs, then make the weights worse."""

    def __init__(self) -> None:
        self.best: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            self.best = self.model.get_weights()
        if epoch >= 1:
            self.model.set_weights([w + 10 for w in self.model.get_weights()])


@pytest.mark.parametrize(("epochs", "patience"), [(9, 2), (3, 5)])
def test_early_stopping_brings_the_best_weights_back(epochs: int, patience: int) -> None:
    x, y = data()
    model, worsen = linear(optimizer=SGD(0.05)), Worsen()
    stop = EarlyStopping("loss", patience=patience, restore_best_weights=True)
    history = model.fit(x, y, epochs=epochs, verbose=0, callbacks=[stop, worsen])
    assert history.epoch == list(range(min(epochs, 2 + patience)))
    best = int(np.argmin(history.history["loss"]))
    assert best == 1
    assert all((a == b).all() for a, b in zip(worsen.best, model.get_weights(), strict=True))


def test_a_scheduled_rate_counts_and_is_logged() -> None:
    x, y = data()
    model = linear(optimizer=SGD(1.0))
    before = model.get_weights()
    schedule = LearningRateScheduler(lambda epoch, rate: 0.0 if epoch < 2 else 0.5)
    frozen: list[bool] = []

    def look(epoch: int, logs: Any) -> None:
        frozen.append(all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True)))

    history = model.fit(x, y, epochs=3, verbose=0, callbacks=[schedule, LambdaCallback(on_epoch_end=look)])
    assert history.history["learning_rate"] == history.history["lr"] == [0.0, 0.0, 0.5]
    assert frozen == [True, True, False]


def test_the_rate_is_reduced_on_a_plateau() -> None:
    model = linear(optimizer=SGD(1e-12))
    reduce = ReduceLROnPlateau("loss", factor=0.1, patience=2, min_delta=0.5)
    history = model.fit(*data(), epochs=6, verbose=0, callbacks=[reduce])
    assert history.history["learning_rate"] == pytest.approx([1e-12] * 3 + [1e-13] * 2 + [1e-14], rel=1e-9)
    assert model.optimizer.learning_rate == pytest.approx(1e-14)


def test_training_ends_in_the_batch_whose_loss_is_no_number() -> None:
    x, y = data(8)
    y[5] = np.nan
    history = linear().fit(x, y, 2, 3, shuffle=False, verbose=0, callbacks=[TerminateOnNaN()])
    assert history.epoch == [0]
    assert math.isnan(history.history["loss"][0])
    with pytest.raises(RuntimeError, match="loss"):
        linear().fit(x, y, verbose=0, callbacks=[TerminateOnNaN(raise_error=True)])


def test_logs_in_a_file(tmp_path: Path) -> None:
    x, y = data()
    model = linear(metrics=["mae"])
    history = model.fit(
        x, y, epochs=2, validation_data=(x, y), verbose=0, callbacks=[CSVLogger(tmp_path / "log.csv")]
    )
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(values, rel=1e-6)


def test_the_best_weights_in_a_file(tmp_path: Path) -> None:
    x, y = data()
    model, worsen = linear(optimizer=SGD(0.05)), Worsen()
    path = tmp_path / "best.safetensors"
    best = ModelCheckpoint(path, monitor="loss", save_best_only=True, save_weights_only=True)
    model.fit(x, y, epochs=4, verbose=0, callbacks=[best, worsen])
    model.load_weights(path)
    assert all((a == b).all() for a, b in zip(worsen.best, model.get_weights(), strict=True))


def test_the_direction_of_a_metric_is_known_to_callbacks() -> None:
    x, _ = data(12)
    y = np.arange(12) % 2
    model = linear(metrics=["accuracy"])
    stop = EarlyStopping("accuracy", patience=1, restore_best_weights=True)
    history = model.fit(x, y, epochs=4, verbose=0, callbacks=[stop])
    assert len(history.epoch) == 2  # constant, so no better than before


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_generator_is_never_doubled_by_workers(workers: int) -> None:
    x, y = data(12)
    model = linear()
    history = model.fit_generator(
        cut(x, y, 2), 6, workers=workers, use_multiprocessing=workers > 1, verbose=0
    )
    assert history.receipts[0].delivered == 6
    assert history.history["loss"] == pytest.approx([model.evaluate(x, y, verbose=0)], rel=1e-6)
