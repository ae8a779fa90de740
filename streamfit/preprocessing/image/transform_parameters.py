"""`TransformParameters`: what an `ImageDataGenerator` does to each image of a batch, drawn by keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from streamfit._base.checks import as_float, truth
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws

ShiftRange = float | Sequence[float]
Parameter = float | bool | None


class TransformRanges(Protocol):
    """The attributes of an `ImageDataGenerator` that random parameters are drawn from."""

    rotation_range: float
    width_shift_range: ShiftRange
    height_shift_range: ShiftRange
    brightness_range: tuple[float, float] | None
    shear_range: float
    zoom_range: list[float]
    channel_shift_range: float
    horizontal_flip: bool
    vertical_flip: bool


@dataclass(frozen=True)
class TransformParameters:
    """Parameters of each image of a batch, all of shape (n,).

    Args:
        theta: Angle of the rotation in degrees.
        tx: Shift in pixels, along the rows' axis (down).
        ty: Shift along the columns' axis.
        shear: Angle of the shear in degrees.
        zx: Zoom along the rows' axis; below 1 the image becomes larger.
        zy: Zoom along the columns' axis.
        flip_horizontal: Whether the image is mirrored left and right.
        flip_vertical: Whether it is mirrored above and below.
        channel_shift_intensity: What is added to all channels; None for nothing.
        brightness: The factor of the brightness; None to leave it.
    """

    theta: Array
    tx: Array
    ty: Array
    shear: Array
    zx: Array
    zy: Array
    flip_horizontal: Array
    flip_vertical: Array
    channel_shift_intensity: Array | None
    brightness: Array | None

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Self:
        """Take the parameters of one image from a dictionary, where those that are missing do nothing.

        Raises:
            ValueError: There is no such parameter.
        """
        wrong = [name for name in given if name not in _NEUTRAL]
        if wrong:
            raise ValueError(
                f"{wrong[0]!r} is no parameter of a transform; there are {list(_NEUTRAL)}."
                + did_you_mean(wrong[0], _NEUTRAL)
            )
        columns: dict[str, Array | None] = {}
        for name, neutral in _NEUTRAL.items():
            value = given.get(name, neutral)
            if value is None:
                columns[name] = None
            else:
                check = truth if isinstance(neutral, bool) else as_float
                columns[name] = np.array([check(name, value)])
        return cls(**columns)  # type: ignore[arg-type]

    def row(self, at: int) -> dict[str, Parameter]:
        """Return the parameters of one image."""
        found: dict[str, Parameter] = {}
        for name in _NEUTRAL:
            column: Array | None = getattr(self, name)
            found[name] = None if column is None else column[at].item()
        return found

    def warps(self) -> bool:
        """Return whether any image is turned, shifted, sheared or zoomed."""
        moved = self.theta.any() or self.tx.any() or self.ty.any() or self.shear.any()
        return bool(moved or (self.zx != 1).any() or (self.zy != 1).any())

    def flips(self) -> bool:
        """Return whether any image is mirrored."""
        return bool(self.flip_horizontal.any() or self.flip_vertical.any())

    def matrices(self, height: int, width: int) -> Array:
        """Return where each pixel of the results comes from, float64 (n, 6); see `warp_by_index`.

        A point (i, j) of the result is taken from ``R T S Z`` of it, around the point (height / 2 + 0.5,
        width / 2 + 0.5) in numbers of pixels, as Keras-Preprocessing has it: that is one pixel off the middle
        along each axis.
        """
        angle, slant = np.deg2rad(self.theta), np.deg2rad(self.shear)
        cos, sin = np.cos(angle), np.sin(angle)
        shear_y, shear_x = np.cos(slant), -np.sin(slant)
        # Rotation times shear times zoom.
        a, b = cos * self.zx, (cos * shear_x - sin * shear_y) * self.zy
        d, e = sin * self.zx, (sin * shear_x + cos * shear_y) * self.zy
        down, right = cos * self.tx - sin * self.ty, sin * self.tx + cos * self.ty
        y, x = height / 2 + 0.5, width / 2 + 0.5
        return np.stack([a, b, y + down - (a * y + b * x), d, e, x + right - (d * y + e * x)], axis=1)


_NEUTRAL: dict[str, Parameter] = {
    "theta": 0.0,
    "tx": 0.0,
    "ty": 0.0,
    "shear": 0.0,
    "zx": 1.0,
    "zy": 1.0,
    "flip_horizontal": False,
    "flip_vertical": False,
    "channel_shift_intensity": None,
    "brightness": None,
}


def draw_parameters(
    ranges: TransformRanges, draws: SampleDraws, height: int, width: int
) -> TransformParameters:
    """Draw the parameters of each image, with the distributions of Keras-Preprocessing.

    Each parameter has draws of its own, so generators with one seed agree in what they have in common.
    """
    count = len(draws)
    low, high = ranges.zoom_range
    zooms = draws.uniform("zoom", low, high, (2,)) if (low, high) != (1, 1) else np.ones((count, 2))
    never = np.zeros(count, bool)
    intensity = brightness = None
    if ranges.channel_shift_range:
        intensity = _around(draws, "channel shift", ranges.channel_shift_range)
    if ranges.brightness_range is not None:
        dark, bright = ranges.brightness_range
        brightness = draws.uniform("brightness", dark, bright)
    return TransformParameters(
        theta=_around(draws, "rotation", ranges.rotation_range),
        tx=_shifts(draws, "height shift", ranges.height_shift_range, height),
        ty=_shifts(draws, "width shift", ranges.width_shift_range, width),
        shear=_around(draws, "shear", ranges.shear_range),
        zx=zooms[:, 0],
        zy=zooms[:, 1],
        flip_horizontal=draws.chance("horizontal flip", 0.5) if ranges.horizontal_flip else never,
        flip_vertical=draws.chance("vertical flip", 0.5) if ranges.vertical_flip else never,
        channel_shift_intensity=intensity,
        brightness=brightness,
    )


def _around(draws: SampleDraws, purpose: str, most: float) -> Array:
    return draws.uniform(purpose, -most, most) if most else np.zeros(len(draws))


def _shifts(draws: SampleDraws, purpose: str, given: ShiftRange, length: int) -> Array:
    """Draw shifts in pixels: a float is a range, a whole number n means -n < shift < n, a list its own."""
    values = np.asarray(given)
    if not values.any():
        return np.zeros(len(draws))
    scale = length if values.max() < 1 else 1
    if values.ndim == 0 and (values.dtype.kind == "f" or values < 0):
        return _around(draws, purpose, float(values)) * scale
    choices = np.arange(int(values)) if values.ndim == 0 else values
    chosen = choices[draws.whole(purpose, 0, len(choices))].astype(np.float64)
    return np.where(draws.chance(f"{purpose} sign", 0.5), chosen, -chosen) * scale
