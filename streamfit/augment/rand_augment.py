"""`rand_augment` and `trivial_augment`: operations of one list, drawn for each image.

The list is that of torchvision: identity, shear and translation along either axis, rotation, brightness,
colour (saturation), contrast, sharpness, posterize, solarize, auto-contrast and equalize. Each image draws
one for each round, so a round is one warp, one pass of colours and one of sharpness for the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfit._base.checks import whole
from streamfit._base.specs import Array
from streamfit.augment.blurs import SharpenStep
from streamfit.augment.borders import fill_of
from streamfit.augment.draws import SampleDraws
from streamfit.augment.image_steps import INTERPOLATIONS, ColourStep, FillMode, Interpolation, Step, WarpStep
from streamfit.augment.images import Frames
from streamfit.augment.matrices import about_centre, rotations, shears, translations
from streamfit.augment.transform import Transform

_OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "saturation",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "auto_contrast",
    "equalize",
)
_ENHANCED = {"brightness": "scale", "saturation": "saturation", "contrast": "contrast"}


@dataclass(frozen=True)
class _Greatest:
    """How far the operations go at the greatest magnitude.

    Args:
        shear: Pixels to the side for each pixel down.
        shift: How far images are moved, as a part of their height or width.
        pixels: The same in pixels; one of them is 0.
        degrees: How far they are turned.
        factor: How far the factors of brightness, saturation, contrast and sharpness are from 1.
        bits: How many of the eight bits are taken away.
    """

    shear: float
    shift: float
    pixels: float
    degrees: float
    factor: float
    bits: int


class DrawnOperations(Transform):
    """Base of `rand_augment` and `trivial_augment`.

    Args:
        greatest: How far the operations go.
        levels: How many magnitudes there are.
        interpolation: How a point between pixels is taken.
        fill_mode: What is outside an image that was moved.
        fill_value: The value outside for ``'constant'``.
    """

    def __init__(
        self,
        greatest: _Greatest,
        levels: int,
        interpolation: Interpolation,
        fill_mode: FillMode,
        fill_value: float,
    ) -> None:
        self.greatest, self.levels = greatest, whole("levels", levels, 2)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation={interpolation!r}: write 'nearest' or 'bilinear'")
        self.interpolation: Interpolation = interpolation
        self.fill_mode, self.fill_value = fill_of(fill_mode, fill_value)

    def round_steps(self, draws: SampleDraws, frames: Frames, magnitudes: Array) -> list[Step]:
        """Return the steps of one operation for each image.

        Args:
            draws: Where the operation and its sign come from.
            frames: Those in front of it.
            magnitudes: From 0 to ``levels - 1``, int64 (n,).
        """
        which = draws.whole("operation", 0, len(_OPERATIONS))
        strength = magnitudes / (self.levels - 1)
        signed = np.where(draws.chance("sign", 0.5), -strength, strength)

        def drawn(name: str) -> Array:
            active: Array = which == _OPERATIONS.index(name)
            return active

        black, white = frames.value_range
        factors = 1 + signed * self.greatest.factor
        bits = np.rint(8 - strength * self.greatest.bits)
        numbers = {
            **dict.fromkeys(_ENHANCED, factors),
            "posterize": 2.0 ** (8 - bits),
            "solarize": white - strength * (white - black),
        }
        steps: list[Step] = [self._warp(which, signed, frames)]
        for name in ("brightness", "saturation", "contrast", "posterize", "solarize"):
            if name == "saturation" and frames.channels != 3:
                continue  # what has no colours stays as it is
            steps.append(ColourStep(_ENHANCED.get(name, name), numbers[name][:, None], drawn(name)))
        none = np.empty((len(frames), 0))
        steps += [ColourStep(name, none, drawn(name)) for name in ("auto_contrast", "equalize")]
        return [*steps, SharpenStep(np.where(drawn("sharpness"), factors, 1.0))]

    def _warp(self, which: Array, signed: Array, frames: Frames) -> WarpStep:
        """Return shear, translation and rotation as one warp; the identity for other operations."""

        def of(name: str, numbers: Array) -> Array:
            return np.where(which == _OPERATIONS.index(name), numbers, 0.0)

        greatest = self.greatest
        # Whole pixels, as torchvision.
        distances = np.trunc(signed[:, None] * (greatest.shift * frames.sizes + greatest.pixels))
        turned = about_centre(rotations(of("rotate", signed * greatest.degrees)), frames.sizes)
        moved = translations(of("translate_x", distances[:, 1]), of("translate_y", distances[:, 0]))
        slanted = shears(of("shear_x", signed * greatest.shear), of("shear_y", signed * greatest.shear))
        return WarpStep(
            turned @ moved @ slanted, frames.sizes, self.fill_mode, self.fill_value, self.interpolation
        )

    def written_options(self) -> str:
        """Return the arguments that all have."""
        fill = "" if self.fill_mode == "constant" else f", fill_mode={self.fill_mode!r}"
        value = "" if self.fill_value == 0 else f", fill_value={self.fill_value}"
        return f"levels={self.levels}, interpolation={self.interpolation!r}{fill}{value}"


class RandomOperations(DrawnOperations):
    """Do n operations, drawn for each image from 14, all with one magnitude: RandAugment.

    The operations and how far they go are those of torchvision's ``v2.RandAugment`` (Cubuk et al.,
    "RandAugment: Practical automated data augmentation with a reduced search space", 2020). The geometric
    ones move labels too. Images of other than three channels have no saturation, and stay as they are where
    it is drawn.

    Args:
        n: How many operations, one behind the other; each may come again.
        magnitude: How far they go, from 0 to ``levels - 1``.
        levels: How many magnitudes there are.
        interpolation: ``'bilinear'`` or ``'nearest'``, which is torchvision's default.
        fill_mode: What is outside an image that was moved; see `FillMode`.
        fill_value: The value outside for ``'constant'``, in the unit of the pixels.

    Example:
        >>> from streamfit import augment
        >>> augment.rand_augment(magnitude=5)
        rand_augment(2, 5, levels=31, interpolation='bilinear')
        >>> augment.rand_augment()(np.zeros((2, 8, 8, 3), np.uint8), seed=1).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        n: int = 2,
        magnitude: int = 9,
        *,
        levels: int = 31,
        interpolation: Interpolation = "bilinear",
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
    ) -> None:
        greatest = _Greatest(shear=0.3, shift=150 / 331, pixels=0.0, degrees=30.0, factor=0.9, bits=4)
        super().__init__(greatest, levels, interpolation, fill_mode, fill_value)
        self.n, self.magnitude = whole("n", n, 0), whole("magnitude", magnitude, 0)
        if self.magnitude >= self.levels:
            raise ValueError(
                f"magnitude={magnitude!r} of levels={levels!r}: write a number from 0 to {self.levels - 1}"
            )

    def __repr__(self) -> str:
        return f"rand_augment({self.n}, {self.magnitude}, {self.written_options()})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the steps of all rounds."""
        magnitudes = np.full(len(frames), self.magnitude)
        return [
            step
            for number in range(self.n)
            for step in self.round_steps(draws.of(number), frames, magnitudes)
        ]


class TrivialOperations(DrawnOperations):
    """Do one operation with a random magnitude, both drawn for each image: TrivialAugment, wide.

    The operations and how far they go are those of torchvision's ``v2.TrivialAugmentWide`` (Müller and
    Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation", ICCV 2021). For labels and
    images without colours see `rand_augment`.

    Args:
        levels: How many magnitudes there are.
        interpolation: ``'bilinear'`` or ``'nearest'``, which is torchvision's default.
        fill_mode: What is outside an image that was moved; see `FillMode`.
        fill_value: The value outside for ``'constant'``, in the unit of the pixels.

    Example:
        >>> from streamfit import augment
        >>> augment.trivial_augment()(np.zeros((2, 8, 8, 3), np.uint8), seed=1).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        *,
        levels: int = 31,
        interpolation: Interpolation = "bilinear",
        fill_mode: FillMode = "constant",
        fill_value: float = 0.0,
    ) -> None:
        greatest = _Greatest(shear=0.99, shift=0.0, pixels=32.0, degrees=135.0, factor=0.99, bits=6)
        super().__init__(greatest, levels, interpolation, fill_mode, fill_value)

    def __repr__(self) -> str:
        return f"trivial_augment({self.written_options()})"

    def steps(self, draws: SampleDraws, frames: Frames) -> list[Step]:
        """Return the steps of the operation."""
        return self.round_steps(draws, frames, draws.whole("magnitude", 0, self.levels))
