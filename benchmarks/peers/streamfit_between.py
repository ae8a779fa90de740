"""streamfit's `fit` beside something that may need Python between two steps."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from serve import Train, Trained, between, serve, versions
from streamfit_fit import EpochEnds
from workload import BATCH, CLASSES, FEATURES, HIDDEN, LEARNING_RATE, STEPS, data, weights

import streamfit as sf
from streamfit import metrics, optimizers

KINDS = ("plain", "schedule", "every", "each", "auc", "precision_recall", "python_metric")


class Listener(sf.callbacks.Callback):
    """Read the logs at every n-th batch.

    Args:
        every: n.
    """

    def __init__(self, every: int) -> None:
        super().__init__()
        self.every, self.losses = every, list[float]()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Note the loss."""
        self.losses.append(logs["loss"])


class Largest(metrics.Metric):
    """The largest prediction, found in Python after each step."""

    def __init__(self) -> None:
        super().__init__("largest")
        self.value = self.add_variable(())

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account."""
        self.value.assign(np.maximum(self.value, np.max(y_pred)))

    def result(self) -> float:
        """Return the largest so far."""
        return float(self.value)


def prepare(kind: str) -> Train:
    """Build and compile the model; return the function that trains it."""
    rate = optimizers.schedules.ExponentialDecay(LEARNING_RATE, 10_000, 0.9) if kind == "schedule" else None
    more = {
        "auc": [metrics.AUC()],
        "precision_recall": [metrics.Precision(), metrics.Recall()],
        "python_metric": [Largest()],
    }
    model = sf.Sequential(
        [
            sf.layers.Input((FEATURES,)),
            sf.layers.Dense(HIDDEN, activation="relu"),
            sf.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(weights())
    model.compile(
        optimizers.Adam(rate or LEARNING_RATE),
        "categorical_crossentropy",
        metrics=["accuracy", *more.get(kind, [])],
    )
    x, labels = data()
    y = np.eye(CLASSES, dtype=np.float32)[labels]
    callbacks = [Listener(50 if kind == "every" else 1)] if kind in ("every", "each") else []

    def train(epochs: int) -> Trained:
        ends = EpochEnds()
        history = model.fit(x, y, BATCH, epochs + 1, verbose=0, callbacks=[*callbacks, ends])
        logs = history.history
        return Trained(between(ends.stamps), float(logs["loss"][-1]), float(logs["accuracy"][-1]))

    return train


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    serve(prepare(parser.parse_args().kind), STEPS, versions("streamfit", "numba", "numpy"))
