"""One process from nothing to the first prediction of a saved model, in Keras; ``--save`` writes the model.

``--call`` calls the model in place of `predict`, which compiles first. ``--hide`` makes packages look
absent that a user of one backend would not have.
"""

from __future__ import annotations

import argparse

from first_step_keras import hide
from workload import BATCH, CLASSES, FEATURES, HIDDEN, data


def save(path: str) -> None:
    """Train a model for a step and save it."""
    import keras

    x, y = data()
    model = keras.Sequential(
        [
            keras.layers.Input((FEATURES,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, epochs=1, verbose=0)
    model.save(path)


def predict(path: str, call: bool) -> None:
    """Load the model and predict one sample."""
    import keras

    model, x = keras.saving.load_model(path), data()[0][:1]
    made = keras.ops.convert_to_numpy(model(x)) if call else model.predict(x, verbose=0)
    assert made.shape == (1, CLASSES)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--call", action="store_true")
    parser.add_argument("--hide", nargs="*", default=[], help="installed packages that Keras shall not find")
    options = parser.parse_args()
    hide(options.hide)
    save(options.path) if options.save else predict(options.path, options.call)
