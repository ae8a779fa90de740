"""Changes of colours: neighbouring `ColourStep`s in one pass over the pixels.

All of them are computed in float32, each result is kept between black and white, and uint8 is rounded once,
at the end (to the nearest, halves up). Libraries that round behind each operation differ by about one level
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.colour_kernels import STRIP, affine_images, recolour_images
from streamfit.augment.image_steps import ColourStep
from streamfit.augment.images import Frames, Images
from streamfit.augment.value_ranges import check_value_range
from streamfit.kernels import colour_changes as codes

EACH_CHANNEL, TWO_EACH_CHANNEL = -1, -2  # numbers of parameters
_PATTERN = 64  # pixels


@dataclass(frozen=True)
class Operation:
    """A change of colours that a `ColourStep` may name.

    Args:
        code: Which one of `streamfit.kernels.colour_changes`.
        count: How many parameters it has; `EACH_CHANNEL`, `TWO_EACH_CHANNEL`.
        affine: Returns the factors and the offsets (n, channels or 1) of an affine change, from its
            parameters (n, k), black and white; None for other changes.
        rgb: Whether it is for images of three channels only.
        bounded: Whether results are kept between black and white.
    """

    code: int
    count: int
    affine: Callable[[Array, float, float], tuple[Array, Array]] | None = None
    rgb: bool = False
    bounded: bool = True


def _scale(p: Array, black: float, white: float) -> tuple[Array, Array]:
    return p, black * (1 - p)


def _shift(p: Array, black: float, white: float) -> tuple[Array, Array]:
    return np.ones_like(p), p


def _invert(p: Array, black: float, white: float) -> tuple[Array, Array]:
    return np.full((len(p), 1), -1.0), np.full((len(p), 1), black + white)


def _affine(p: Array, black: float, white: float) -> tuple[Array, Array]:
    half = p.shape[1] // 2
    return p[:, :half], p[:, half:]


OPERATIONS = {
    "scale": Operation(codes.AFFINE, 1, _scale),
    "shift": Operation(codes.AFFINE, 1, _shift),
    "channel_shift": Operation(codes.AFFINE, EACH_CHANNEL, _shift),
    "invert": Operation(codes.AFFINE, 0, _invert),
    "affine": Operation(codes.AFFINE, TWO_EACH_CHANNEL, _affine, bounded=False),
    "contrast": Operation(codes.CONTRAST, 1),
    "contrast_each": Operation(codes.CONTRAST_EACH, 1),
    "auto_contrast": Operation(codes.AUTO_CONTRAST, 0),
    "equalize": Operation(codes.EQUALIZE, 0),
    "equalize_exact": Operation(codes.EQUALIZE_EXACT, 0),
    "gamma": Operation(codes.GAMMA, 2),
    "posterize": Operation(codes.POSTERIZE, 1),
    "solarize": Operation(codes.SOLARIZE, 1),
    "saturation": Operation(codes.SATURATION, 1, rgb=True),
    "grayscale": Operation(codes.SATURATION, 0, rgb=True),
    "saturation_hsv": Operation(codes.SATURATION_HSV, 1, rgb=True),
    "hue": Operation(codes.HUE, 1, rgb=True),
}
"""What a `ColourStep` may be, and the parameters (n, k) of each:

* ``'scale'``: a factor for the distance from black;
* ``'shift'``: what is added, in the unit of the pixels; ``'channel_shift'``: the same for each channel;
* ``'invert'``: none; black becomes white;
* ``'affine'``: the factors of all channels, then their offsets; the results are not kept in a range;
* ``'contrast'``: a factor for the distance from the mean luma of the image (mean of all channels where they
  are not three); ``'contrast_each'``: for the distance from the mean of each channel;
* ``'auto_contrast'``: none; the least value of each channel becomes black, the greatest white;
* ``'equalize'``: none; the histogram of each channel as Pillow equalizes it, in 256 levels;
  ``'equalize_exact'``: by its distribution function, as OpenCV and Keras do;
* ``'gamma'``: the exponent and a factor, for values from 0 (black) to 1 (white);
* ``'posterize'``: 2 ** (8 - bits), the width of a level of 256;
* ``'solarize'``: from which value on, in the unit of the pixels, values are inverted;
* ``'saturation'``: a factor for the distance from the luma of the pixel; ``'grayscale'``: none, the factor
  is 0; ``'saturation_hsv'``: a factor for the saturation of HSV, which stays at most 1;
* ``'hue'``: what is added to the hue of HSV; 1 is the whole circle.

Luma is 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601)."""


def recolour(images: Images, steps: Sequence[ColourStep], owned: bool) -> Images:
    """Return images behind changes of colours.

    Args:
        images: The images.
        steps: The changes, in their order.
        owned: Whether the pixels may be written to.

    Raises:
        DataError: A change is not for images of so many channels.
        SampleError: A float image has values far outside of black and white.
        ValueError: An operation is unknown, or has not the parameters that it needs.
    """
    frames, count, channels = images.frames, len(images), images.channels
    kinds = np.zeros((count, len(steps)), np.int64)
    numbers = np.zeros((count, len(steps), codes.HEAD + 2 * channels))
    for place, step in enumerate(steps):
        _prepare(step, frames, kinds[:, place], numbers[:, place])
        frames = step.after(frames)
    if images.pixels.dtype == np.float32 and any(
        _is_bounded(step) for step in takewhile(lambda step: step.value_range is None, steps)
    ):
        check_value_range(images)
    in_place = owned and frames.dtype == images.frames.dtype
    made = images if in_place else images.like(frames)
    if len(steps) == 1 and steps[0].active is None and kinds[0, 0] == codes.AFFINE and not in_place:
        # The last step of most chains: normalize.
        affine_images(
            images.pixels,
            images.starts,
            frames.sizes,
            made.pixels,
            made.starts,
            numbers[:, 0],
            np.empty((2, _PATTERN * channels), np.float32),
        )
        return made
    recolour_images(
        images.pixels,
        images.starts,
        frames.sizes[:, 0] * frames.sizes[:, 1],
        made.pixels,
        made.starts,
        int(in_place),
        kinds,
        numbers,
        *_memory(channels, len(steps)),
    )
    return Images(made.pixels, made.starts, frames, images.flat, images.single)


def _is_bounded(step: ColourStep) -> bool:
    return OPERATIONS[step.operation].bounded


def _memory(channels: int, steps: int) -> tuple[Array, ...]:
    """Return what the kernel works with: 40 kB for three channels."""
    return (
        np.empty((steps, channels, 256), np.float32),
        np.empty((channels, 256), np.float32),
        np.empty((channels, 256), np.int64),
        np.empty((channels, 256), np.int64),
        np.empty((channels, 4)),
        np.empty((channels, STRIP), np.float32),
        np.empty((2, _PATTERN * channels), np.float32),
        np.empty(2, np.int64),
    )


def _prepare(step: ColourStep, frames: Frames, kinds: Array, numbers: Array) -> None:
    """Write the code (n,) and the numbers (n, HEAD + 2 * channels) of a step."""
    operation = OPERATIONS.get(step.operation)
    if operation is None:
        raise ValueError(f"unknown operation {step.operation!r}; there are {', '.join(OPERATIONS)}")
    channels = frames.channels
    if operation.rgb and channels != 3:
        raise DataError(_not_rgb(step.operation, channels))
    count = operation.count if operation.count >= 0 else -operation.count * channels
    parameters = np.asarray(step.parameters, np.float64)
    if parameters.shape != (len(frames), count):
        raise ValueError(
            f"the parameters of {step.operation!r} must have shape {(len(frames), count)} for "
            f"{len(frames)} images of {channels} channels, got {parameters.shape}"
        )
    black, white = frames.value_range
    if not black < white:
        raise ValueError(f"value_range must be (black, white), the lower number first, got {(black, white)}")
    kinds[:] = operation.code
    if step.active is not None:
        kinds[~step.active] = codes.NONE
    low, high = (black, white) if operation.bounded else (-np.inf, np.inf)
    numbers[:, : codes.FIRST] = low, high, black, white
    if operation.affine is None:
        numbers[:, codes.FIRST : codes.FIRST + count] = parameters
        return
    factors, offsets = operation.affine(parameters, black, white)
    numbers[:, codes.HEAD : codes.HEAD + channels] = factors
    numbers[:, codes.HEAD + channels :] = offsets


def _not_rgb(operation: str, channels: int) -> str:
    advice = "leave it out"
    if channels == 1:
        advice += (
            ", or repeat the channel, .map(lambda x, y: (np.repeat(x, 3, axis=-1), y)), behind x[..., None] "
            "where there is no axis for it"
        )
    elif channels > 4:
        advice = (
            "choose three, .map(lambda x, y: (x[..., :3], y)); or, where channels are the first axis, make "
            "them the last, .map(lambda x, y: (np.moveaxis(x, 0, -1), y))"
        )
    elif channels > 3:
        advice = "take the first three, .map(lambda x, y: (x[..., :3], y))"
    return f"{operation!r} is for images of three channels (red, green, blue), not {channels}; {advice}"
