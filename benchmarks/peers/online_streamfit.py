"""streamfit's side of the benchmark of online logistic regression: `fit`, or a call for each batch."""

from __future__ import annotations

import argparse

from online_common import options, passes, rate, read
from serve import Train, serve, versions

from streamfit import Sequential, layers, optimizers


def prepare(chosen: argparse.Namespace) -> tuple[Train, int]:
    """Build everything; return the function that trains, and the number of rows."""
    x, y = read(chosen.file)
    model = Sequential(
        [layers.Input(x.shape[1:]), layers.Dense(1, activation="sigmoid", kernel_initializer="zeros")]
    )
    model.compile(optimizers.SGD(rate(chosen.batch)), "binary_crossentropy")

    def fit() -> None:
        model.fit(x, y, chosen.batch, epochs=1, shuffle=False, verbose=0)

    def calls() -> None:
        for start in range(0, len(x), chosen.batch):
            rows = slice(start, start + chosen.batch)
            model.train_on_batch(x[rows], y[rows])

    def weights() -> tuple[object, float]:
        kernel, bias = model.get_weights()
        return kernel, float(bias[0])

    return passes(fit if chosen.kind == "fit" else calls, weights, x, y), len(x)


if __name__ == "__main__":
    serve(*prepare(options("fit", "calls")), versions("streamfit", "numba", "numpy"))
