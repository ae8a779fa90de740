"""`resize` and `random_resized_crop`: images, or boxes of them, in a new size."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.borders import Size, all_of, fill_of, moves, size_pair
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import (
    FillMode,
    PixelStep,
    Step,
    WarpStep,
)
from streamfit.augment.images import Frames, Images
from streamfit.augment.parameters import interval
from streamfit.augment.resampling import Resampling, check_resampling, resized, whole_boxes
from streamfit.augment.transform import Transform

KeepAspect = Literal["crop", "pad", "shorter"]

_TRIES = 10


class Resample(PixelStep):
    """Resize a box of each image with a filter.

    Args:
        sizes: Height and width of each result, int64 (n, 2).
        boxes: Left, upper, right and lower edge in whole pixels, float64 (n, 4).
        interpolation: The filter.
        antialias: Widen the filter where an image shrinks.
    """

    writes = False

    def __init__(self, sizes: Array, boxes: Array, interpolation: Resampling, antialias: bool) -> None:
        self.sizes, self.boxes = sizes, boxes
        self.interpolation, self.antialias = interpolation, antialias
        self.geometry = box_warp(sizes, boxes)

    def after(self, frames: Frames) -> Frames:
        """Return the frames of the results."""
        return replace(frames, sizes=self.sizes)

    def only(self, active: Array, frames: Frames) -> Resample:
        """Return the step that keeps the size of some images; a filter keeps these to the bit."""
        chosen = active[:, None]
        return Resample(
            np.where(chosen, self.sizes, frames.sizes),
            np.where(chosen, self.boxes, whole_boxes(frames.sizes)),
            self.interpolation,
            self.antialias,
        )

    def apply(self, images: Images) -> Images:
        """Return the resized boxes."""
        return resized(images, self.sizes, self.interpolation, self.antialias, self.boxes)


def box_warp(sizes: Array, boxes: Array) -> WarpStep:
    """Return the warp that shows a box of each image in another size.

    Args:
        sizes: Height and width of each result, int64 (n, 2).
        boxes: Left, upper, right and lower edge, float64 (n, 4).
    """
    matrices = np.zeros((len(sizes), 3, 3))
    matrices[:, 0, 0] = (boxes[:, 2] - boxes[:, 0]) / sizes[:, 1]
    matrices[:, 1, 1] = (boxes[:, 3] - boxes[:, 1]) / sizes[:, 0]
    matrices[:, 0, 2], matrices[:, 1, 2] = boxes[:, 0], boxes[:, 1]
    matrices[:, 2, 2] = 1
    return WarpStep(matrices, sizes, "nearest")


def resizing_step(sizes: Array, boxes: Array, interpolation: Resampling, antialias: bool) -> Step:
    """Return a warp, which is joined with those beside it, where it can do what is wanted."""
    if interpolation == "bilinear" and not antialias:
        return box_warp(sizes, boxes)
    return Resample(sizes, boxes, interpolation, antialias)


class Resize(Transform):
    """Give all images one size.

    Args:
        size: Height and width, or a number for a square.
        interpolation: ``'bilinear'``, ``'nearest'``, ``'area'``, ``'bicubic'`` or ``'lanczos3'``.
        antialias: Let each pixel of an image that shrinks count, as Pillow does. Without it ``'bilinear'``
            reads the four nearest pixels, and is joined with the geometric transforms beside it.
        keep_aspect: ``'crop'`` to cut off what is too long, in equal parts at both ends (Keras:
            ``crop_to_aspect_ratio``); ``'pad'`` to add a border where it is too short (Keras:
            ``pad_to_aspect_ratio``); ``'shorter'`` to give the shorter side the size, which is one number
            then, and leave the longer one its proportion, rounded down (the resize of torchvision); None to
            distort.
        fill_mode: What the border holds: ``'constant'``, ``'nearest'`` (the pixel at the edge), ``'reflect'``
            (``c b a | a b c | c b a``), ``'mirror'`` (``c b | a b c | b a``) or ``'wrap'`` (``b c | a b c | a
            b``).
        fill_value: Its value for ``'constant'``, in the unit of the pixels.

    Example:
        >>> from streamfit import augment
        >>> images = np.array([[[[0], [20], [40], [60]]]], np.uint8)
        >>> augment.resize((1, 2), "area")(images)[0, :, :, 0].tolist()
        [[10, 50]]
    """

    def __init__(
        self,
        size: Size,
        interpolation: Resampling = "bilinear",
        antialias: bool = True,
        keep_aspect: KeepAspect | None = None,
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
    ) -> None:
        self.size = size_pair("size", size)
        check_resampling(interpolation)
        self.interpolation, self.antialias = interpolation, bool(antialias)
        if keep_aspect is not None and keep_aspect not in get_args(KeepAspect):
            raise ValueError(f"keep_aspect={keep_aspect!r}: write 'crop', 'pad', 'shorter' or None")
        if keep_aspect == "shorter" and self.size[0] != self.size[1]:
            raise ValueError(f"keep_aspect='shorter' takes one number as size, got {size!r}")
        self.keep_aspect = keep_aspect
        self.fill = fill_of(fill_mode, fill_value)

    def __repr__(self) -> str:
        return (
            f"resize({self.size}, {self.interpolation!r}, antialias={self.antialias}, "
            f"keep_aspect={self.keep_aspect!r}, fill_mode={self.fill[0]!r}, fill_value={self.fill[1]})"
        )

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the border where there is one, and the filter."""
        boxes = whole_boxes(frames.sizes)
        sizes, target = frames.sizes, all_of(self.size, len(frames))
        found: list[Step] = []
        if self.keep_aspect == "shorter":
            target = sizes * self.size[0] // sizes.min(axis=1, keepdims=True)
        elif self.keep_aspect is not None:
            # The height that goes with the width in the wanted proportion, and the width with the height.
            fitting = sizes[:, ::-1] * np.array(self.size) // np.array(self.size[::-1])
            if self.keep_aspect == "crop":  # no warp, which would read beyond the edges of the box
                kept = np.clip(fitting, 1, sizes)
                boxes = _boxes((sizes - kept) // 2, kept)
                return [Resample(target, boxes, self.interpolation, self.antialias)]
            border = (np.maximum(fitting, sizes) - sizes) // 2
            border[border[:, 0] > 0, 1] = 0
            found.append(moves(-border[:, 0], -border[:, 1], sizes + 2 * border, frames, self.fill))
            boxes = whole_boxes(sizes + 2 * border)
        return [*found, resizing_step(target, boxes, self.interpolation, self.antialias)]


class RandomResizedCrop(Transform):
    """Resize a box at a random place, of a random area and proportion: how networks for ImageNet are trained.

    The rule is that of torchvision: the area is drawn uniformly, the proportion uniformly in its logarithm;
    where ten such boxes are too large for the image, it is the largest one in the middle whose proportion is
    in the range.

    Args:
        size: Height and width of the result, or a number for a square.
        scale: Lowest and highest area of the box, as a share of that of the image.
        ratio: Lowest and highest width of the box divided by its height.
        interpolation: ``'bilinear'``, ``'nearest'``, ``'area'``, ``'bicubic'`` or ``'lanczos3'``.
        antialias: Let each pixel of a box that shrinks count. Without it ``'bilinear'`` reads the four
            nearest pixels, at the edge of the box also from beyond it, and is joined with the geometric
            transforms beside it, which is quicker.

    Example:
        >>> from streamfit import augment
        >>> images = np.zeros((2, 60, 40, 3), np.uint8)
        >>> augment.random_resized_crop(32)(images, seed=1).shape
        (2, 32, 32, 3)
    """

    def __init__(
        self,
        size: Size,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        interpolation: Resampling = "bilinear",
        antialias: bool = False,
    ) -> None:
        self.size = size_pair("size", size)
        self.scale, self.ratio = _range("scale", scale), _range("ratio", ratio)
        if self.scale[1] > 1:
            raise ValueError(f"scale must be at most 1, the area of the image, got {scale!r}")
        check_resampling(interpolation)
        self.interpolation, self.antialias = interpolation, bool(antialias)

    def __repr__(self) -> str:
        return (
            f"random_resized_crop({self.size}, scale={self.scale}, ratio={self.ratio}, "
            f"interpolation={self.interpolation!r}, antialias={self.antialias})"
        )

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the step that resizes the drawn boxes."""
        whole_boxes(frames.sizes)
        sizes, fits = self._drawn(draws, frames.sizes)
        room = frames.sizes - sizes
        drawn = np.stack(
            [draws.whole("row", 0, room[:, 0] + 1), draws.whole("column", 0, room[:, 1] + 1)], axis=1
        )
        middle = self._largest(frames.sizes)
        corners = np.where(fits, drawn, (frames.sizes - middle) // 2)
        boxes = _boxes(corners, np.where(fits, sizes, middle))
        target = all_of(self.size, len(frames))
        return [resizing_step(target, boxes, self.interpolation, self.antialias)]

    def _drawn(self, draws: SampleDraws, sizes: Array) -> tuple[Array, Array]:
        """Return height and width of the first of ten drawn boxes that fits, and whether one did, (n, 1)."""
        areas = draws.uniform("area", *self.scale, (_TRIES,)) * sizes.prod(axis=1)[:, None]
        low, high = (math.log(limit) for limit in self.ratio)
        ratios = np.exp(draws.uniform("ratio", low, high, (_TRIES,)))
        tried = np.stack([np.rint(np.sqrt(areas / ratios)), np.rint(np.sqrt(areas * ratios))], axis=2)
        fit: Array = np.all(np.logical_and(tried > 0, tried <= sizes[:, None]), axis=2)
        found: Array = tried[np.arange(len(sizes)), np.argmax(fit, axis=1)].astype(np.int64)
        return found, np.any(fit, axis=1, keepdims=True)

    def _largest(self, sizes: Array) -> Array:
        """Return height and width of the largest box whose proportion is in the range."""
        height, width = sizes[:, 0], sizes[:, 1]
        lowest, highest = self.ratio
        rows = np.where(width < lowest * height, np.rint(width / lowest), height)
        columns = np.where(width > highest * height, np.rint(height * highest), width)
        found: Array = np.stack([np.clip(rows, 1, height), np.clip(columns, 1, width)], axis=1).astype(
            np.int64
        )
        return found


def _boxes(corners: Array, sizes: Array) -> Array:
    """Return (left, upper, right, lower) of (row, column) of the upper left corner, and height and width."""
    return np.concatenate([corners[:, ::-1], (corners + sizes)[:, ::-1]], axis=1).astype(np.float64)


def _range(name: str, value: object) -> tuple[float, float]:
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} must be a pair (lowest, highest), got {value!r}")
    low, high = interval(name, value)
    if low <= 0:
        raise ValueError(f"{name} must be above 0, got {value!r}")
    return low, high
