"""streamfit's side of the benchmark of embeddings: `fit` on in-memory arrays."""

from __future__ import annotations

import argparse
from typing import Any

from embedding_common import BATCH, LEARNING_RATE, LENGTH, STEPS, WIDTH, data, options
from serve import Train, Trained, between, serve, versions
from streamfit_fit import EpochEnds

import streamfit as sf
from streamfit import ops, optimizers
from streamfit.optimizers import tables

KINDS = ("Adam", "LazyAdam", "SGD", "Adagrad", "AdamRead", "AdamWhole")


class Mean(sf.layers.Layer):
    """Average over the axis of the sequence."""

    def call(self, x: Any) -> Any:
        """Average."""
        return ops.mean(x, axis=1)


class ReadAll(sf.callbacks.Callback):
    """Read the table at the end of each epoch: all its rows are brought up to date then."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Read."""
        self.model.layers[0].embeddings.numpy()


def prepare(chosen: argparse.Namespace) -> Train:
    """Build and compile the model; return the function that trains it."""
    name = chosen.kind.removesuffix("Read").removesuffix("Whole")
    if chosen.kind == "AdamWhole":
        tables.SMALLEST = 1 << 62  # no table is large enough to be updated by rows
    model = sf.Sequential(
        [sf.layers.Embedding(chosen.rows, WIDTH, input_length=LENGTH), Mean(), sf.layers.Dense(1)]
    )
    model.compile(optimizer=getattr(optimizers, name)(LEARNING_RATE), loss="mse")
    x, y = data(chosen.ids)
    callbacks = [ReadAll()] if chosen.kind == "AdamRead" else []

    def train(epochs: int) -> Trained:
        ends = EpochEnds()
        history = model.fit(x, y, BATCH, epochs + 1, verbose=0, callbacks=[*callbacks, ends])
        return Trained(between(ends.stamps), float(history.history["loss"][-1]), 0.0)

    return train


if __name__ == "__main__":
    serve(prepare(options(*KINDS)), STEPS, versions("streamfit", "numba", "numpy"))
