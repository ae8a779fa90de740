"""Changes of the unit of the pixels: normalize, rescale, to_float. Their results are float32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.checks import number
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import ColourStep, Step
from streamfit.augment.images import Frames
from streamfit.augment.transform import Transform

PerChannel = float | Sequence[float]


def _affine(frames: Frames, factors: Array, offsets: Array) -> list[Step]:
    """Return a step to float32 with the same numbers for all images."""
    numbers = np.empty((len(frames), 2 * frames.channels))
    numbers[:, : frames.channels], numbers[:, frames.channels :] = factors, offsets
    black, white = frames.value_range
    ends = [*(black * factors + offsets).tolist(), *(white * factors + offsets).tolist()]
    return [ColourStep("affine", numbers, dtype="float32", value_range=(min(ends), max(ends)))]


class Normalize(Transform):
    """Subtract a mean and divide by a standard deviation, for each channel; float32.

    Both are numbers for images from 0 (black) to 1 (white), as in torchvision and albumentations: uint8
    images are taken as value / 255. The defaults are those of ImageNet, which models for images of many
    libraries expect.

    Args:
        mean: One number, or one for each channel.
        std: The same; positive.

    Raises:
        DataError: In use, if there are not as many numbers as channels.

    Example:
        >>> from streamfit import augment
        >>> augment.normalize(0.5, 0.5)(np.array([[[0], [255]]], np.uint8))[0, :, 0].round(3).tolist()
        [-1.0, 1.0]
    """

    def __init__(
        self, mean: PerChannel = (0.485, 0.456, 0.406), std: PerChannel = (0.229, 0.224, 0.225)
    ) -> None:
        self.mean, self.std = _numbers("mean", mean), _numbers("std", std)
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {std!r}")

    def __repr__(self) -> str:
        return f"normalize(mean={self.mean}, std={self.std})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step to float32."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, frames.channels):
                raise DataError(
                    f"normalize() has {len(values)} numbers for {name}, and the images have "
                    f"{frames.channels} channels; write one number, or one for each channel"
                )
        black, white = frames.value_range
        mean, std = np.array(self.mean), np.array(self.std)
        factors = 1 / ((white - black) * std)
        return _affine(frames, factors, -black * factors - mean / std)


class Rescale(Transform):
    """Compute value * scale + offset, as Keras' ``Rescaling`` does; float32.

    Args:
        scale: The factor.
        offset: What is added.

    Example:
        >>> from streamfit import augment
        >>> image = np.array([[[0], [255]]], np.uint8)
        >>> augment.rescale(1 / 127.5, offset=-1)(image)[0, :, 0].round(3).tolist()
        [-1.0, 1.0]
    """

    def __init__(self, scale: float, offset: float = 0.0) -> None:
        (self.scale,), (self.offset,) = _numbers("scale", [scale]), _numbers("offset", [offset])
        if self.scale == 0:
            raise ValueError("scale=0 makes all values equal; write a factor such as 1 / 255")

    def __repr__(self) -> str:
        return f"rescale({self.scale}, offset={self.offset})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step to float32."""
        factors = np.full(frames.channels, self.scale)
        return _affine(frames, factors, np.full(frames.channels, self.offset))


class ToFloat(Transform):
    """Make images float32 from 0 (black) to 1 (white): uint8 is divided by 255.

    Example:
        >>> from streamfit import augment
        >>> augment.to_float()(np.array([[[0], [51]]], np.uint8))[0, :, 0].round(3).tolist()
        [0.0, 0.20000000298023224]
    """

    def __repr__(self) -> str:
        return "to_float()"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step to float32."""
        black, white = frames.value_range
        factors = np.full(frames.channels, 1 / (white - black))
        return _affine(frames, factors, -black * factors)


def _numbers(name: str, value: PerChannel) -> tuple[float, ...]:
    values = value if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) == 1 else [value]
    found = tuple(number(name, each) for each in values)
    if not found or not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite numbers, one or one for each channel, got {value!r}")
    return found
