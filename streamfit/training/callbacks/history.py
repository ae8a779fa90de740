"""`History`: the return value of `fit`: the logs of every epoch, the seed and the receipts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from streamfit._base.plotting import Picture
from streamfit.streams import Receipt
from streamfit.training.callbacks.base import Callback, Logs
from streamfit.training.curves import learning_curves

__all__ = ["History", "Place"]

Place = dict[str, int]
"""How many entries of each list are known."""


class History(Callback):
    """Keep the logs of every epoch.

    Attributes:
        history: For each name in the logs the list of its values, one for each epoch in which it occurred;
            so with ``validation_freq=2`` the ``val_`` lists are half as long. Values are floats, or arrays
            where a metric has several.
        epoch: Numbers of the epochs, counted from 0.
        params: The arguments of `fit`.
        seed: The seed that the run used, so that it can be repeated; None before a run.
        receipts: For each epoch the proof about its data: planned, delivered, retried, order.

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
        self.receipts: list[Receipt] = []
        self.seed: int | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start new lists; references to those of an earlier run stay valid."""
        self.history = {}
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the logs of the epoch."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def since(self, place: Place) -> tuple[dict[str, object] | None, Place]:
        """Return the entries that are new since a place, and the place that comes after them.

        Args:
            place: The place that this returned before, or an empty dictionary for the beginning.

        Returns:
            A record with the new entries of every list, None if there are none; and the new place.
        """
        lists: dict[str, list[Any]] = {"epoch": self.epoch, "receipts": self.receipts}
        lists |= {f"history/{name}": values for name, values in self.history.items()}
        new = {name: values[place.get(name, 0) :] for name, values in lists.items()}
        new = {name: [_for_json(value) for value in values] for name, values in new.items()}
        record = {name: values for name, values in new.items() if values}
        return dict(record) or None, {name: len(values) for name, values in lists.items()}

    def resume(self, records: Iterable[Mapping[str, Any]], seed: int) -> Place:
        """Continue with a history from the records of `since`; return the place that comes after them."""
        lists: dict[str, list[Any]] = {"epoch": [], "receipts": []}
        for record in records:
            for name, values in record.items():
                lists.setdefault(name, []).extend(map(_from_json, values))
        self.epoch, self.seed = lists.pop("epoch"), seed
        self.receipts = [Receipt(**receipt) for receipt in lists.pop("receipts")]
        self.history = {name.removeprefix("history/"): values for name, values in lists.items()}
        return self.since({})[1]

    def plot(self, names: Sequence[str] | None = None, path: str | os.PathLike[str] | None = None) -> Picture:
        """Draw the learning curves; see `streamfit.plots.learning_curves`.

        Args:
            names: Which logs to draw; None for all.
            path: Where to write the picture; None does not.
        """
        return learning_curves(self, names, path=path)

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, logs={list(self.history)})"


def _for_json(value: object) -> object:
    """Return a value of the lists as JSON can hold it; arrays come back as they were, to the bit."""
    if isinstance(value, Receipt):
        return asdict(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    return value


def _from_json(value: object) -> object:
    if isinstance(value, dict) and value.keys() == {"array", "dtype"}:
        return np.array(value["array"], value["dtype"])
    return value
