"""`streamfit.augment` for the benchmark of augmentation, on one core."""

from __future__ import annotations

import itertools

import numpy as np
from augmentation_common import MEAN, MOVED, PHOTO, SMALL, STD, serve

from streamfit import augment

numbers = itertools.count()
small = augment.chain(
    augment.flip(), augment.crop(32, padding=4), augment.cutout(8), augment.normalize(MEAN, STD)
)
photo = augment.chain(
    augment.random_resized_crop(224),
    augment.flip(),
    augment.color_jitter(0.4, 0.4, 0.4, 0.1),
    augment.normalize(MEAN, STD),
)
moved = augment.chain(
    augment.affine(degrees=30, translate=(0.1, 0.1), scale=(0.8, 1.2), shear=10, fill_mode="nearest"),
    value_range=(0, 255),
)


def drawn(transform: augment.Transform, batch: np.ndarray) -> object:
    """Transform one batch with draws that no batch before had."""
    keys = np.arange(len(batch), dtype=np.uint64) + np.uint64(next(numbers) << 20)
    return transform.transform_batch(batch, None, keys)[0]


serve(
    {
        SMALL: lambda batch: drawn(small, batch),
        PHOTO: lambda batch: drawn(photo, batch),
        MOVED: lambda batch: drawn(moved, batch),
    },
    ["streamfit", "numba"],
)
