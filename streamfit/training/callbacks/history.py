"""`History`: what `fit` returns, the logs of every epoch and what it takes to repeat the run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from streamfit.streams import Receipt
from streamfit.training.callbacks.base import Callback, Logs

__all__ = ["History"]


class History(Callback):
    """Keep the logs of every epoch.

    Attributes:
        history: For each name in the logs the list of its values, one for each epoch in which it occurred;
            so with ``validation_freq=2`` the ``val_`` lists are half as long. Values are floats, or arrays
            where a metric has several.
        epoch: Numbers of the epochs, counted from 0.
        params: What was asked of `fit`.
        seed: The seed that the run used, so that it can be repeated; None before a run.
        receipts: What each epoch proved about its data: planned, delivered, retried, order.

    Example:
        >>> history = History()
        >>> history.on_train_begin()
        >>> history.on_epoch_end(0, {"loss": 0.5})
        >>> history.history, history.epoch
        ({'loss': [0.5]}, [0])
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self.receipts: list[Any] = []
        self.seed: int | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start new lists; those of an earlier run stay with whoever holds them."""
        self.history = {}
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the logs of the epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def state(self, epoch: int, logs: Logs | None) -> dict[str, Any]:
        """Return the history for JSON, with the logs of `epoch` if it ended and is not in it yet."""
        history = {name: list(values) for name, values in self.history.items()}
        epochs = list(self.epoch)
        if logs is not None and epoch not in epochs:
            epochs.append(epoch)
            for name, value in logs.items():
                history.setdefault(name, []).append(value)
        history = {name: [_for_json(value) for value in values] for name, values in history.items()}
        return {"history": history, "epoch": epochs, "receipts": [asdict(r) for r in self.receipts]}

    def resume(self, state: dict[str, Any], seed: int) -> None:
        """Go on with a history that `state` gave."""
        history = state["history"]
        self.history = {name: [_from_json(value) for value in values] for name, values in history.items()}
        self.epoch, self.seed = state["epoch"], seed
        self.receipts = [Receipt(**receipt) for receipt in state["receipts"]]

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, logs={list(self.history)})"


def _for_json(value: Any) -> Any:
    """Return a value of the logs as JSON can hold it; arrays come back as they were, to the bit."""
    if isinstance(value, (np.ndarray, np.generic)):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"array", "dtype"}:
        return np.array(value["array"], value["dtype"])
    return value
