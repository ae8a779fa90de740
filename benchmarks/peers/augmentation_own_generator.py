"""streamfit's `ImageDataGenerator` for the benchmark of augmentation, on one core."""

from __future__ import annotations

import numpy as np
from augmentation_common import MOVED, serve

from streamfit.preprocessing.image import ImageDataGenerator

generator = ImageDataGenerator(
    rotation_range=30, width_shift_range=0.1, height_shift_range=0.1, zoom_range=0.2, shear_range=10
)


def moved(batch: np.ndarray) -> object:
    """Transform one batch as `augmentation_generator.py` does."""
    return next(generator.flow(batch, batch_size=len(batch), shuffle=False))


serve({MOVED: moved}, ["streamfit", "numba"])
