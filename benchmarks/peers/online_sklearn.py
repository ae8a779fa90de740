"""scikit-learn's side of the benchmark of online logistic regression: `partial_fit`, a call for each batch.

Within a batch it takes one step for each row, whatever the size: its weights are those of batches of 1.
"""

from __future__ import annotations

import argparse

import numpy as np
from online_common import options, passes, rate, read
from serve import Train, serve, versions
from sklearn.linear_model import SGDClassifier


def prepare(chosen: argparse.Namespace) -> tuple[Train, int]:
    """Build everything; return the function that trains, and the number of rows."""
    x, y = read(chosen.file)
    model = SGDClassifier(
        loss="log_loss", penalty=None, learning_rate="constant", eta0=rate(1), shuffle=False
    )
    classes = np.array([0.0, 1.0], y.dtype)
    starts = range(0, len(x), chosen.batch)
    pairs = [(x[i : i + chosen.batch], y[i : i + chosen.batch]) for i in starts]

    def one() -> None:
        for features, labels in pairs:
            model.partial_fit(features, labels, classes)

    return passes(one, lambda: (model.coef_, float(model.intercept_[0])), x, y), len(x)


if __name__ == "__main__":
    serve(*prepare(options("partial_fit")), versions("scikit-learn", "numpy"))
