"""`flip`: mirror images at random."""

from __future__ import annotations

from typing import Literal

from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import Step, WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.matrices import identities
from streamfit.augment.parameters import probability
from streamfit.augment.transform import Transform

Direction = Literal["horizontal", "vertical", "both"]


class Flip(Transform):
    """Mirror each image with a probability: left and right, or above and below.

    Args:
        direction: ``'horizontal'``, ``'vertical'`` or ``'both'``; for ``'both'`` each is drawn alone.
        p: The probability.

    Example:
        >>> import numpy as np
        >>> from streamfit import augment
        >>> image = np.array([[[1], [2], [3]]], np.uint8)
        >>> augment.flip(p=1)(image)[0, :, 0].tolist()
        [3, 2, 1]
    """

    def __init__(self, direction: Direction = "horizontal", p: float = 0.5) -> None:
        if direction not in ("horizontal", "vertical", "both"):
            raise ValueError(f"direction={direction!r}: write 'horizontal', 'vertical' or 'both'")
        self.direction, self.p = direction, probability("p", p)

    def __repr__(self) -> str:
        return f"flip({self.direction!r}, p={self.p})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a warp that mirrors some of the images."""
        matrices = identities(len(frames))
        for axis, direction in ((0, "horizontal"), (1, "vertical")):
            if self.direction in (direction, "both"):
                drawn = draws.chance(direction, self.p)
                matrices[:, axis, axis] -= 2 * drawn
                matrices[:, axis, 2] = frames.sizes[:, 1 - axis] * drawn
        return [WarpStep(matrices, frames.sizes)]
