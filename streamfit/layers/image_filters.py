"""Layers that need the neighbours of a pixel, or write over parts of an image: sharpness, blur, erasing."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.layers.checks import length
from streamfit.layers.image_checks import factor_range
from streamfit.layers.image_layer import SeededOptions, Transformation, column
from streamfit.layers.random_colours import ColourLayer, FactorLayer
from streamfit.layers.random_warps import applied


def _filtered(images: Array, weights: Array, axis: int) -> Array:
    """Return images behind a filter along an axis, 0 outside.

    Args:
        images: (n, height, width, channels).
        weights: (n, k), k odd.
        axis: 1 or 2.
    """
    reach = weights.shape[1] // 2
    width = [(reach, reach) if each == axis else (0, 0) for each in range(4)]
    padded, found = np.pad(images, width), np.zeros_like(images)
    for place in range(weights.shape[1]):
        part = np.take(padded, range(place, place + images.shape[axis]), axis)
        found += part * column(weights[:, place])
    return found


class RandomSharpness(FactorLayer):
    """Sharpen or soften images: mix each with a smooth one.

    Args:
        factor: The range of a number f within [0, 1]: 0 gives the smooth image, 0.5 the image, 1 as much
            sharper as that is smoother; a number for (0, number).
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Mix."""
        ones = np.ones((len(images), 3), np.float32)
        smooth = (_filtered(_filtered(images, ones, 1), ones, 2) + 4 * images) / 13
        return self.clipped(images + (1 - 2 * column(transformation["factor"])) * (smooth - images))


class RandomGaussianBlur(FactorLayer):
    """Blur some images by a Gaussian kernel; outside the image is 0.

    Args:
        factor: The probability: a number for a range from 0, or a range that it is drawn from.
        kernel_size: Width of the kernel, odd; or a pair (width, height).
        sigma: The range of the standard deviation in pixels, within [0, 1], drawn for each direction; a
            number for (0, number).
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        factor: object = 1.0,
        kernel_size: object = 3,
        sigma: object = 1.0,
        value_range: object = (0, 255),
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(factor, value_range, **options)
        given = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(given) != 2 or any(isinstance(size, (int, float)) and size % 2 != 1 for size in given):
            raise ValueError(f"kernel_size must be an odd number. Received: kernel_size={kernel_size}")
        self.kernel_size = length("kernel_size", int(given[0])), length("kernel_size", int(given[1]))
        self.sigma = factor_range("sigma", sigma, 0.0, 1.0)

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which images, and how much."""
        sigma = draws.uniform("sigma", *self.sigma, (2,)) + 1e-6
        return {"should_apply_blur": applied(draws, self.factor), "blur_factor": sigma}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Blur."""
        sigma = np.empty((len(images), 2))
        sigma[:] = transformation["blur_factor"]
        chosen = column(transformation["should_apply_blur"]) > 0
        blurred = images
        for axis, size, deviation in zip((2, 1), self.kernel_size, sigma.T, strict=True):
            weights = np.exp(-0.5 * ((np.arange(size) - size // 2) / deviation[:, None]) ** 2)
            blurred = _filtered(blurred, weights / weights.sum(axis=1, keepdims=True), axis)
        return self.clipped(np.where(chosen, blurred, images))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "kernel_size": self.kernel_size, "sigma": self.sigma}


class RandomErasing(ColourLayer):
    """Write over a rectangle of some images.

    Source: Zhong et al., "Random erasing data augmentation", 2020.

    Args:
        factor: The probability: a number for a range from 0, or a range that it is drawn from.
        scale: The range of the squared part of height and of width that the rectangle takes, within [0, 1];
            drawn for each of them.
        fill_value: What is written: a number, a number for each channel, or None for normal noise.
        value_range: The values of black and white.
        **options: As for `ImageLayer`.
    """

    def __init__(
        self,
        factor: object = 1.0,
        scale: object = (0.02, 0.33),
        fill_value: object = None,
        value_range: object = (0, 255),
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(value_range=value_range, **options)
        self.factor = factor_range("factor", factor, 0.0, 1.0)
        self.scale = factor_range("scale", scale, 0.0, 1.0)
        self.fill_value = fill_value

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw which images, where, and noise."""
        n, height, width, channels = shape
        part = np.sqrt(draws.uniform("scale", *self.scale, (2,)))
        masks = rectangles(draws, part, height or 0, width or 0)[0]
        if self.fill_value is None:
            fill = draws.normal("noise", (height or 0, width or 0, channels or 0)) * self.value_range[1]
        else:
            fill = np.broadcast_to(np.asarray(self.fill_value, np.float32), (n or 0, 1, 1, channels or 0))
        fill = self.clipped(fill.astype(np.float32))
        return {"apply_erasing": applied(draws, self.factor), "batch_masks": masks, "fill_value": fill}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Write over the rectangles."""
        chosen = column(transformation["apply_erasing"]) > 0
        masks = np.asarray(transformation["batch_masks"], bool)
        return np.where(chosen & masks, np.asarray(transformation["fill_value"], np.float32), images)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {"factor": self.factor, "scale": self.scale, "fill_value": self.fill_value}
        return {**super().get_config(), **own}


def rectangles(draws: SampleDraws, parts: Array, height: int, width: int) -> tuple[Array, Array]:
    """Draw a rectangle in each image.

    Args:
        draws: Where its place comes from.
        parts: Which part of the width and of the height it takes, (n, 2).
        height: That of the images.
        width: Likewise.

    Returns:
        Its pixels, bool (n, height, width, 1); and the part of the area that it takes, (n,).
    """
    size = parts * np.array([width, height])
    start = draws.uniform("place", 0, 1, (2,)) * (np.array([width, height]) - size)
    inside = [
        (np.arange(edge) >= start[:, axis, None]) & (np.arange(edge) < (start + size)[:, axis, None])
        for axis, edge in ((0, width), (1, height))
    ]
    return (inside[1][:, :, None] & inside[0][:, None, :])[..., None], parts.prod(axis=1)
