"""Vowpal Wabbit's side of the benchmark of online logistic regression: examples that were parsed before.

It learns row by row from the features that are not zero.
"""

from __future__ import annotations

import argparse

import numpy as np
import vowpalwabbit
from online_common import options, passes, rate, read
from serve import Train, serve, versions


def prepare(chosen: argparse.Namespace) -> tuple[Train, int]:
    """Build everything; return the function that trains, and the number of rows."""
    x, y = read(chosen.file)
    space = vowpalwabbit.Workspace(
        f"--loss_function logistic --sgd --learning_rate {rate(1)} --power_t 0 --initial_t 1 --quiet"
    )
    examples = []
    for row, label in zip(x, y, strict=True):
        features = " ".join(f"{i}:{row[i]:.9g}" for i in np.flatnonzero(row))
        examples.append(space.parse(f"{1 if label else -1} | {features}"))

    def one() -> None:
        learn = space.learn
        for example in examples:
            learn(example)

    def weights() -> tuple[object, float]:
        def logit(features: str) -> float:
            return float(space.predict(f"| {features}"))

        bias = logit("")
        return [logit(f"{place}:1") - bias for place in range(x.shape[1])], bias

    return passes(one, weights, x, y), len(x)


if __name__ == "__main__":
    serve(*prepare(options("examples")), versions("vowpalwabbit", "numpy"))
