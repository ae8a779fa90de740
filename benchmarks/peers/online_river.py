"""River's side of the benchmark of online logistic regression; its dictionaries and frames are made before.

``one`` learns from dictionaries of the features that are not zero, one by one; ``many`` from data frames.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas
from online_common import options, passes, rate, read
from river import linear_model, optim
from serve import Train, serve, versions


def prepare(chosen: argparse.Namespace) -> tuple[Train, int]:
    """Build everything; return the function that trains, and the number of rows."""
    x, y = read(chosen.file)
    names = [f"x{place}" for place in range(x.shape[1])]
    step = rate(chosen.batch)
    model = linear_model.LogisticRegression(optimizer=optim.SGD(step), l2=0.0, intercept_lr=step)
    if chosen.kind == "one":
        rows = [{names[i]: row[i] for i in np.flatnonzero(row)} for row in x.astype(float)]
        pairs, learn = list(zip(rows, (y > 0).tolist(), strict=True)), model.learn_one
    else:
        frame, target = pandas.DataFrame(x, columns=names), pandas.Series(y > 0)
        starts = range(0, len(x), chosen.batch)
        pairs = [(frame[i : i + chosen.batch], target[i : i + chosen.batch]) for i in starts]
        learn = model.learn_many

    def one() -> None:
        for features, label in pairs:
            learn(features, label)

    def weights() -> tuple[object, float]:
        known = model.weights
        return [float(known.get(name, 0.0)) for name in names], float(model.intercept)

    return passes(one, weights, x, y), len(x)


if __name__ == "__main__":
    serve(*prepare(options("one", "many")), versions("river", "pandas", "numpy"))
