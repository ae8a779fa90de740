"""The program that the demo runs, kills and starts again: it trains a small network on augmented digits.

It is an ordinary training script. At the end it writes its results to ``result.json``, for the verdict.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

import numpy as np

from streamfit import layers
from streamfit._base.config import set_random_seed
from streamfit.demo.digits import VALIDATED, AugmentedDigits, open_digits
from streamfit.models import Model, Sequential
from streamfit.training import History
from streamfit.training.callbacks import BackupAndRestore, Callback, LearningRateScheduler
from streamfit.training.callbacks.base import Logs
from streamfit.workers import live_pids

BATCH_SIZE, SEED, WORKERS, BACKUP_EVERY = 32, 7, 2, 10


class TrainingResult(TypedDict):
    """The content of ``result.json``."""

    history: dict[str, list[float]]
    receipts: list[dict[str, int]]
    digest: str


def say(text: str) -> None:
    """Print a line about the demo at once."""
    print(f"    >>> {text}", flush=True)


class Narrator(Callback):
    """Print a line for each epoch, with its receipt at the end.

    Args:
        epochs: How many epochs there will be.
        history: Where the receipts are, once training has begun.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs, self._epoch, self._begun = epochs, 0, False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Note the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Print the place where training continues after a resume."""
        if not self._begun and (batch or self._epoch):
            say(f"resumed in epoch {self._epoch + 1} after batch {batch}")
        self._begun = True

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Print the line."""
        assert logs is not None
        receipt = self.model.history.receipts[-1]
        figures = "  ".join(f"{name} {logs[name]:.3f}" for name in ("loss", "accuracy", "val_accuracy"))
        progress = f"{receipt.delivered} of {receipt.planned} batches"
        if receipt.retried or receipt.restarts:
            progress += f", {receipt.retried} loaded again, {receipt.restarts} worker replaced"
        print(f"epoch {epoch + 1:2}/{self._epochs}  {figures}  | {progress}", flush=True)


class Killer(Callback):
    """Kill a process in the middle of an epoch, as the system does when memory is exhausted.

    Args:
        epoch: The epoch, counted from 0.
        batch: The batch after which it kills; if no worker lives then, the next batch with a live worker.
        whole: Whether to kill this whole program and not just one worker.
    """

    def __init__(self, epoch: int, batch: int, *, whole: bool) -> None:
        super().__init__()
        self._epoch, self._batch, self._whole = epoch, batch, whole
        self._due = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Prepare the kill in the chosen epoch."""
        self._due = epoch == self._epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Kill in the chosen batch."""
        if not self._due or batch < self._batch:
            return
        victims = [os.getpid()] if self._whole else live_pids()[:1]
        for victim in victims:
            self._due = False
            what = "the whole program, process" if self._whole else "worker process"
            say(f"kill -9 of {what} {victim}, in epoch {self._epoch + 1} after batch {batch + 1}")
            os.kill(victim, signal.SIGKILL)


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


def train(
    folder: Path, epochs: int, workers: int, callbacks: Sequence[Callback]
) -> tuple[Sequential, History]:
    """Train on the digits in `folder`; return the model and its history."""
    images, labels = open_digits(folder)

    def falling_rate(epoch: int) -> float:
        """Return the learning rate of an epoch: half a cosine from 0.002 to 0."""
        return float(0.001 * (1 + np.cos(np.pi * epoch / epochs)))

    model = make_model()
    history = model.fit(
        AugmentedDigits(images[:-VALIDATED], labels[:-VALIDATED], BATCH_SIZE),
        epochs=epochs,
        verbose=0,
        validation_data=(images[-VALIDATED:] / 16.0, labels[-VALIDATED:]),
        callbacks=[LearningRateScheduler(falling_rate), *callbacks],
        workers=workers,
        use_multiprocessing=workers > 0,
        seed=SEED,
    )
    return model, history


def digest_of(model: Model) -> str:
    """Return a short digest of all bits of a model's weights."""
    bits = hashlib.sha256()
    for weight in model.get_weights():
        bits.update(np.ascontiguousarray(weight).tobytes())
    return bits.hexdigest()[:16]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="streamfit.demo.training")
    parser.add_argument("folder", type=Path, help="the folder of digits, backup and result")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--kill-worker", type=int, metavar="EPOCH", help="kill one worker in this epoch")
    parser.add_argument("--kill-program", type=int, metavar="EPOCH", help="kill the program in this epoch")
    options = parser.parse_args(arguments)
    callbacks: list[Callback] = [
        BackupAndRestore(options.folder / "backup", save_freq=BACKUP_EVERY),
        Narrator(options.epochs),
    ]
    if options.kill_worker is not None:
        callbacks.append(Killer(options.kill_worker, 15, whole=False))
    if options.kill_program is not None:
        callbacks.append(Killer(options.kill_program, 25, whole=True))
    model, history = train(options.folder, options.epochs, WORKERS, callbacks)
    result = TrainingResult(
        history=history.history,
        receipts=[asdict(receipt) for receipt in history.receipts],
        digest=digest_of(model),
    )
    (options.folder / "result.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
