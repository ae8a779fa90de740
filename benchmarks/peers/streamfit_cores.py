"""streamfit's `fit` of a network whose step is worth several threads."""

from __future__ import annotations

import argparse

import numpy as np
from serve import Train, Trained, between, serve, versions
from streamfit_fit import EpochEnds

import streamfit as sf
from streamfit.program import blocks

ROWS, FEATURES, HIDDEN, CLASSES, BATCH = 8192, 784, 128, 10, 256
KINDS = ("whole", "cut", "dead")


def prepare(kind: str, threads: int) -> Train:
    """Build and compile the model; return the function that trains it.

    Args:
        kind: ``'whole'`` does not cut the batch into blocks; ``'dead'`` has hidden units that never fire.
        threads: How many threads may compute.
    """
    sf.set_num_threads(threads)
    if kind == "whole":
        blocks.MOST_BLOCKS = 1
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = rng.integers(0, CLASSES, ROWS)
    model = sf.Sequential(
        [
            sf.layers.Input((FEATURES,)),
            sf.layers.Dense(HIDDEN, activation="relu"),
            sf.layers.Dense(CLASSES),
        ]
    )
    model.compile("adam", sf.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    if kind == "dead":
        model.fit(x, y, BATCH, 1, verbose=0)  # the means of the gradients are not 0 and decay from here on
        first, bias, last, shift = model.get_weights()
        model.set_weights([first, bias - 1000, last, shift])

    def train(epochs: int) -> Trained:
        ends = EpochEnds()
        logs = model.fit(x, y, BATCH, epochs + 1, verbose=0, callbacks=[ends]).history
        return Trained(between(ends.stamps), float(logs["loss"][-1]), float(logs["accuracy"][-1]))

    return train


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    serve(prepare(options.kind, options.threads), ROWS // BATCH, versions("streamfit", "numba", "numpy"))
