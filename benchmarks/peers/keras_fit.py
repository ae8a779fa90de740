"""Keras' side of the step benchmark: `fit` on in-memory arrays, on the backend in KERAS_BACKEND.

The options are those that a user can set to make it faster: steps per execution and compilation.
"""

from __future__ import annotations

import argparse
import os
import time

import keras
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


class EpochEnds(keras.callbacks.Callback):
    """Note the clock at the end of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.stamps: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Note the clock."""
        self.stamps.append(time.perf_counter())


def prepare(steps_per_execution: int, jit_compile: bool | str) -> Train:
    """Build and compile the model; return the function that trains it."""
    model = keras.Sequential(
        [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.set_weights(weights())
    model.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps-per-execution", type=int, default=1)
    parser.add_argument("--jit-compile", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--threads", type=int, default=0, help="threads of the backend; 0: its default")
    options = parser.parse_args()
    backend = keras.backend.backend()
    if options.threads and backend == "tensorflow":
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(options.threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(options.threads)
    elif options.threads and backend == "torch":
        import torch

        torch.set_num_threads(options.threads)
    elif options.threads:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    jit: bool | str = {"auto": "auto", "yes": True, "no": False}[options.jit_compile]
    package = {"tensorflow": "tensorflow_cpu"}.get(backend, backend)
    serve(prepare(options.steps_per_execution, jit), STEPS, versions("keras", package, "numpy"))
