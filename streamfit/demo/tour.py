"""The demo's run: train through workers, kill one, show that nothing was lost."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from streamfit import layers
from streamfit._base.config import set_random_seed
from streamfit.demo.digits import VALIDATED, AugmentedDigits, open_digits, write_digits
from streamfit.demo.pictures import draw_curves, draw_samples
from streamfit.models import Sequential
from streamfit.training import History
from streamfit.training.callbacks import Callback, LearningRateScheduler
from streamfit.workers import live_pids

EPOCHS, BATCH_SIZE, SEED = 30, 32, 7
TO_REACH = 0.97


class WorkerKiller(Callback):
    """Kill one worker process in the middle of an epoch, as the system does when memory runs out."""

    def __init__(self, epoch: int, batch: int) -> None:
        self._epoch, self._batch = epoch, batch
        self._due = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Get ready in the chosen epoch."""
        self._due = epoch == self._epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Kill in the chosen batch."""
        if self._due and batch >= self._batch and live_pids():
            pid = live_pids()[0]
            os.kill(pid, signal.SIGKILL)
            self._due = False
            print(f"\n>>> killed worker {pid} in epoch {self._epoch + 1}, batch {batch}\n", flush=True)


def make_model() -> Sequential:
    """Return a small network for 8 x 8 images."""
    set_random_seed(SEED)
    model = Sequential(
        [
            layers.Input((8, 8), name="image"),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def falling_rate(epoch: int) -> float:
    """Return the learning rate of an epoch: half a cosine from 0.002 to 0."""
    return float(0.001 * (1 + np.cos(np.pi * epoch / EPOCHS)))


def train(folder: Path) -> History:
    """Train on the digits in `folder` with 2 worker processes, one of which is killed."""
    images, labels = open_digits(folder)
    digits = AugmentedDigits(images[:-VALIDATED], labels[:-VALIDATED], BATCH_SIZE)
    model = make_model()
    model.summary()
    return model.fit(
        digits,
        epochs=EPOCHS,
        verbose=2,
        validation_data=(images[-VALIDATED:] / 16.0, labels[-VALIDATED:]),
        callbacks=[WorkerKiller(epoch=2, batch=15), LearningRateScheduler(falling_rate)],
        workers=2,
        use_multiprocessing=True,
        seed=SEED,
    )


def _verdict(history: History, seconds: float) -> bool:
    """Print the receipts and what they prove; return whether everything is as it should be."""
    for receipt in history.receipts:
        print(receipt)
    planned = sum(receipt.planned for receipt in history.receipts)
    delivered = sum(receipt.delivered for receipt in history.receipts)
    retried = sum(receipt.retried for receipt in history.receipts)
    restarts = sum(receipt.restarts for receipt in history.receipts)
    accuracy = history.history["val_accuracy"][-1]
    good: bool = planned == delivered and restarts >= 1 and accuracy >= TO_REACH
    print(
        f"\nVerdict: {'nothing was lost' if planned == delivered else 'BATCHES WERE LOST'}: "
        f"{planned} batches planned, {delivered} delivered, {retried} loaded again, "
        f"{restarts} workers replaced.\n"
        f"Validation accuracy {accuracy:.2%} (to reach: {TO_REACH:.0%}), {seconds:.1f} s."
    )
    return good


def run(output: str | Path = "demo-output") -> int:
    """Run the demo.

    Args:
        output: Folder for the pictures; made if it is not there.

    Returns:
        0 when nothing was lost and the accuracy was reached, else 1.
    """
    started = time.perf_counter()
    pictures = Path(output)
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_digits(folder)
        history = train(folder)
        images, labels = open_digits(folder)
        draw_samples(AugmentedDigits(images, labels, BATCH_SIZE), images, pictures / "augmented.png")
    draw_curves(history.history, pictures / "curves.png")
    good = _verdict(history, time.perf_counter() - started)
    print(f"Pictures: {pictures / 'curves.png'}, {pictures / 'augmented.png'}")
    return 0 if good else 1
