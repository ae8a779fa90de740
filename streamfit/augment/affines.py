"""`rotate`, `translate`, `zoom`, `shear` and `affine`: straight lines stay straight, and parallel."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment import matrices
from streamfit.augment.draws import SampleDraws
from streamfit.augment.geometric import Geometric, WarpOptions, drawn
from streamfit.augment.image_steps import WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.parameters import interval

Range = float | tuple[float, float]
"""A pair (lowest, highest), or the largest distance from what changes nothing."""


class Rotate(Geometric):
    """Turn each image about its centre by a drawn angle.

    Args:
        degrees: The range of angles, counter-clockwise; 15 stands for (-15, 15).
        **options: See `WarpOptions`.

    Example:
        >>> from streamfit import augment
        >>> image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1)
        >>> augment.rotate((90, 90))(image)[:, :, 0].tolist()
        [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    """

    def __init__(self, degrees: Range, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.degrees = interval("degrees", degrees)

    def arguments(self) -> list[str]:
        """Return the angles."""
        return [str(self.degrees)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp."""
        turned = matrices.rotations(drawn(draws, "degrees", self.degrees))
        return WarpStep(matrices.about_centre(turned, frames.sizes), frames.sizes)


class Translate(Geometric):
    """Move each image by drawn distances.

    Args:
        height: The range of distances downward, as fractions of the height; 0.1 stands for (-0.1, 0.1).
        width: The same to the right, as fractions of the width; None for the range of `height`. It is drawn
            apart from it.
        **options: See `WarpOptions`.

    Example:
        >>> from streamfit import augment
        >>> image = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
        >>> augment.translate(0, (0.5, 0.5), fill_value=9)(image)[0, :, 0].tolist()
        [9, 9, 0, 1]
    """

    def __init__(self, height: Range, width: Range | None = None, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.height = interval("height", height)
        self.width = interval("width", height if width is None else width)

    def arguments(self) -> list[str]:
        """Return the distances."""
        return [str(self.height), str(self.width)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp."""
        moved = _moved(draws, self.height, self.width, frames)
        return WarpStep(moved, frames.sizes)


class Zoom(Geometric):
    """Enlarge, or make smaller, what is in each image, about its centre; the image keeps its size.

    Args:
        height: The range of factors; 0.2 stands for (0.8, 1.2), and (2, 2) makes everything twice as high.
        width: The range of factors of the width, drawn apart; None for the factor of the height, so that
            nothing is distorted.
        **options: See `WarpOptions`.

    Example:
        >>> from streamfit import augment
        >>> image = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
        >>> augment.zoom((2, 2), interpolation="nearest")(image)[0, :, 0].tolist()
        [1, 1, 2, 2]
    """

    def __init__(self, height: Range, width: Range | None = None, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.height = _factors("height", height)
        self.width = None if width is None else _factors("width", width)

    def arguments(self) -> list[str]:
        """Return the factors."""
        return [str(self.height), str(self.width)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp."""
        height = drawn(draws, "height", self.height)
        width = height if self.width is None else drawn(draws, "width", self.width)
        scaled = matrices.about_centre(matrices.scales(height, width), frames.sizes)
        return WarpStep(scaled, frames.sizes)


class Shear(Geometric):
    """Shear each image about its centre, first along rows and then along columns.

    Args:
        x: The range of angles, in degrees, by which columns lean; 10 stands for (-10, 10). What is lower
            moves to the right where the angle is positive.
        y: The range of angles by which rows lean; what is further to the right moves down.
        **options: See `WarpOptions`.

    Example:
        >>> from streamfit import augment
        >>> image = np.eye(3, dtype=np.uint8)[:, :, None]
        >>> augment.shear((-45, -45))(image)[:, :, 0].tolist()
        [[0, 1, 0], [0, 1, 0], [0, 1, 0]]
    """

    def __init__(self, x: Range, y: Range = 0.0, **options: Unpack[WarpOptions]) -> None:
        super().__init__(**options)
        self.x, self.y = _leaning("x", x), _leaning("y", y)

    def arguments(self) -> list[str]:
        """Return the angles."""
        return [str(self.x), str(self.y)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp."""
        sheared = matrices.shears(_tangents(draws, "x", self.x), _tangents(draws, "y", self.y))
        return WarpStep(matrices.about_centre(sheared, frames.sizes), frames.sizes)


class Affine(Geometric):
    """Shear, scale and turn each image about its centre, then move it, with one interpolation.

    Args:
        degrees: The range of angles, counter-clockwise; 15 stands for (-15, 15).
        translate: How far at most, as a fraction of height and width, or a pair of fractions (of the height,
            of the width).
        scale: The range of factors for height and width; 0.2 stands for (0.8, 1.2).
        shear: The range of angles, in degrees, by which columns lean; see `shear`.
        **options: See `WarpOptions`.

    Example:
        >>> from streamfit import augment
        >>> image = np.arange(4, dtype=np.uint8).reshape(1, 4, 1)
        >>> augment.affine((180, 180), scale=(1, 1))(image)[0, :, 0].tolist()
        [3, 2, 1, 0]
    """

    def __init__(
        self,
        degrees: Range = 0.0,
        translate: float | tuple[float, float] = 0.0,
        scale: Range = 0.0,
        shear: Range = 0.0,
        **options: Unpack[WarpOptions],
    ) -> None:
        super().__init__(**options)
        self.degrees, self.scale = interval("degrees", degrees), _factors("scale", scale)
        fractions = translate if isinstance(translate, (tuple, list)) else (translate, translate)
        if len(fractions) != 2:
            raise ValueError(
                f"translate must be a fraction or a pair (of height, of width), got {translate!r}"
            )
        self.height, self.width = (interval("translate", fraction) for fraction in fractions)
        self.shear = _leaning("shear", shear)

    def arguments(self) -> list[str]:
        """Return the ranges."""
        distances = (self.height[1], self.width[1])
        return [str(part) for part in (self.degrees, distances, self.scale, self.shear)]

    def step(self, draws: SampleDraws, frames: Frames) -> WarpStep:
        """Return the warp."""
        factors = drawn(draws, "scale", self.scale)
        changed = (
            matrices.shears(_tangents(draws, "shear", self.shear), 0.0)
            @ matrices.scales(factors, factors)
            @ matrices.rotations(drawn(draws, "degrees", self.degrees))
        )
        centred = matrices.about_centre(changed, frames.sizes)
        return WarpStep(centred @ _moved(draws, self.height, self.width, frames), frames.sizes)


def _moved(
    draws: SampleDraws, height: tuple[float, float], width: tuple[float, float], frames: Frames
) -> Array:
    down = drawn(draws, "down", height) * frames.sizes[:, 0]
    return matrices.translations(drawn(draws, "right", width) * frames.sizes[:, 1], down)


def _factors(name: str, value: Range) -> tuple[float, float]:
    low, high = interval(name, value, 1.0)
    if low <= 0:
        raise ValueError(f"{name} must be factors above 0, or a distance from 1 below 1, got {value!r}")
    return low, high


def _leaning(name: str, value: Range) -> tuple[float, float]:
    low, high = interval(name, value)
    if not -90 < low <= high < 90:
        raise ValueError(f"{name} must be between -90 and 90 degrees, got {value!r}")
    return low, high


def _tangents(draws: SampleDraws, purpose: str, between: tuple[float, float]) -> Array:
    tangents: Array = np.tan(np.deg2rad(drawn(draws, purpose, between)))
    return tangents
