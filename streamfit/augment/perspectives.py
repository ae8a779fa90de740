"""`perspective`: images as they look from aside."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit.augment import matrices
from streamfit.augment.draws import SampleDraws
from streamfit.augment.geometric import Geometric, WarpOptions
from streamfit.augment.image_steps import WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.parameters import probability


class Perspective(Geometric):
    """Move each corner of an image inward by drawn distances; straight lines stay straight.

    Args:
        distortion: How far at most, as a fraction of half the height and half the width; at least 0, below 1.
        **options: See `WarpOptions`; `p` is 0.5 by default, as in torchvision.

    Example:
        >>> from streamfit import augment
        >>> image = np.full((8, 8, 1), 255, np.uint8)
        >>> seen = augment.perspective(0.5, p=1)(image, seed=3)[:, :, 0]
        >>> int(seen[4, 4]), int(seen[0, 0])
        (255, 0)
    """

    def __init__(self, distortion: float = 0.5, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**{"p": 0.5, **options})  # type: ignore[arg-type]
        self.distortion = probability("distortion", distortion)
        if self.distortion == 1:
            raise ValueError("distortion must be below 1: at 1 all corners may meet in the centre")

    def arguments(self) -> list[str]:
        """Return the distortion."""
        return [str(self.distortion)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp."""
        inward = draws.uniform("corners", 0, self.distortion / 2, (4, 2))
        at = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
        lengths = frames.sizes[:, None, ::-1].astype(np.float64)
        corners = lengths * np.where(at == 1, 1 - inward, inward)
        return WarpStep(matrices.quadrilaterals(corners, lengths * at), frames.sizes)
