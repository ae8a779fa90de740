"""streamfit's side of the memory benchmark: the digits through two worker processes."""

from __future__ import annotations

from typing import Any

from memory_common import CLASSES, HIDDEN, WORKERS, Digits, open_digits, options

import streamfit as sf


class Sequence(Digits, sf.utils.Sequence):
    """The digits in streamfit's words."""

    def __init__(self, images: Any, labels: Any) -> None:
        super().__init__()
        self.hold(images, labels)


def main() -> None:
    """Train."""
    chosen = options()
    model = sf.Sequential(
        [
            sf.layers.Input((8, 8)),
            sf.layers.Flatten(),
            sf.layers.Dense(HIDDEN[0], activation="relu"),
            sf.layers.Dropout(0.2),
            sf.layers.Dense(HIDDEN[1], activation="relu"),
            sf.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    digits = Sequence(*open_digits(chosen.folder))
    history = model.fit(
        digits, epochs=chosen.epochs, verbose=0, workers=WORKERS, use_multiprocessing=True
    ).history
    assert history["loss"][-1] < history["loss"][0]


if __name__ == "__main__":
    main()
