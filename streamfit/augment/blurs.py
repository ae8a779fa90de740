"""Filters over the neighbours of a pixel: `blur` and `sharpen`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.blur_kernels import blur_images, sharpen_images
from streamfit.augment.color_jitter import Limit, factors
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import PixelStep, Step
from streamfit.augment.images import Frames, Images
from streamfit.augment.parameters import amount
from streamfit.augment.transform import Transform
from streamfit.augment.value_ranges import check_value_range

_TRUNCATE = 4.0  # standard deviations, as SciPy


@dataclass(frozen=True)
class BlurStep(PixelStep):
    """Sum each pixel and its neighbours with weights; outside, the image is mirrored at its last pixels.

    Args:
        radii: How many neighbours on each side, int64 (n,); 0 leaves the image as it is.
        rows: Weight of the pixel and of its neighbours above and below, by their distance; float64
            (n, r + 1), r being the greatest radius. They are not negative, and those of all pixels sum to 1.
        columns: The same for neighbours to the left and right.
    """

    radii: Array
    rows: Array
    columns: Array

    @classmethod
    def gaussian(cls, sigmas: Array, radii: Array | None = None) -> BlurStep:
        """Return a step with the weights of a Gaussian.

        Args:
            sigmas: The standard deviation for each image, in pixels; float64 (n,).
            radii: How many neighbours on each side, int64 (n,); None for all up to 4 standard deviations, as
                ``scipy.ndimage.gaussian_filter`` has it.
        """
        if radii is None:
            radii = (_TRUNCATE * sigmas + 0.5).astype(np.int64)
        radii = np.where(sigmas > 0, radii, 0)
        most = int(radii.max(initial=0))
        distance = np.arange(most + 1)
        weights = np.exp(-0.5 * (distance / np.maximum(sigmas, 1e-6)[:, None]) ** 2)
        weights[distance > radii[:, None]] = 0
        weights /= 2 * weights.sum(axis=1, keepdims=True) - 1
        return cls(radii, weights, weights)

    def only(self, active: Array, frames: Frames) -> BlurStep:
        """Return the step for some images."""
        return replace(self, radii=np.where(active, self.radii, 0))

    def apply(self, images: Images) -> Images:
        """Return blurred images."""
        if not self.radii.any():
            return images
        width = int(images.sizes[:, 1].max(initial=0))
        made = images.like(images.frames)
        blur_images(
            images.pixels,
            images.starts,
            images.sizes,
            images.channels,
            made.pixels,
            self.radii,
            self.rows.astype(np.float32),
            self.columns.astype(np.float32),
            np.empty((width + 2 * int(self.radii.max())) * images.channels, np.float32),
            np.empty(width * images.channels, np.float32),
        )
        return made


class Blur(Transform):
    """Blur each image with a Gaussian; outside, it is mirrored at its last pixels.

    Args:
        sigma: The standard deviation in pixels; a pair (lowest, highest) to draw one for each image. Weights
            beyond 4 of them are left out.

    Example:
        >>> from streamfit import augment
        >>> image = np.zeros((5, 5, 1), np.float32)
        >>> image[2, 2] = 1
        >>> (100 * augment.blur(1.0)(image)[2, :, 0]).round().tolist()
        [4.0, 10.0, 16.0, 10.0, 4.0]
    """

    def __init__(self, sigma: float | tuple[float, float] = (0.1, 2.0)) -> None:
        self.limits = amount("sigma", sigma)

    def __repr__(self) -> str:
        return f"blur({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step with a standard deviation for each image."""
        return [BlurStep.gaussian(draws.uniform("sigma", *self.limits))]


@dataclass(frozen=True)
class SharpenStep(PixelStep):
    """Move each pixel away from a smooth image, or nearer to it; pixels at the edges stay.

    Args:
        factors: 0 for the smooth image, 1 for the image as it is, more for a sharper one; float64 (n,).
    """

    factors: Array

    def only(self, active: Array, frames: Frames) -> SharpenStep:
        """Return the step for some images."""
        return replace(self, factors=np.where(active, self.factors, 1.0))

    def apply(self, images: Images) -> Images:
        """Write into the pixels."""
        check_value_range(images)
        length = int(images.sizes[:, 1].max(initial=0)) * images.channels
        sharpen_images(
            images.pixels,
            images.starts,
            images.sizes,
            images.channels,
            self.factors.astype(np.float32),
            np.array(images.frames.value_range, np.float32),
            np.empty(length, np.float32),
            np.empty(length, np.float32),
        )
        return images


class Sharpen(Transform):
    """Make each image sharper or smoother by a random factor, as ``PIL.ImageEnhance.Sharpness`` does.

    The smooth image is the mean of 3 x 3 pixels, in which the one in the middle counts five times; pixels
    at the edges stay.

    Args:
        limit: The factor is drawn from 1 - limit (not below 0) to 1 + limit, or from a pair (lowest,
        highest).
            0 makes an image smooth, 1 changes nothing, 2 makes it sharper.

    Example:
        >>> from streamfit import augment
        >>> image = np.zeros((3, 3, 1), np.uint8)
        >>> image[1, 1] = 130
        >>> int(augment.sharpen((0, 0))(image)[1, 1, 0])
        50
    """

    def __init__(self, limit: Limit = 0.5) -> None:
        self.limits = factors("limit", limit)

    def __repr__(self) -> str:
        return f"sharpen({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a step with a factor for each image."""
        return [SharpenStep(draws.uniform("factor", *self.limits))]
