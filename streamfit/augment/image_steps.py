"""Steps: what a transform does to the images of one batch, with all random numbers drawn.

A transform makes steps of the draws and the sizes of a batch (`Transform.steps`). `run` then does them:
neighbouring `WarpStep`s become one warp with one interpolation, neighbouring `ColourStep`s one pass.

Points: the left upper corner of an image is (0, 0), its right lower corner (width, height), and the centre of
the pixel in row i and column j is (j + 0.5, i + 0.5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.displacement import Displacement
from streamfit.augment.images import Frames, Images

FillMode = Literal["constant", "nearest", "reflect", "mirror", "wrap"]
"""What is outside an image: a value; the pixel at the edge; the image reflected at its edge (``d c b a | a b
c d | d c b a``) or at its last pixel (``d c b | a b c d | c b a``); the image again."""
Interpolation = Literal["nearest", "bilinear"]
FILL_MODES: tuple[FillMode, ...] = get_args(FillMode)
INTERPOLATIONS: tuple[Interpolation, ...] = get_args(Interpolation)


class Step(ABC):
    """One step; it does not change what it was made of."""

    @abstractmethod
    def after(self, frames: Frames) -> Frames:
        """Return sizes and kind of the images behind this step."""

    @abstractmethod
    def only(self, active: Array, frames: Frames) -> Step:
        """Return the step that leaves some images as they are.

        Args:
            active: Which images it is for, bool (n,).
            frames: Those in front of the step.

        Raises:
            ValueError: It cannot be for some images only, such as one that changes the dtype.
        """


@dataclass(frozen=True)
class WarpStep(Step):
    """Take each pixel of the result from a point of the image.

    Args:
        matrices: From points of the result to points of the image, in homogeneous coordinates (x, y, 1);
            float64 (n, 3, 3).
        sizes: Height and width of each result, int64 (n, 2).
        fill_mode: What is outside the image.
        fill_value: The value outside for ``'constant'``, in the unit of the pixels.
        interpolation: How a point between pixels is taken.
        displacement: How points of the result move in front of the matrix; None where they do not.
    """

    matrices: Array
    sizes: Array
    fill_mode: FillMode = "constant"
    fill_value: float = 0.0
    interpolation: Interpolation = "bilinear"
    displacement: Displacement | None = None

    def after(self, frames: Frames) -> Frames:
        """Return the frames of the results."""
        return Frames(self.sizes, frames.channels, frames.dtype, frames.value_range)

    def only(self, active: Array, frames: Frames) -> WarpStep:
        """Return the step with the identity for images that it is not for."""
        matrices = np.where(active[:, None, None], self.matrices, np.eye(3))
        sizes = np.where(active[:, None], self.sizes, frames.sizes)
        displacement = None if self.displacement is None else self.displacement.only(active)
        return replace(self, matrices=matrices, sizes=sizes, displacement=displacement)


@dataclass(frozen=True)
class ColourStep(Step):
    """Change each pixel by its own values, and by statistics of its image.

    Args:
        operation: Which change; one of `colour.OPERATIONS`.
        parameters: Its numbers for each image, float64 (n, k).
        active: Which images it is for, bool (n,); None for all.
        dtype: The dtype behind it; None for that of the image.
        value_range: The values of black and white behind it; None for those before.
    """

    operation: str
    parameters: Array
    active: Array | None = None
    dtype: str | None = None
    value_range: tuple[float, float] | None = None

    def after(self, frames: Frames) -> Frames:
        """Return the frames with the dtype behind the step."""
        if self.dtype is None and self.value_range is None:
            return frames
        return Frames(
            frames.sizes,
            frames.channels,
            frames.dtype if self.dtype is None else np.dtype(self.dtype),
            self.value_range or frames.value_range,
        )

    def only(self, active: Array, frames: Frames) -> ColourStep:
        """Return the step for some images."""
        if self.dtype is not None or self.value_range is not None:
            raise ValueError(
                f"{self.operation} changes the dtype or the range of values, so it must be for all images; "
                "write it outside of maybe(), one_of() and some_of()"
            )
        return replace(self, active=active if self.active is None else active & self.active)


class PixelStep(Step):
    """A step that needs the neighbours of a pixel, or other images: noise, blur, cutout, mixup.

    Attributes:
        geometry: How points move, where they do, as from the images in front of the step; None elsewhere.
        writes: Whether `apply` writes into the pixels that it is given.
    """

    geometry: WarpStep | None = None
    writes: bool = True

    def after(self, frames: Frames) -> Frames:
        """Return the same frames."""
        return frames

    @abstractmethod
    def apply(self, images: Images) -> Images:
        """Return changed images; the pixels belong to this step if it `writes`."""

    def mix(self, targets: object, kinds: Mapping[str | None, str]) -> object:
        """Return the targets mixed as the images were.

        Args:
            targets: The targets of the batch.
            kinds: Which of them are masks, boxes and points; see `Labels`.
        """
        return targets
