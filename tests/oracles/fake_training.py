"""A model without layers and a loop without data: only the parts of training that callbacks see."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamfit.training.callbacks import CallbackList, History, ProgressBar


@dataclass
class FakeOptimizer:
    learning_rate: float = 0.1


@dataclass
class FakeModel:
    """The weights are the number of the epoch that made them; a saved file holds them as text."""

    weights: Any = -1
    stop_training: bool = False
    optimizer: FakeOptimizer = field(default_factory=FakeOptimizer)
    metrics: Sequence[Any] = ()

    def get_weights(self) -> Any:
        return self.weights

    def set_weights(self, weights: Any) -> None:
        self.weights = weights

    def save(self, path: str) -> None:
        Path(path).write_text(f"model {self.weights}", encoding="utf-8")

    def save_weights(self, path: str) -> None:
        Path(path).write_text(f"weights {self.weights}", encoding="utf-8")


class Clock:
    """A clock that stands still until it is advanced; it counts how often it is read."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


class TerminalStream(io.StringIO):
    """Text in memory that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def fit(
    model: FakeModel,
    callbacks: Any,
    epochs: Iterable[Mapping[str, Any]],
    *,
    steps: int = 2,
    initial_epoch: int = 0,
    progress: ProgressBar | None = None,
    **params: Any,
) -> History:
    """Call the hooks of `fit`: each entry of `epochs` has the logs of one epoch and of its batches."""
    history = History()
    model.stop_training = False
    asked = {"verbose": 0, "epochs": len(list(epochs)), "steps": steps, **params}
    run = CallbackList(callbacks, model, asked, history, progress)
    run.on_train_begin()
    for epoch, logs in enumerate(epochs, initial_epoch):
        run.on_epoch_begin(epoch)
        model.weights = epoch
        run.watch(lambda logs=logs: logs)
        for step in range(steps):
            train_step(run, step, logs)
            if model.stop_training:
                break
        run.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    run.on_train_end()
    return history


def train_step(run: CallbackList, step: int, logs: Mapping[str, Any]) -> None:
    if run.wants_train_batch_begin:
        run.on_train_batch_begin(step)
    if run.wants_train_batch_end:
        run.on_train_batch_end(step, logs)
    run.tick(step + 1)


def screen(text: str, columns: int = 10_000) -> list[str]:
    """Return the lines that a terminal with `columns` columns shows after `text`, trailing blanks removed."""
    lines, row, column, position = [""], 0, 0, 0
    while position < len(text):
        character = text[position]
        position += 1
        if character == "\x1b":
            position = text.index("m", position) + 1
        elif character == "\r":
            column = 0
        elif character == "\n":
            row, column = row + 1, 0
            lines.append("")
        else:
            if column == columns:
                row, column = row + 1, 0
                lines.append("")
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]
