"""Layers that change values by those of their image, or by thresholds: auto-contrast, equalise, solarise."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.layers.checks import length
from streamfit.layers.image_checks import factor_range
from streamfit.layers.image_layer import SeededOptions, Transformation, column
from streamfit.layers.random_colours import ColourLayer


class AutoContrast(ColourLayer):
    """Stretch each channel of an image so that its smallest value is black and its largest white.

    In inference, too. A channel of one value stays as it is.

    Args:
        value_range: The values of black and white.
        **options: As for `ImageLayer`.

    Example:
        >>> AutoContrast(value_range=(0, 1))(np.array([[[0.25], [0.5]]]))[..., 0].tolist()
        [[0.0, 1.0]]
    """

    draws = False
    always = True

    def __init__(self, value_range: object = (0, 255), **options: Unpack[SeededOptions]) -> None:
        super().__init__(value_range=value_range, **options)

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Stretch."""
        low = images.min(axis=1, keepdims=True).min(axis=2, keepdims=True)
        high = images.max(axis=1, keepdims=True).max(axis=2, keepdims=True)
        black, white = self.value_range
        varied = high > low
        scale = (white - black) / np.where(varied, high - low, 1)
        return np.where(varied, self.clipped((images - low) * scale + black), images)


class Equalization(ColourLayer):
    """Change the values of each channel of an image so that all are about equally frequent; in training.

    Keras computes one histogram for a whole batch; here each image has its own, so that a sample does not
    depend on those beside it.

    Args:
        value_range: The values of black and white.
        bins: How many levels the histogram has.
        **options: As for `ImageLayer`.
    """

    draws = False

    def __init__(
        self, value_range: object = (0, 255), bins: int = 256, **options: Unpack[SeededOptions]
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.bins = length("bins", bins)

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Equalise."""
        low, high = self.value_range
        levels = (images - low) * (255 / (high - low))
        places = np.clip(levels / 255 * (self.bins - 1), 0, self.bins - 1).astype(np.int64)
        for row in range(len(images)):
            for channel in range(images.shape[-1]):
                found = places[row, ..., channel]
                total = np.cumsum(np.bincount(found.reshape(-1), minlength=self.bins))
                least = total[total > 0][0] if total[-1] else 0
                if total[-1] > least:  # else the channel has one level
                    table = np.round((total - least) * (255 / (total[-1] - least)))
                    levels[row, ..., channel] = table[found]
        return levels * ((high - low) / 255) + low

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "bins": self.bins}


class Solarization(ColourLayer):
    """Add a number to all values, then turn those above a threshold into their negatives; in training.

    Args:
        addition_factor: The range of that number as a part of the range of values, within [0, 1]; a number
            for (0, number).
        threshold_factor: Likewise of the threshold.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.

    Example:
        >>> Solarization()(np.array([[[10.0], [200.0]]]))[..., 0].tolist()
        [[245.0, 55.0]]
    """

    def __init__(
        self,
        addition_factor: object = 0.0,
        threshold_factor: object = 0.0,
        value_range: object = (0, 255),
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.addition_factor = factor_range("addition_factor", addition_factor, 0.0, 1.0)
        self.threshold_factor = factor_range("threshold_factor", threshold_factor, 0.0, 1.0)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw numbers and thresholds, in the unit of 255 for white."""
        added = draws.uniform("addition", *self.addition_factor, (1, 1, 1)) * 255
        return {"additions": added, "thresholds": draws.uniform("t", *self.threshold_factor, (1, 1, 1)) * 255}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Add, and turn."""
        low, high = self.value_range
        levels = (images - low) * (255 / (high - low)) + column(transformation["additions"])
        levels = np.clip(levels, 0, 255)
        made = np.where(levels < column(transformation["thresholds"]), levels, 255 - levels)
        return made * ((high - low) / 255) + low

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"addition_factor": self.addition_factor, "threshold_factor": self.threshold_factor}
        return {**super().get_config(), **own}
