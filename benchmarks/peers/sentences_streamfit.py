"""streamfit's side of the benchmark of sentences: `fit` on an array of strings."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from sentences_common import (
    BATCH,
    HIDDEN,
    LEARNING_RATE,
    VOCABULARY,
    WARM,
    WIDTH,
    WORDS,
    Epoch,
    options,
    read,
    serve,
    vocabulary,
)

import streamfit as sf
from streamfit import layers, optimizers


def prepare(chosen: argparse.Namespace) -> Epoch:
    """Build and compile the model, train a few batches, and return what trains an epoch."""
    sentences, y = read(chosen.file)
    x: Any = np.array(sentences, dtype=object)
    vectorization = getattr(layers, "TextVectorization", None)
    if vectorization is not None:
        first = [vectorization(standardize=None, output_sequence_length=WORDS, vocabulary=vocabulary())]
        shape: tuple[int, ...] = ()
    else:  # words that were split before
        x = np.array([sentence.split() for sentence in sentences], dtype=object)
        first, shape = [layers.StringLookup(mask_token="", vocabulary=vocabulary())], (WORDS,)
    model = sf.Sequential(
        [
            layers.Input(shape, dtype="string"),
            *first,
            layers.EmbeddingBag(VOCABULARY + 2, WIDTH),
            layers.Dense(HIDDEN, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(getattr(optimizers, chosen.kind)(LEARNING_RATE), "binary_crossentropy")
    workers = {"workers": chosen.workers} if chosen.workers else {}

    def train(count: int) -> float:
        history = model.fit(x[:count], y[:count], BATCH, epochs=1, shuffle=False, verbose=0, **workers)
        return float(history.history["loss"][0])

    train(WARM * BATCH)
    return lambda: train(len(x))


if __name__ == "__main__":
    parser = options("Adam", "LazyAdam")
    parser.add_argument("--workers", type=int, default=0, help="0: streamfit decides")
    serve(prepare(parser.parse_args()), "streamfit", "numba", "numpy")
