"""One process from nothing to the end of the first training step, in streamfit.

Import, build, compile, `fit` of one batch.
"""

from __future__ import annotations

from workload import BATCH, CLASSES, FEATURES, HIDDEN, data

import streamfit as sf

if __name__ == "__main__":
    x, y = data()
    model = sf.Sequential(
        [
            sf.layers.Input((FEATURES,)),
            sf.layers.Dense(HIDDEN, activation="relu"),
            sf.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, epochs=1, verbose=0)
    assert history.history["loss"][0] > 0
