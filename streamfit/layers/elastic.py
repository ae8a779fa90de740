"""`RandomElasticTransform`: move the pixels of images by a smooth random field."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.keys import each_key, seed_from
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.layers.image_checks import FILL_MODES, factor_range, interpolation_mode, outside_mode
from streamfit.layers.image_layer import GeometricLayer, SeededOptions, Transformation, column
from streamfit.layers.random_warps import applied

_SCIPY = {"constant": "grid-constant", "wrap": "grid-wrap"}


class RandomElasticTransform(GeometricLayer):
    """Move the pixels of some images by a smooth random field; boxes stay, as in Keras.

    Source: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual
    document analysis", 2003. With a scale s, the field is normal noise of deviation d = 0.05 s times the
    shorter side, blurred by a Gaussian of deviation d, times 0.1 s times the longer side.

    Args:
        factor: The probability: a number for a range from 0, or a range that it is drawn from.
        scale: The range of the scale, within [0, 1], drawn for each image; a number for (0, number).
        interpolation: ``'bilinear'`` or ``'nearest'``.
        fill_mode: What is outside the image: ``'reflect'``, ``'wrap'``, ``'constant'``, ``'nearest'`` or
            ``'mirror'``.
        fill_value: The value outside for ``'constant'``.
        value_range: The values that results are cut off at.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        factor: object = 1.0,
        scale: object = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: tuple[float, float] = (0, 255),
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(**options)
        self.factor = factor_range("factor", factor, 0.0, 1.0)
        self.scale = factor_range("scale", scale, 0.0, 1.0)
        self.interpolation = interpolation_mode(interpolation)
        self.fill_mode = outside_mode(fill_mode, (*FILL_MODES, "mirror"))
        self.fill_value, self.value_range = float(fill_value), value_range

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which images are changed, how much, and the noise."""
        height, width = shape[1] or 1, shape[2] or 1
        return {
            "apply_transform": applied(draws, self.factor),
            "distortion_factor": draws.uniform("scale", *self.scale),
            "noise": draws.normal("noise", (2, height, width)),
        }

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Move the pixels."""
        from scipy.ndimage import gaussian_filter, map_coordinates  # it takes a while to import

        n, height, width, channels = images.shape
        made, noise = images.copy(), transformation.get("noise")
        if noise is None:  # as Keras has it: with a seed in its place
            keys = each_key(seed_from(transformation.get("seed", 0)), np.arange(n))
            noise = SampleDraws(keys).normal("noise", (2, height, width))
        scales = np.broadcast_to(
            np.asarray(transformation["distortion_factor"], np.float64).reshape(-1), (n,)
        )
        rows, columns = np.mgrid[:height, :width].astype(np.float64)
        order = 0 if (interpolation or self.interpolation) == "nearest" else 1
        mode = _SCIPY.get(self.fill_mode, self.fill_mode)
        chosen = column(transformation["apply_transform"]).reshape(-1) > 0
        for row in np.flatnonzero(chosen & (scales > 0)).tolist():
            deviation = 0.05 * scales[row] * min(height, width)
            field = np.asarray(noise)[row] * (deviation * 0.1 * scales[row] * max(height, width))
            reach = int(6 * deviation) // 2  # as Keras' kernel has it
            right, down = (gaussian_filter(each, deviation, mode="constant", radius=reach) for each in field)
            points = np.stack([rows + down, columns + right])
            for channel in range(channels):
                made[row, ..., channel] = map_coordinates(
                    images[row, ..., channel], points, order=order, mode=mode, cval=self.fill_value
                )
        return made if interpolation is not None else np.clip(made, *self.value_range)

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the boxes as they are: a pixel moves by little."""
        return boxes

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"factor": self.factor, "scale": self.scale, "interpolation": self.interpolation}
        outside = {"fill_mode": self.fill_mode, "fill_value": self.fill_value}
        return {**super().get_config(), **own, **outside, "value_range": self.value_range}
