"""The demo's data: digits on disk as a memory map, and a `Sequence` that augments them during training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from streamfit._base.keys import generator
from streamfit._base.optional import require
from streamfit._base.specs import Array
from streamfit.streams import Sequence

VALIDATED = 360  # the last images are kept for validation
_SHUFFLE_KEY = 20  # the validation images must not depend on the order of writers in the file


def write_digits(folder: Path) -> None:
    """Write scikit-learn's 1,797 digits (8 x 8, grey values 0 to 16) as ``images.npy`` and ``labels.npy``."""
    digits = require("sklearn.datasets", "demo").load_digits()
    order = generator(_SHUFFLE_KEY).permutation(len(digits.target))
    np.save(folder / "images.npy", digits.images[order].astype(np.uint8))
    np.save(folder / "labels.npy", digits.target[order].astype(np.int64))


def open_digits(folder: Path) -> tuple[Array, Array]:
    """Return images (1797, 8, 8) uint8 and labels (1797,) int64, mapped from their files."""
    return np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "labels.npy", mmap_mode="r")


def augmented(image: Array, rng: np.random.Generator) -> Array:
    """Rotate by up to 10 degrees and shift by up to 0.7 pixels, every second image on average; add noise.

    On 8 x 8 pixels interpolation blurs: a network trained on moved images only would be bad at sharp ones.

    Args:
        image: Shape (8, 8), grey values from 0 to 16.
        rng: The source of all randomness.

    Returns:
        float32 of the same shape, in [0, 1] but for the noise.
    """
    angle, down, right = rng.uniform(-1, 1, 3)
    noise = rng.normal(0, 0.05, image.shape)
    scaled = image.astype(np.float32) / 16
    if rng.random() < 0.5:
        turn = np.deg2rad(10 * angle)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        centre = (np.array(image.shape) - 1) / 2
        offset = centre - matrix @ (centre + 0.7 * np.array([down, right]))
        scaled = ndimage.affine_transform(scaled, matrix, offset, order=1)
    return np.asarray(scaled + noise, np.float32)


class AugmentedDigits(Sequence):
    """Batches of augmented digits; every epoch shows other variants of each."""

    def __init__(self, images: Array, labels: Array, batch_size: int) -> None:
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        rng = self.rng(index)  # the same draws on any worker and at any attempt
        batch = [augmented(image, rng) for image in self.images[rows]]
        return np.stack(batch), self.labels[rows]
