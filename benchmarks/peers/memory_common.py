"""The data of both sides of the memory benchmark: digits from a memory map, augmented batch by batch.

Needs numpy and scipy only. The arguments are the folder that holds ``images.npy`` and ``labels.npy``, and how
many epochs to train.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

BATCH, HIDDEN, CLASSES, WORKERS, SEED = 32, (256, 128), 10, 2, 7


def options() -> argparse.Namespace:
    """Read folder and number of epochs from the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    return parser.parse_args()


def open_digits(folder: Path) -> tuple[Any, Any]:
    """Return images (n, 8, 8) uint8 and labels (n,) int64, mapped from their files."""
    return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy", mmap_mode="r")


def train(library: Any, digits: Any, epochs: int, **workers: Any) -> None:
    """Train the same network; the code is the same for Keras and streamfit.

    Args:
        library: The module that has `Sequential` and `layers`.
        digits: The data set.
        epochs: How many epochs.
        workers: Further arguments of `fit`.
    """
    layers = library.layers
    model = library.Sequential(
        [
            layers.Input((8, 8)),
            layers.Flatten(),
            layers.Dense(HIDDEN[0], activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(HIDDEN[1], activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(digits, epochs=epochs, verbose=0, **workers).history
    assert history["loss"][-1] < history["loss"][0]


class Digits:
    """Batches by number, a mixin for the data set class of a framework."""

    def hold(self, images: Any, labels: Any) -> None:
        """Keep the data."""
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return -(-len(self.images) // BATCH)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        rows = slice(index * BATCH, (index + 1) * BATCH)
        rng = np.random.default_rng((SEED, index))
        return np.stack([augmented(image, rng) for image in self.images[rows]]), self.labels[rows]


def augmented(image: Any, rng: np.random.Generator) -> Any:
    """Turn an image by up to 10 degrees and add noise."""
    turn = np.deg2rad(rng.uniform(-10, 10))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = (np.array(image.shape) - 1) / 2
    turned = ndimage.affine_transform(
        image.astype(np.float32) / 16, matrix, centre - matrix @ centre, order=1
    )
    return np.asarray(turned + rng.normal(0, 0.05, image.shape), np.float32)
