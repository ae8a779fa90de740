"""`smart_resize`: arrays in another size without distortion."""

from __future__ import annotations

import numpy as np

from streamfit._base.config import as_data_format
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.images import Images
from streamfit.augment.resampling import Resampling, resized
from streamfit.preprocessing.image.image_form import ImageSize
from streamfit.preprocessing.image.single_images import crop_box, size_of


def smart_resize(
    x: object,
    size: ImageSize,
    interpolation: Resampling = "bilinear",
    data_format: str | None = "channels_last",
) -> Array:
    """Cut images at the middle to the ratio of a size, and resize them to it, without antialias as Keras.

    Args:
        x: An image (height, width, channels) or a batch (n, height, width, channels), uint8 or floats; with
            the channels in front of height and width where `data_format` says so.
        size: Height and width, or a number for a square.
        interpolation: ``'bilinear'``, ``'nearest'``, ``'bicubic'``, ``'area'`` or ``'lanczos3'``.
        data_format: ``'channels_last'`` or ``'channels_first'``; None for `image_data_format`.

    Returns:
        float32 of the same form; values are not rounded.

    Raises:
        DataError: These are no images.
        ValueError: There is no such interpolation.

    Example:
        >>> smart_resize(np.array([[[1], [2], [3], [4]]], np.uint8), (1, 1))
        array([[[2.]]], dtype=float32)
    """
    height, width = size_of("size", size)
    first = as_data_format(data_format) == "channels_first"
    images = np.asarray(x)
    if images.ndim not in (3, 4) or images.dtype.kind not in "biuf" or not images.size:
        raise DataError(
            f"an image must have shape (height, width, channels) or (n, height, width, channels), got "
            f"{images.shape} of dtype {images.dtype}"
        )
    batch = images if images.ndim == 4 else images[None]
    batch = np.moveaxis(batch, 1, 3) if first else batch
    if batch.dtype != np.uint8:
        batch = batch.astype(np.float32)
    box = crop_box(batch.shape[1], batch.shape[2], height, width)
    out = np.empty((len(batch), height, width, batch.shape[3]), np.float32)
    boxes = np.tile(np.array(box, np.float64), (len(batch), 1))
    resized(Images.of(batch), (height, width), interpolation, False, boxes, out.reshape(-1))
    made = np.moveaxis(out, 3, 1) if first else out
    return made if images.ndim == 4 else made[0]
