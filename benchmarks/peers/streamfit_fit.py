"""streamfit's side of the step benchmark: `fit` on in-memory arrays."""

from __future__ import annotations

import time
from typing import Any

from serve import Train, Trained, between, serve, versions
from workload import (
    BATCH,
    BETA_1,
    BETA_2,
    CLASSES,
    EPSILON,
    FEATURES,
    HIDDEN,
    LEARNING_RATE,
    STEPS,
    data,
    weights,
)

import streamfit as sf


class EpochEnds(sf.callbacks.Callback):
    """Note the clock at the end of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the clock."""
        self.stamps.append(time.perf_counter())


def prepare() -> Train:
    """Build and compile the model; return the function that trains it."""
    model = sf.Sequential(
        [
            sf.layers.Input((FEATURES,)),
            sf.layers.Dense(HIDDEN, activation="relu"),
            sf.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(weights())
    model.compile(
        optimizer=sf.optimizers.Adam(LEARNING_RATE, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    x, y = data()

    def train(epochs: int) -> Trained:
        ends = EpochEnds()
        history = model.fit(
            x, y, batch_size=BATCH, epochs=epochs + 1, shuffle=True, verbose=0, callbacks=[ends]
        )
        logs = history.history
        return Trained(between(ends.stamps), float(logs["loss"][-1]), float(logs["accuracy"][-1]))

    return train


if __name__ == "__main__":
    serve(prepare(), STEPS, versions("streamfit", "numba", "numpy", "scipy"))
