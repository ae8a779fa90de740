"""`elastic`: smooth random displacements."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np

from streamfit._base.checks import number
from streamfit._base.specs import Array
from streamfit.augment import matrices
from streamfit.augment.displacement import Displacement
from streamfit.augment.draws import SampleDraws
from streamfit.augment.geometric import Geometric, WarpOptions
from streamfit.augment.image_steps import WarpStep
from streamfit.augment.images import Frames

# The mean square of a cubic B-spline with coefficients of variance 1 is the square of this, along one axis.
_SPLINE_SQUARE = 151 / 315
# The cubic B-spline of spacing 1 has this variance, as a density.
_SPLINE_VARIANCE = 1 / 3


class Elastic(Geometric):
    """Displace the points of each image along a smooth random field, drawn for each image.

    The field has the strength and the smoothness of that of Simard, Steinkraus and Platt, "Best practices for
    convolutional neural networks applied to visual document analysis" (ICDAR 2003): uniform noise between
    -1 and 1 in each pixel, smoothed by a Gaussian, times `alpha`. It is drawn as cubic B-splines on a coarse
    grid, which takes less time.

    Args:
        alpha: The strength, in pixels, at least 0. The displacement has a standard deviation of
            ``alpha / (6.14 * sigma)`` pixels.
        sigma: The standard deviation of the Gaussian in pixels, above 0: how smooth the field is.
        **options: See `WarpOptions`.

    Example:
        >>> from streamfit import augment
        >>> image = np.zeros((28, 28, 1), np.uint8)
        >>> augment.elastic(34, 4)(image).shape
        (28, 28, 1)
    """

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.alpha, self.sigma = number("alpha", alpha, 0), number("sigma", sigma, 0)
        if self.sigma == 0:
            raise ValueError("sigma must be above 0; noise that is not smoothed tears images apart")

    def arguments(self) -> list[str]:
        """Return strength and smoothness."""
        return [str(self.alpha), str(self.sigma)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the displacement of points."""
        spacing = self.sigma / math.sqrt(_SPLINE_VARIANCE)
        spans = np.maximum(np.rint(frames.sizes / spacing), 1).astype(np.int64)
        # Noise that a Gaussian smooths has its variance times 1 / (4 pi sigma ** 2).
        strength = self.alpha / (2 * math.sqrt(math.pi) * self.sigma * _SPLINE_SQUARE)
        coefficients = _grids(draws, spans + 3) * strength
        return WarpStep(
            matrices.identities(len(frames)), frames.sizes, displacement=Displacement(coefficients, spans)
        )


def _grids(draws: SampleDraws, sizes: Array) -> Array:
    """Return numbers in [-1, 1) on two grids of each size, which do not depend on the other sizes.

    Args:
        draws: Where they come from.
        sizes: Rows and columns, int64 (n, 2).

    Returns:
        float64 (n, 2, most rows, most columns); what is beyond a grid is of no use.
    """
    most = int(sizes.prod(axis=1).max(initial=1))
    numbers = np.stack([draws.uniform(axis, -1, 1, (most,)) for axis in ("x", "y")], axis=1)
    rows, columns = (np.arange(count) for count in sizes.max(axis=0, initial=1))
    places = rows[:, None] * sizes[:, 1, None, None] + columns
    places = np.minimum(places, most - 1).reshape(len(sizes), 1, -1)
    return np.take_along_axis(numbers, places, axis=2).reshape(len(sizes), 2, len(rows), len(columns))
