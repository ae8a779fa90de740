"""Random pixels: Gaussian noise, and salt and pepper."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import PixelStep, Step
from streamfit.augment.images import Frames, Images
from streamfit.augment.noise_kernels import add_noise, sprinkle
from streamfit.augment.parameters import amount
from streamfit.augment.transform import Transform
from streamfit.augment.value_ranges import check_value_range

_BLOCK = 1024  # random numbers at a time
_UNITS = 1 << 24  # of a share


@dataclass(frozen=True)
class NoiseStep(PixelStep):
    """Add Gaussian noise to each number of the images.

    Args:
        scales: The standard deviation for each image, in the unit of the pixels, float64 (n,); 0 for none.
        keys: uint64 (n,).
    """

    scales: Array
    keys: Array

    def only(self, active: Array, frames: Frames) -> NoiseStep:
        """Return the step without noise for the others."""
        return replace(self, scales=np.where(active, self.scales, 0.0))

    def apply(self, images: Images) -> Images:
        """Add the noise to the pixels; the results stay between black and white."""
        check_value_range(images)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            add_noise(
                images.pixels,
                images.starts,
                images.sizes[:, 0] * images.sizes[:, 1] * images.channels,
                self.scales.astype(np.float32),
                self.keys,
                _normal_quantiles(),
                np.array(images.frames.value_range, np.float32),
                np.empty(_BLOCK, np.float32),
            )
        return images


@functools.cache
def _normal_quantiles() -> Array:
    """Return 65536 equally likely numbers of the standard normal distribution, with variance 1."""
    from scipy.special import ndtri  # it takes a while to import

    half = ndtri((np.arange(32768) + 32768.5) / 65536)
    half /= np.sqrt(np.mean(half**2))
    # Writable, as kernels have it.
    quantiles: Array = np.concatenate([-half[::-1], half]).astype(np.float32)
    return quantiles


class Noise(Transform):
    """Add Gaussian noise to each number of an image; results are kept between black and white.

    The noise takes 65536 equally likely values, up to 4.3 standard deviations from 0.

    Args:
        std: The standard deviation, as a part of the distance from black to white; a pair (lowest, highest)
        to
            draw one for each image.

    Example:
        >>> from streamfit import augment
        >>> made = augment.noise(0.1)(np.full((100, 100, 1), 0.5, np.float32), seed=1)
        >>> bool(abs(made.mean() - 0.5) < 0.005), bool(abs(made.std() - 0.1) < 0.005)
        (True, True)
    """

    def __init__(self, std: float | tuple[float, float] = 0.05) -> None:
        self.limits = amount("std", std)

    def __repr__(self) -> str:
        return f"noise({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step with a standard deviation for each image."""
        black, white = frames.value_range
        scales = draws.uniform("std", *self.limits) * (white - black)
        return [NoiseStep(scales, draws.hashes("noise"))]


@dataclass(frozen=True)
class SaltPepperStep(PixelStep):
    """Make some pixels black and as many white.

    Args:
        shares: Which share of the pixels of each image, float64 (n,).
        keys: uint64 (n,).
    """

    shares: Array
    keys: Array

    def only(self, active: Array, frames: Frames) -> SaltPepperStep:
        """Return the step for some images."""
        return replace(self, shares=np.where(active, self.shares, 0.0))

    def apply(self, images: Images) -> Images:
        """Write into the pixels."""
        check_value_range(images)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            sprinkle(
                images.pixels,
                images.starts,
                images.sizes[:, 0] * images.sizes[:, 1],
                images.channels,
                np.rint(self.shares * _UNITS).astype(np.int64),
                self.keys,
                np.array(images.frames.value_range, np.float32),
            )
        return images


class SaltAndPepper(Transform):
    """Make random pixels black or white, in all of their channels.

    Args:
        share: Which share of the pixels, 0 to 1, half of them white; a pair (lowest, highest) to draw one for
            each image.

    Example:
        >>> from streamfit import augment
        >>> made = augment.salt_and_pepper(0.5)(np.full((100, 100, 3), 7, np.uint8), seed=1)
        >>> np.unique(made).tolist(), bool(abs((made != 7).mean() - 0.5) < 0.02)
        ([0, 7, 255], True)
    """

    def __init__(self, share: float | tuple[float, float] = 0.02) -> None:
        self.limits = amount("share", share)
        if self.limits[1] > 1:
            raise ValueError(f"share must be between 0 and 1, got {share!r}")

    def __repr__(self) -> str:
        return f"salt_and_pepper({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step with a share for each image."""
        return [SaltPepperStep(draws.uniform("share", *self.limits), draws.hashes("pixels"))]
