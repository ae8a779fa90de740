"""One process from nothing to the first prediction of a saved model, in streamfit; ``--save`` writes the
model.
"""

from __future__ import annotations

import sys

from workload import BATCH, CLASSES, FEATURES, HIDDEN, data


def save(path: str) -> None:
    """Train a model for a step and save it."""
    import streamfit as sf

    x, y = data()
    model = sf.Sequential(
        [
            sf.layers.Input((FEATURES,)),
            sf.layers.Dense(HIDDEN, activation="relu"),
            sf.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, epochs=1, verbose=0)
    model.predict(x[:1])  # its kernels are in the cache from here on, as after the first run on a machine
    model.save(path)


if __name__ == "__main__":
    if sys.argv[1] == "--save":
        save(sys.argv[2])
    else:
        from streamfit.models import load_model

        assert load_model(sys.argv[1]).predict(data()[0][:1], verbose=0).shape == (1, CLASSES)
