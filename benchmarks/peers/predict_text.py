"""One side of `predict_text.py`: answers each request with the microseconds of a call on one string.

The model: words of a vocabulary of 10,000, the mean of their 32-dimensional vectors, 16 units, 1 output.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

WORDS = [f"word{i}" for i in range(10_000)]
TEXT = "word17 word4 unknown word9999 word17 word256 word3 another word12 word800"
DIM, HIDDEN, CALLS = 32, 16, 300


def of_streamfit(on_batch: bool) -> Callable[[], Any]:
    """Return `predict`, or `predict_on_batch`, of streamfit."""
    import numpy as np

    import streamfit as sf

    embedding = sf.layers.SentenceEmbedding(DIM, vocabulary=WORDS)
    model = sf.Sequential(
        [
            sf.Input((), dtype="string"),
            embedding,
            sf.layers.Dense(HIDDEN, activation="relu"),
            sf.layers.Dense(1, activation="sigmoid"),
        ]
    )
    data = np.array([TEXT], dtype=object)
    return lambda: model.predict_on_batch(data) if on_batch else model.predict(data)


def of_keras(call: bool) -> Callable[[], Any]:
    """Return `predict` of Keras, or a call of its model, with the layer for text inside."""
    import keras
    import tensorflow as tf

    words = keras.layers.TextVectorization(vocabulary=WORDS)
    model = keras.Sequential(
        [
            keras.Input((), dtype="string"),
            words,
            keras.layers.Embedding(len(WORDS) + 2, DIM, mask_zero=True),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    data = tf.constant([TEXT])
    return lambda: model(data).numpy() if call else model.predict(data, verbose=0)


def of_torch() -> Callable[[], Any]:
    """Return a bare call in PyTorch: a dictionary, `EmbeddingBag`, two linear layers."""
    import re

    import torch

    torch.set_num_threads(1)
    numbers = {word: place + 2 for place, word in enumerate(WORDS)}
    bag = torch.nn.EmbeddingBag(len(WORDS) + 2, DIM, mode="mean")
    rest = torch.nn.Sequential(
        torch.nn.Linear(DIM, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1), torch.nn.Sigmoid()
    )
    signs = re.compile(r"[^\w\s]")

    def predict() -> Any:
        words = signs.sub("", TEXT.lower()).split()
        ids = torch.tensor([[numbers.get(word, 1) for word in words]])
        with torch.inference_mode():
            return rest(bag(ids)).numpy()

    return predict


KINDS: dict[str, Callable[[], Callable[[], Any]]] = {
    "predict": lambda: of_streamfit(False),
    "predict_on_batch": lambda: of_streamfit(True),
    "keras": lambda: of_keras(False),
    "keras-call": lambda: of_keras(True),
    "torch": of_torch,
}

if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    predict = KINDS[sys.argv[1]]()
    for _ in range(20):
        assert predict().shape == (1, 1)
    print(json.dumps({"ready": True}), file=answers)
    for _ in sys.stdin:
        spent = []
        for _ in range(CALLS):
            start = time.perf_counter()
            predict()
            spent.append(time.perf_counter() - start)
        print(json.dumps({"microseconds": sorted(spent)[CALLS // 2] * 1e6}), file=answers)
