"""`ImageDataGenerator` of Keras-Preprocessing for the benchmark of augmentation."""

from __future__ import annotations

import numpy as np
from augmentation_common import MOVED, serve
from keras_preprocessing.image import ImageDataGenerator

generator = ImageDataGenerator(
    rotation_range=30, width_shift_range=0.1, height_shift_range=0.1, zoom_range=0.2, shear_range=10
)


def moved(batch: np.ndarray) -> np.ndarray:
    """Transform one batch; the iterator that `fit_generator` reads does the same."""
    return next(generator.flow(batch, batch_size=len(batch), shuffle=False))


serve({MOVED: moved}, ["Keras-Preprocessing", "scipy"])
