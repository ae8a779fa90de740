"""`resized`: images of any sizes in other sizes, by a filter along each axis."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit.augment.images import Images
from streamfit.augment.resampling_kernels import (
    AREA,
    BICUBIC,
    BILINEAR,
    LANCZOS3,
    pick_pixels,
    resample_pixels,
)

Resampling = Literal["nearest", "bilinear", "area", "bicubic", "lanczos3"]
RESAMPLINGS: tuple[Resampling, ...] = get_args(Resampling)
_METHODS = {"area": AREA, "bilinear": BILINEAR, "bicubic": BICUBIC, "lanczos3": LANCZOS3}


def resized(
    images: Images,
    sizes: object,
    interpolation: Resampling = "bilinear",
    antialias: bool = True,
    boxes: Array | None = None,
    out: Array | None = None,
) -> Images:
    """Return images in other sizes, or boxes of them.

    The filters are those of TensorFlow, JAX and Pillow: a triangle, the cubic of Keys (1981) with a = -0.5,
    the Lanczos kernel of 3 lobes, and the share that a pixel has in the area of a pixel of the result. Pixels
    beyond the edge of the box do not weigh. ``'nearest'`` takes the pixel that holds the centre.

    Args:
        images: uint8, which is rounded to the nearest and cut off at 0 and 255, or float32, which is not.
        sizes: Height and width of each result, (n, 2), or (2,) for all.
        interpolation: ``'nearest'``, ``'bilinear'``, ``'area'``, ``'bicubic'`` or ``'lanczos3'``.
        antialias: Widen the filter by the factor that an axis shrinks by, so that each pixel of the image
            counts. ``'area'`` does so anyhow, ``'nearest'`` never.
        boxes: Left, upper, right and lower edge of what is resized of each image, float64 (n, 4) in pixels,
            as if it was cut out before; None for all of it.
        out: Memory for the results, flat and contiguous; None to allocate it. Of uint8 images it may be
            float32, which is not rounded.

    Raises:
        ValueError: There is no such interpolation.
        DataError: A size is below 1. A `SampleError` names the row of an image without pixels, or of a box
            that is empty or not inside.

    Example:
        >>> images = Images.of(np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1))
        >>> resized(images, (2, 2), "area").value()[0, :, :, 0].tolist()
        [[3, 5], [11, 13]]
    """
    check_resampling(interpolation)
    wanted = np.empty((len(images), 2), np.int64)
    wanted[:] = np.asarray(sizes)
    if (wanted < 1).any():
        raise DataError(f"images are resized to a height and width of at least 1, got {wanted.min(axis=0)}")
    edges = _edges(images, boxes)
    frames = replace(images.frames, sizes=wanted)
    made = images.like(frames) if out is None else images.inside(out, frames)
    if not len(images):
        return made
    _resample(
        images.pixels,
        images.starts,
        images.sizes,
        edges,
        made.pixels,
        made.starts,
        wanted,
        images.channels,
        interpolation,
        antialias,
    )
    return made


def resize_image(
    image: Array,
    out: Array,
    interpolation: Resampling = "bilinear",
    antialias: bool = True,
    box: tuple[float, float, float, float] | None = None,
) -> None:
    """Resize one image, or a box of it, as `resized` does, with less to do around the kernel.

    Args:
        image: uint8 or float32 (height, width, channels) with pixels, contiguous and not read-only.
        out: The memory of the result, (height, width, channels), contiguous; of uint8 images it may be
            float32.
        interpolation: See `resized`.
        antialias: See `resized`.
        box: Left, upper, right and lower edge, inside the image; None for all of it.

    Example:
        >>> made = np.empty((2, 2, 1), np.float32)
        >>> resize_image(np.arange(16, dtype=np.uint8).reshape(4, 4, 1), made, "area")
        >>> made[:, :, 0].tolist()
        [[2.5, 4.5], [10.5, 12.5]]
    """
    height, width, channels = image.shape
    edges = np.array([(0, 0, width, height) if box is None else box], np.float64)
    starts, sizes, wanted = np.zeros(1, np.int64), np.array([image.shape[:2]]), np.array([out.shape[:2]])
    _resample(
        image.reshape(-1),
        starts,
        sizes,
        edges,
        out.reshape(-1),
        starts,
        wanted,
        channels,
        interpolation,
        antialias,
    )


def _resample(
    pixels: Array,
    starts: Array,
    sizes: Array,
    edges: Array,
    made: Array,
    made_starts: Array,
    wanted: Array,
    channels: int,
    interpolation: Resampling,
    antialias: bool,
) -> None:
    """Call the kernel with the scratch memory that it needs."""
    arrays = (pixels, starts, sizes, edges, made, made_starts, wanted)
    most = int(wanted.max())
    if interpolation == "nearest":
        pick_pixels(*arrays, channels, np.empty(most, np.int64))
        return
    scale = float(((edges[:, 2:] - edges[:, :2]) / wanted[:, ::-1]).max())
    method = _METHODS[interpolation]
    radius = scale / 2 if method == AREA else method * (max(scale, 1.0) if antialias else 1.0)
    longest = max(int(sizes[:, 1].max()), int(wanted[:, 1].max())) * channels
    resample_pixels(
        *arrays,
        channels,
        method,
        int(antialias),
        np.empty((4, most), np.int64),
        np.empty((2, most, 2 * math.ceil(radius) + 2), np.float32),
        np.empty((2, longest + 4), np.float32),
    )


def check_resampling(interpolation: object) -> None:
    """Check the name of a filter.

    Raises:
        ValueError: There is none of this name.
    """
    if interpolation not in RESAMPLINGS:
        raise ValueError(f"interpolation={interpolation!r}: write one of {', '.join(map(repr, RESAMPLINGS))}")


def whole_boxes(sizes: Array) -> Array:
    """Return left, upper, right and lower edge of whole images, float64 (n, 4).

    Args:
        sizes: Height and width of each, int64 (n, 2).

    Raises:
        SampleError: An image has no pixels.
    """
    empty = (sizes < 1).any(axis=1)
    if empty.any():
        row = int(np.argmax(empty))
        raise SampleError(f"an image of height and width {sizes[row].tolist()} cannot be resized", row)
    edges = np.zeros((len(sizes), 4))
    edges[:, 2:] = sizes[:, ::-1]
    return edges


def _edges(images: Images, boxes: Array | None) -> Array:
    sizes = images.sizes
    edges = whole_boxes(sizes)
    if boxes is None:
        return edges
    edges = np.ascontiguousarray(boxes, np.float64)
    fits = (edges[:, :2] >= 0) & (edges[:, :2] < edges[:, 2:]) & (edges[:, 2:] <= sizes[:, ::-1])
    if not fits.all():
        row = int(np.argmin(fits.all(axis=1)))
        raise SampleError(
            f"the box {edges[row].tolist()} is not (left, upper, right, lower) inside its image of height "
            f"{sizes[row, 0]} and width {sizes[row, 1]}",
            row,
        )
    return edges
