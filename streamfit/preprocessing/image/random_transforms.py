"""`RandomTransforms`: the part of `ImageDataGenerator` that transforms images at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from streamfit._base.checks import number, whole
from streamfit._base.config import DataFormat, next_seed
from streamfit._base.errors import DataError
from streamfit._base.keys import seed_from
from streamfit._base.specs import Array
from streamfit.augment.draws import SampleDraws
from streamfit.preprocessing.image.applied_transforms import EdgeMode, pair, transform_images
from streamfit.preprocessing.image.transform_parameters import (
    Parameter,
    ShiftRange,
    TransformParameters,
    draw_parameters,
)


class RandomTransforms:
    """Draw parameters, and transform images by them; `ImageDataGenerator` explains the attributes."""

    rotation_range: float
    width_shift_range: ShiftRange
    height_shift_range: ShiftRange
    brightness_range: tuple[float, float] | None
    shear_range: float
    zoom_range: list[float]
    channel_shift_range: float
    horizontal_flip: bool
    vertical_flip: bool
    fill_mode: EdgeMode
    cval: float
    interpolation_order: int
    data_format: DataFormat
    row_axis: int
    col_axis: int

    def get_random_transform(self, img_shape: Sequence[int], seed: int | None = None) -> dict[str, Parameter]:
        """Draw the parameters of one image.

        Args:
            img_shape: Shape of the image, of rank 3.
            seed: Equal seeds give equal parameters; None follows `set_random_seed`.
        """
        key = next_seed() if seed is None else seed_from(whole("seed", seed, 0))
        draws = SampleDraws(np.array([key], np.uint64))
        return draw_parameters(self, draws, img_shape[self.row_axis - 1], img_shape[self.col_axis - 1]).row(0)

    def apply_transform(self, x: Array, transform_parameters: Mapping[str, object]) -> Array:
        """Transform one image by the parameters that `get_random_transform` returns.

        Args:
            x: An image of rank 3.
            transform_parameters: ``'theta'``, ``'shear'`` (degrees), ``'tx'``, ``'ty'`` (pixels), ``'zx'``,
                ``'zy'``, ``'flip_horizontal'``, ``'flip_vertical'``, ``'channel_shift_intensity'`` and
                ``'brightness'``; those that are missing do nothing.
        """
        image = np.asarray(x)
        if image.ndim != 3:
            raise DataError(f"an image must have rank 3, got shape {image.shape}")
        made: Array = self.transformed(image[None], TransformParameters.of(transform_parameters))[0]
        return made

    def random_transform(self, x: Array, seed: int | None = None) -> Array:
        """Transform one image at random; see `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(np.shape(x), seed))

    def transformed(self, images: Array, parameters: TransformParameters) -> Array:
        """Return images behind their transforms; `images` may be returned as they are.

        Args:
            images: (n, ...).
            parameters: Those of each image.
        """
        return transform_images(
            images,
            parameters,
            channels_first=self.data_format == "channels_first",
            fill_mode=self.fill_mode,
            cval=self.cval,
            order=self.interpolation_order,
        )


def as_shift_range(name: str, value: ShiftRange) -> ShiftRange:
    """Return a range of shifts, with a whole number as int and a list as floats.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value):
        if not len(value):
            raise ValueError(f"{name} is empty; write a number, or a list of shifts")
        return [number(f"{name} entries", entry) for entry in value]
    found = number(name, value)
    return int(found) if np.asarray(value).dtype.kind in "iu" else found


def as_zoom_range(value: object) -> list[float]:
    """Return the lowest and the highest zoom.

    Raises:
        TypeError: It is neither a number nor a pair.
        ValueError: It is no pair.
    """
    if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value):
        return list(pair("zoom_range", value))
    zoom = number("zoom_range", value)
    return [1 - zoom, 1 + zoom]
