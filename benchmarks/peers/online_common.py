"""What all sides of the benchmark of online logistic regression share: the data, the rule, and the clock.

The features of UCI's Adult: numbers with mean 0 and variance 1, and a column of zeros and ones for each word.
Every side does plain SGD at a constant rate from weights of zero, in the order of the rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from serve import Train, Trained
from wide_and_deep_common import NUMBERS, TARGET, WORDS, read_csv

BATCHES = (1, 8, 32, 256, 1024)
Floats = NDArray[np.float32]


def rate(batch: int) -> float:
    """Return the learning rate for the mean gradient of a batch: it grows with the root of the size."""
    return 0.01 * batch**0.5


def write(csv: Path, path: Path) -> None:
    """Write the features and the target of one of UCI's files."""
    columns = read_csv(csv)
    numbers = np.stack([columns[name] for name in NUMBERS], 1).astype(np.float64)
    parts = [(numbers - numbers.mean(0)) / numbers.std(0)]
    for name in WORDS:
        words = columns[name].astype(str)
        parts.append(words[:, None] == np.unique(words)[None])
    x = np.ascontiguousarray(np.concatenate(parts, 1).astype(np.float32))
    order = np.random.default_rng(0).permutation(len(x))
    np.savez(path, x=x[order], y=columns[TARGET].astype(np.float32)[order])


def read(path: str) -> tuple[Floats, Floats]:
    """Return features, shape (rows, features), and target, shape (rows,), of whole batches of 1024."""
    with np.load(path) as file:
        x, y = file["x"], file["y"]
    rows = len(x) // max(BATCHES) * max(BATCHES)
    return x[:rows], y[:rows]


def options(*kinds: str) -> argparse.Namespace:
    """Return the options of a side: how it is called, the data and the size of its batches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("file")
    parser.add_argument("batch", type=int, choices=BATCHES)
    return parser.parse_args()


def passes(
    one: Callable[[], None], weights: Callable[[], tuple[object, float]], x: Floats, y: Floats
) -> Train:
    """Turn a function that does one pass into a `Train`; its loss is that of the weights behind the passes.

    Args:
        one: Trains on all rows once.
        weights: Returns weights, one for each feature, and intercept.
        x: The features.
        y: The target.
    """

    def train(count: int) -> Trained:
        seconds = []
        for number in range(count + 1):
            begin = time.perf_counter()
            one()
            if number:
                seconds.append(time.perf_counter() - begin)
        kernel, bias = weights()
        logits = x.astype(np.float64) @ np.asarray(kernel, np.float64).reshape(-1) + bias
        loss = np.logaddexp(0, logits) - logits * y
        return Trained(seconds, float(loss.mean()), float(((logits > 0) == (y > 0)).mean()))

    return train
