"""`rot90`: quarter turns, without interpolation."""

from __future__ import annotations

import numpy as np

from streamfit.augment import matrices
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import Step, WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.parameters import probability
from streamfit.augment.transform import Transform

_COSINES, _SINES = np.array([1.0, 0.0, -1.0, 0.0]), np.array([0.0, 1.0, 0.0, -1.0])


class Rot90(Transform):
    """Turn each image by 0, 1, 2 or 3 quarters, counter-clockwise, each as probable as the others.

    Height and width of an image that is turned by 1 or 3 quarters are swapped, so a batch of images that are
    not square becomes one of images of different sizes.

    Args:
        p: The probability that the number of quarters is drawn; else it is 0.

    Example:
        >>> from streamfit import augment
        >>> image = np.array([[[1], [2]], [[3], [4]]], np.uint8)
        >>> augment.rot90()(image, seed=2)[:, :, 0].tolist()
        [[2, 4], [1, 3]]
    """

    def __init__(self, p: float = 1.0) -> None:
        self.p = probability("p", p)

    def __repr__(self) -> str:
        return f"rot90(p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the warp by whole pixels."""
        turns = draws.whole("turns", 0, 4) * draws.chance("p", self.p)
        turned = matrices.identities(len(frames))
        turned[:, 0, 0] = turned[:, 1, 1] = _COSINES[turns]
        turned[:, 0, 1], turned[:, 1, 0] = -_SINES[turns], _SINES[turns]
        sizes = np.where(turns[:, None] % 2, frames.sizes[:, ::-1], frames.sizes)
        return [WarpStep(matrices.about_centre(turned, frames.sizes, sizes), sizes)]
