"""One process from nothing to the end of the first training step, in Keras.

Import, build, compile, `fit` of one batch. ``--jit-compile no`` and ``--eager`` skip compilation where that
is faster; JAX's persistent cache of compiled programs is used when JAX_COMPILATION_CACHE_DIR is set. Keras
imports JAX and scikit-learn whenever they are installed, whatever its backend; ``--hide`` makes them look
absent, as they are for a user of one backend, so that an environment which holds all the peers at once does
not slow it down.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from workload import BATCH, CLASSES, FEATURES, HIDDEN, data


def hide(packages: Sequence[str]) -> None:
    """Make later imports of ``packages`` fail as if they were not installed."""
    for package in packages:
        sys.modules[package] = None  # type: ignore[assignment]


def first_step(jit_compile: bool | str, eager: bool) -> float:
    """Import, build, compile and train on one batch; return its loss."""
    import keras

    x, y = data()
    model = keras.Sequential(
        [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=eager,
        jit_compile=jit_compile,
    )
    history = model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, epochs=1, verbose=0)
    return float(history.history["loss"][0])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jit-compile", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--hide", nargs="*", default=[], help="installed packages that Keras shall not find")
    options = parser.parse_args()
    hide(options.hide)
    assert first_step({"auto": "auto", "yes": True, "no": False}[options.jit_compile], options.eager) > 0
