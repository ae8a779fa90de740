"""Changes that are done to an image or not: posterize, solarize, equalize, grayscale and their like."""

from __future__ import annotations

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import ColourStep, Step
from streamfit.augment.images import Frames
from streamfit.augment.parameters import interval, probability
from streamfit.augment.transform import Transform


def _sometimes(draws: SampleDraws, p: float, operation: str, *parameters: float) -> list[Step]:
    """Return a change of some images with the same numbers for all of them."""
    numbers = np.empty((len(draws), len(parameters)))
    numbers[:] = parameters
    active: Array | None = None if p == 1 else draws.chance("whether", p)
    return [ColourStep(operation, numbers, active)]


class Posterize(Transform):
    """Leave each value its highest bits, with a probability; those of float images too, in 256 levels.

    Args:
        bits: How many bits to keep, 1 to 8.
        p: The probability.

    Example:
        >>> from streamfit import augment
        >>> augment.posterize(2, p=1)(np.array([[[63], [64], [255]]], np.uint8))[0, :, 0].tolist()
        [0, 64, 192]
    """

    def __init__(self, bits: int = 4, p: float = 0.5) -> None:
        self.bits, self.p = whole("bits", bits, 1), probability("p", p)
        if self.bits > 8:
            raise ValueError(f"bits must be 1 to 8, got {bits!r}")

    def __repr__(self) -> str:
        return f"posterize({self.bits}, p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the change of some images."""
        return _sometimes(draws, self.p, "posterize", 2.0 ** (8 - self.bits))


class Solarize(Transform):
    """Invert the bright values, with a probability.

    Args:
        threshold: From which value on, in the unit of the pixels; None for the middle of black and white.
        p: The probability.

    Example:
        >>> from streamfit import augment
        >>> augment.solarize(p=1)(np.array([[[100], [127], [128]]], np.uint8))[0, :, 0].tolist()
        [100, 127, 127]
    """

    def __init__(self, threshold: float | None = None, p: float = 0.5) -> None:
        self.threshold = None if threshold is None else number("threshold", threshold)
        self.p = probability("p", p)

    def __repr__(self) -> str:
        return f"solarize({self.threshold}, p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the change of some images."""
        middle = sum(frames.value_range) / 2
        return _sometimes(draws, self.p, "solarize", middle if self.threshold is None else self.threshold)


class Equalize(Transform):
    """Equalize the histogram of each channel, with a probability, as ``PIL.ImageOps.equalize`` does.

    Float images are equalized in 256 levels. A channel with fewer than 255 pixels beside those of its
    greatest value stays as it is, as in Pillow.

    Args:
        p: The probability.

    Example:
        >>> from streamfit import augment
        >>> image = np.arange(100, 164, dtype=np.uint8).repeat(16).reshape(32, 32, 1)
        >>> made = augment.equalize(p=1)(image)
        >>> int(made.min()), int(made.max())
        (0, 255)
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability("p", p)

    def __repr__(self) -> str:
        return f"equalize(p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the change of some images."""
        return _sometimes(draws, self.p, "equalize")


class StretchedContrast(Transform):
    """Make the least value of each channel black and its greatest white, with a probability.

    A channel of one value stays as it is.

    Args:
        p: The probability.

    Example:
        >>> from streamfit import augment
        >>> augment.auto_contrast(p=1)(np.array([[[100], [110], [120]]], np.uint8))[0, :, 0].tolist()
        [0, 128, 255]
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability("p", p)

    def __repr__(self) -> str:
        return f"auto_contrast(p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the change of some images."""
        return _sometimes(draws, self.p, "auto_contrast")


class Grayscale(Transform):
    """Make images grey, with a probability; they keep their three channels, which become equal.

    Grey is 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601), as in Pillow.

    Args:
        p: The probability; that of torchvision's ``RandomGrayscale`` by default.

    Example:
        >>> from streamfit import augment
        >>> augment.grayscale(p=1)(np.array([[[200, 0, 0]]], np.uint8)).tolist()
        [[[60, 60, 60]]]
    """

    def __init__(self, p: float = 0.1) -> None:
        self.p = probability("p", p)

    def __repr__(self) -> str:
        return f"grayscale(p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the change of some images."""
        return _sometimes(draws, self.p, "grayscale")


class Invert(Transform):
    """Swap black and white, with a probability.

    Args:
        p: The probability.

    Example:
        >>> from streamfit import augment
        >>> augment.invert(p=1)(np.array([[[0], [200]]], np.uint8))[0, :, 0].tolist()
        [255, 55]
    """

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability("p", p)

    def __repr__(self) -> str:
        return f"invert(p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the change of some images."""
        return _sometimes(draws, self.p, "invert")


class ChannelShift(Transform):
    """Add a random number to each channel of each image.

    Args:
        limit: The number is drawn from -limit to limit, or from a pair (lowest, highest), as a part of the
            distance from black to white: 0.1 is 25.5 levels of uint8.

    Example:
        >>> from streamfit import augment
        >>> augment.channel_shift((0.2, 0.2))(np.full((1, 1, 3), 10, np.uint8)).tolist()
        [[[61, 61, 61]]]
    """

    def __init__(self, limit: float | tuple[float, float] = 0.1) -> None:
        self.limits = interval("limit", limit)
        if max(abs(edge) for edge in self.limits) > 1:
            raise ValueError(
                f"limit must be within -1 and 1, parts of the way from black to white, got {limit!r}; for "
                "60 levels of uint8 write 60 / 255"
            )

    def __repr__(self) -> str:
        return f"channel_shift({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a change with a number for each channel of each image."""
        black, white = frames.value_range
        drawn = draws.uniform("shift", *self.limits, shape=(frames.channels,))
        return [ColourStep("channel_shift", drawn * (white - black))]
