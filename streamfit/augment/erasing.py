"""Boxes of images that are filled: `cutout` and `erase`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, SupportsFloat, cast

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import PixelStep, Step
from streamfit.augment.images import Frames, Images
from streamfit.augment.noise_kernels import erase_boxes
from streamfit.augment.parameters import interval, probability
from streamfit.augment.transform import Transform

Fill = float | Sequence[float] | Literal["noise"]
_TRIES = 10  # as torchvision


@dataclass(frozen=True)
class EraseStep(PixelStep):
    """Fill a box of each image.

    Args:
        boxes: First row, first column, and those behind the last; int64 (n, 4), inside the images. An empty
            box, such as one of zeros, leaves the image as it is.
        colours: What to fill with, in the unit of the pixels; float64 (n, channels).
        keys: Where given, the boxes are filled with random numbers between black and white instead; uint64
            (n,).
    """

    boxes: Array
    colours: Array
    keys: Array | None = None

    def only(self, active: Array, frames: Frames) -> EraseStep:
        """Return the step with empty boxes for the others."""
        return replace(self, boxes=np.where(active[:, None], self.boxes, 0))

    def apply(self, images: Images) -> Images:
        """Write into the pixels.

        Raises:
            DataError: uint8 pixels cannot hold the colour.
        """
        colours = np.ascontiguousarray(self.colours, np.float32)
        black, white = images.frames.value_range
        if images.pixels.dtype == np.uint8:
            colours = np.rint(colours, out=colours if self.colours.dtype != np.float32 else None)
            if not 0 <= colours.min(initial=0) <= colours.max(initial=0) <= 255:
                wrong = colours[~((colours >= 0) & (colours <= 255))]
                raise DataError(
                    f"uint8 images are filled with values from 0 to 255, got {float(wrong[0])}; write one "
                    "of them, "
                    "or do this transform behind normalize()"
                )
            white += 1  # whole numbers are cut off
        with np.errstate(over="ignore"):  # where kernels are not compiled
            erase_boxes(
                images.pixels,
                images.starts,
                images.sizes,
                images.channels,
                self.boxes,
                colours,
                np.empty(0, np.uint64) if self.keys is None else self.keys,
                np.array([black, white - black], np.float32),
            )
        return images


class Cutout(Transform):
    """Fill a box around a random pixel of each image; what is outside of the image is cut off.

    This is the regularization of DeVries and Taylor (2017), whose box is 16 x 16 for CIFAR-10.

    Args:
        size: Length of the sides in pixels, or a pair (height, width).
        value: What to fill with, in the unit of the pixels: a number, one for each channel, or ``'noise'``
            for random numbers between black and white. Behind `normalize` 0 is the mean.

    Example:
        >>> from streamfit import augment
        >>> made = augment.cutout(2)(np.ones((6, 6, 1), np.float32), seed=1)
        >>> 1 <= int((made == 0).sum()) <= 4
        True
    """

    def __init__(self, size: int | tuple[int, int], value: Fill = 0.0) -> None:
        pair = size if isinstance(size, (tuple, list)) and len(size) == 2 else (size, size)
        self.size = (whole("size", pair[0], 1), whole("size", pair[1], 1))
        self.value = _fill(value)

    def __repr__(self) -> str:
        return f"cutout({self.size}, value={self.value!r})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step with a box for each image."""
        height, width = self.size
        first = draws.below(("centre",), np.maximum(frames.sizes, 1)) - (height // 2, width // 2)
        boxes = np.empty((len(frames), 4), np.int64)
        np.maximum(first, 0, out=boxes[:, :2])
        np.minimum(first + self.size, frames.sizes, out=boxes[:, 2:])
        return [_step(self.value, boxes, draws, frames)]


class Erase(Transform):
    """Fill a random box of an image, with a probability, as torchvision's ``RandomErasing`` does.

    This is the random erasing of Zhong and others (2020). A box that does not fit is drawn again, up to ten
    times; then the image stays as it is.

    Args:
        p: The probability.
        scale: The part of the area of the image is drawn from this pair (lowest, highest).
        ratio: Height divided by width is drawn from this pair of positive numbers, its logarithm uniformly.
        value: What to fill with, in the unit of the pixels: a number, one for each channel, or ``'noise'``
            for random numbers between black and white.

    Example:
        >>> from streamfit import augment
        >>> image = np.ones((8, 8, 1), np.float32)
        >>> made = augment.erase(p=1, scale=(0.25, 0.25), ratio=(1, 1))(image, seed=1)
        >>> int((made == 0).sum())
        16
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: tuple[float, float] = (0.02, 0.33),
        ratio: tuple[float, float] = (0.3, 3.3),
        value: Fill = 0.0,
    ) -> None:
        self.p, self.value = probability("p", p), _fill(value)
        self.scale, self.ratio = _pair("scale", scale), _pair("ratio", ratio)
        if not 0 <= self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale must be a pair of parts of the area, 0 to 1, got {scale!r}")
        if self.ratio[0] <= 0:
            raise ValueError(f"ratio must be a pair of positive numbers (height / width), got {ratio!r}")

    def __repr__(self) -> str:
        return f"erase(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value!r})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step with a box for each image; an empty one for no box."""
        height, width = frames.sizes[:, :1], frames.sizes[:, 1:]
        area = height * width * draws.uniform("scale", *self.scale, shape=(_TRIES,))
        low, high = np.log(self.ratio)
        ratio = np.exp(draws.uniform("ratio", low, high, (_TRIES,)))
        rows = np.rint(np.sqrt(area * ratio)).astype(np.int64)
        columns = np.rint(np.sqrt(area / ratio)).astype(np.int64)
        fits = (rows < height) & (columns < width)
        first = np.argmax(fits, axis=1)[:, None]
        lengths = np.concatenate(
            [np.take_along_axis(rows, first, axis=1), np.take_along_axis(columns, first, axis=1)], axis=1
        )
        chosen = draws.chance("whether", self.p) & fits.any(axis=1)
        lengths = np.where(chosen[:, None], lengths, 0)
        corner = draws.whole("corner", 0, frames.sizes - lengths + 1, (2,))
        return [_step(self.value, np.concatenate([corner, corner + lengths], axis=1), draws, frames)]


def _pair(name: str, value: object) -> tuple[float, float]:
    if not (isinstance(value, (tuple, list)) and len(value) == 2):
        raise TypeError(f"{name} must be a pair (lowest, highest), got {value!r}")
    return interval(name, value)


def _fill(value: Fill) -> tuple[float, ...] | Literal["noise"]:
    """Return what boxes are filled with."""
    if isinstance(value, str):
        if value != "noise":
            raise ValueError(f"value={value!r}: write a number, one for each channel, or 'noise'")
        return "noise"
    values = value if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) == 1 else [value]
    return tuple(number("value", cast(SupportsFloat, each)) for each in values)


def _step(
    value: tuple[float, ...] | Literal["noise"], boxes: Array, draws: SampleDraws, frames: Frames
) -> EraseStep:
    colours = np.zeros((len(frames), frames.channels))
    if isinstance(value, str):
        return EraseStep(boxes, colours, draws.hashes("noise"))
    if len(value) not in (1, frames.channels):
        raise DataError(
            f"value has {len(value)} numbers, and the images have {frames.channels} channels; write one "
            "number, "
            "or one for each channel"
        )
    colours[:] = value
    return EraseStep(boxes, colours)
