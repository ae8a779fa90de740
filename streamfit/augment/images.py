"""`Images`: a batch of images in one flat array, of equal or of different sizes.

All kernels read and write this form, so there is one kernel for both kinds of batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.kernels.arguments import native_array

DTYPES = np.dtype(np.uint8), np.dtype(np.float32)


@dataclass(frozen=True)
class Frames:
    """Sizes and kind of the images of a batch.

    Args:
        sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        dtype: uint8 or float32.
        value_range: The values of black and white.
    """

    sizes: Array
    channels: int
    dtype: np.dtype[np.generic]
    value_range: tuple[float, float]

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True)
class Images:
    """A batch of images.

    Args:
        pixels: The images one behind the other, each (height, width, channels) in C order; uint8 or float32,
            flat.
        starts: Where each begins in `pixels`, int64 (n,).
        frames: Sizes and kind.
        flat: Whether the user's images have no axis of channels.
        single: Whether they are images of equal sizes in one array (n, height, width, channels).
    """

    pixels: Array
    starts: Array
    frames: Frames
    flat: bool = False
    single: bool = True

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def sizes(self) -> Array:
        """Height and width of each image, int64 (n, 2)."""
        return self.frames.sizes

    @property
    def channels(self) -> int:
        """Numbers in a pixel."""
        return self.frames.channels

    @classmethod
    def of(cls, images: object, value_range: tuple[float, float] | None = None) -> Images:
        """Take a batch: an array (n, height, width[, channels]), or a list of arrays of different sizes.

        Args:
            images: uint8 or float32. An array that is contiguous and not read-only is not copied.
            value_range: The values of black and white; None for (0, 255) of uint8 and (0, 1) of float32.

        Raises:
            DataError: These are no images. A `SampleError` names the row of the one that is none.
        """
        if isinstance(images, np.ndarray) and images.dtype != object:
            return _of_array(images, value_range)
        return _of_list(cast("Sequence[Array]", images), value_range)

    @classmethod
    def empty(cls, frames: Frames, flat: bool = False, single: bool = True) -> Images:
        """Return memory for images."""
        lengths = frames.sizes[:, 0] * frames.sizes[:, 1] * frames.channels
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        return cls(np.empty(total, frames.dtype), ends - lengths, frames, flat, single)

    def like(self, frames: Frames) -> Images:
        """Return memory for other images of the same form."""
        return Images.empty(frames, self.flat, self.single)

    def inside(self, pixels: Array, frames: Frames) -> Images:
        """Return other images of the same form in memory that is there, one behind the other."""
        lengths = frames.sizes[:, 0] * frames.sizes[:, 1] * frames.channels
        return replace(
            self,
            pixels=pixels,
            starts=np.cumsum(lengths) - lengths,
            frames=replace(frames, dtype=pixels.dtype),
        )

    def image(self, row: int) -> Array:
        """Return one image as a view, (height, width[, channels])."""
        height, width = (int(length) for length in self.sizes[row])
        start = int(self.starts[row])
        pixels = self.pixels[start : start + height * width * self.channels]
        return pixels.reshape((height, width) if self.flat else (height, width, self.channels))

    def value(self) -> Array | list[Array]:
        """Return the batch: one array where all sizes are equal, else a list of arrays."""
        sizes = self.sizes
        if len(sizes) and bool((sizes == sizes[0]).all()):
            shape = (len(sizes), *(int(length) for length in sizes[0]))
            return self.pixels.reshape(shape if self.flat else (*shape, self.channels))
        if not len(sizes) and self.single:
            return self.pixels.reshape((0, 0, 0) if self.flat else (0, 0, 0, self.channels))
        return [self.image(row) for row in range(len(self))]


def value_range_of(
    dtype: np.dtype[np.generic], value_range: tuple[float, float] | None
) -> tuple[float, float]:
    """Return the values of black and white of images of a dtype."""
    if value_range is not None:
        return value_range
    return (0.0, 255.0) if dtype == np.uint8 else (0.0, 1.0)


def _of_array(images: Array, value_range: tuple[float, float] | None) -> Images:
    _check_dtype(images.dtype)
    if images.ndim not in (3, 4):
        raise DataError(
            f"images must have shape (n, height, width, channels) or (n, height, width), got {images.shape}"
        )
    images = native_array(images)
    if images.ndim == 4 and images.shape[1] == 3 and min(images.shape[2:]) > 4:
        raise DataError(
            f"images have shape {images.shape}, which are channels first; here channels are the last axis: "
            ".map(lambda x, y: (np.moveaxis(x, 0, -1), y)) in front"
        )
    flat = images.ndim == 3
    count, height, width = images.shape[:3]
    channels = 1 if flat else images.shape[3]
    sizes = np.empty((count, 2), np.int64)
    sizes[:] = height, width
    frames = Frames(sizes, channels, images.dtype, value_range_of(images.dtype, value_range))
    starts = np.arange(count, dtype=np.int64) * (height * width * channels)
    return Images(images.reshape(-1), starts, frames, flat)


def _of_list(images: Sequence[Array], value_range: tuple[float, float] | None) -> Images:
    arrays = [np.asarray(image) for image in images]
    if not arrays:
        raise DataError("there are no images in this batch, so their dtype and channels are not known")
    first = arrays[0]
    for row, array in enumerate(arrays):
        if array.ndim not in (2, 3):
            raise SampleError(
                f"an image must have shape (height, width, channels) or (height, width), got {array.shape}",
                row,
            )
        if array.dtype != first.dtype or array.ndim != first.ndim or array.shape[2:] != first.shape[2:]:
            raise SampleError(
                f"images of one batch must have one dtype and as many channels, got {first.dtype} "
                f"{first.shape} and {array.dtype} {array.shape}",
                row,
            )
    _check_dtype(first.dtype)
    flat = first.ndim == 2
    frames = Frames(
        np.array([array.shape[:2] for array in arrays], np.int64),
        1 if flat else first.shape[2],
        first.dtype,
        value_range_of(first.dtype, value_range),
    )
    made = Images.empty(frames, flat, single=False)
    np.concatenate([array.reshape(-1) for array in arrays], out=made.pixels)
    return made


def _check_dtype(dtype: np.dtype[np.generic]) -> None:
    if dtype not in DTYPES:
        raise DataError(
            f"images must be of dtype uint8 (0 to 255) or float32, got {dtype}; convert them, for example "
            "images.astype('float32')"
        )
