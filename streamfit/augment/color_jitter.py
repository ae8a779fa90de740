"""Random brightness, contrast, saturation, hue and gamma."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import ColourStep, Step
from streamfit.augment.images import Frames
from streamfit.augment.parameters import amount, interval
from streamfit.augment.transform import Transform

Limit = float | tuple[float, float]


def factors(name: str, limit: Limit) -> tuple[float, float]:
    """Return the range of a factor: around 1 and not negative."""
    low, high = interval(name, limit, around=1.0)
    if isinstance(limit, (tuple, list)) and low < 0:
        raise ValueError(f"{name} must be a pair of factors that are not negative, got {limit!r}")
    return max(low, 0.0), high


def _turns(name: str, limit: Limit) -> tuple[float, float]:
    low, high = interval(name, limit)
    if low < -0.5 or high > 0.5:
        raise ValueError(f"{name} must be within -0.5 and 0.5 (half of the circle of hues), got {limit!r}")
    return low, high


def _drawn(draws: SampleDraws, operation: str, limits: tuple[float, float]) -> ColourStep:
    return ColourStep(operation, draws.uniform(operation, *limits, shape=(1,)))


class Brightness(Transform):
    """Make each image brighter or darker by a random factor, as torchvision's ``ColorJitter`` does.

    Args:
        limit: The factor is drawn from 1 - limit (not below 0) to 1 + limit, or from a pair (lowest,
        highest).

    Example:
        >>> from streamfit import augment
        >>> augment.brightness((2, 2))(np.full((1, 1, 3), 50, np.uint8)).tolist()
        [[[100, 100, 100]]]
    """

    def __init__(self, limit: Limit = 0.2) -> None:
        self.limits = factors("limit", limit)

    def __repr__(self) -> str:
        return f"brightness({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a change with a factor for each image."""
        return [_drawn(draws, "scale", self.limits)]


class Contrast(Transform):
    """Move the colours of each image away from its mean grey, or nearer to it, by a random factor.

    Args:
        limit: The factor is drawn from 1 - limit (not below 0) to 1 + limit, or from a pair (lowest,
        highest).
            0 makes an image of one grey, 1 changes nothing.

    Example:
        >>> from streamfit import augment
        >>> augment.contrast((0, 0))(np.array([[[0], [100]]], np.uint8)).tolist()
        [[[50], [50]]]
    """

    def __init__(self, limit: Limit = 0.2) -> None:
        self.limits = factors("limit", limit)

    def __repr__(self) -> str:
        return f"contrast({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a change with a factor for each image."""
        return [_drawn(draws, "contrast", self.limits)]


class Saturation(Transform):
    """Move the colour of each pixel away from its grey, or nearer to it, by a random factor.

    Args:
        limit: The factor is drawn from 1 - limit (not below 0) to 1 + limit, or from a pair (lowest,
        highest).
            0 makes an image grey, 1 changes nothing.

    Example:
        >>> from streamfit import augment
        >>> augment.saturation((0, 0))(np.array([[[200, 0, 0]]], np.uint8)).tolist()
        [[[60, 60, 60]]]
    """

    def __init__(self, limit: Limit = 0.2) -> None:
        self.limits = factors("limit", limit)

    def __repr__(self) -> str:
        return f"saturation({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a change with a factor for each image."""
        return [_drawn(draws, "saturation", self.limits)]


class Hue(Transform):
    """Turn the hue of each image by a random part of the circle of colours.

    Args:
        limit: The turn is drawn from -limit to limit, or from a pair (lowest, highest), in circles; at most
            half a circle, 0.5, in each direction.

    Example:
        >>> from streamfit import augment
        >>> augment.hue((1 / 3, 1 / 3))(np.array([[[200, 0, 0]]], np.uint8)).tolist()
        [[[0, 200, 0]]]
    """

    def __init__(self, limit: Limit = 0.05) -> None:
        self.limits = _turns("limit", limit)

    def __repr__(self) -> str:
        return f"hue({self.limits})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a change with a turn for each image."""
        return [_drawn(draws, "hue", self.limits)]


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue at random, in this order and in one pass.

    The arguments are those of torchvision's ``ColorJitter``, which also draws the order.

    Args:
        brightness: Limit of `brightness`; 0 leaves it out.
        contrast: Limit of `contrast`.
        saturation: Limit of `saturation`.
        hue: Limit of `hue`.

    Example:
        >>> from streamfit import augment
        >>> image = np.array([[[200, 100, 0]]], np.uint8)
        >>> augment.color_jitter(0.4, 0.4, 0.4, 0.1)(image, seed=1).dtype
        dtype('uint8')
    """

    def __init__(
        self, brightness: Limit = 0.0, contrast: Limit = 0.0, saturation: Limit = 0.0, hue: Limit = 0.0
    ) -> None:
        self.changes = (
            ("brightness", "scale", factors("brightness", brightness)),
            ("contrast", "contrast", factors("contrast", contrast)),
            ("saturation", "saturation", factors("saturation", saturation)),
            ("hue", "hue", _turns("hue", hue)),
        )

    def __repr__(self) -> str:
        return f"color_jitter({', '.join(f'{name}={limits}' for name, _, limits in self.changes)})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return those changes that are not left out."""
        nothing = ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0))
        return [
            _drawn(draws, operation, limits)
            for (_, operation, limits), idle in zip(self.changes, nothing, strict=True)
            if limits != idle
        ]


class Gamma(Transform):
    """Raise the values of each image to a random power: out = in ** gamma, black being 0 and white 1.

    Args:
        limits: The power is drawn from a pair (lowest, highest) of positive numbers; below 1 it makes an
        image
            brighter.
        gain: A factor for the results.

    Example:
        >>> from streamfit import augment
        >>> augment.gamma((2, 2))(np.full((1, 1, 1), 0.5, np.float32)).tolist()
        [[[0.25]]]
    """

    def __init__(self, limits: tuple[float, float] = (0.8, 1.25), gain: float = 1.0) -> None:
        if not isinstance(limits, (tuple, list)):
            raise TypeError(f"limits must be a pair (lowest, highest) such as (0.8, 1.25), got {limits!r}")
        self.limits = interval("limits", limits)
        if self.limits[0] <= 0:
            raise ValueError(f"limits must be positive numbers, got {limits!r}")
        self.gain = amount("gain", gain)[0]

    def __repr__(self) -> str:
        return f"gamma({self.limits}, gain={self.gain})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return a change with a power for each image."""
        powers: Array = draws.uniform("gamma", *self.limits, shape=(1,))
        return [ColourStep("gamma", np.concatenate([powers, np.full_like(powers, self.gain)], axis=1))]
