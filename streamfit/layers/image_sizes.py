"""Layers that give images another size: `Resizing`, `CenterCrop` and `RandomCrop`."""

from __future__ import annotations

from typing import Unpack, cast

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.specs import Array, Shape
from streamfit.augment.draws import SampleDraws
from streamfit.augment.images import Images
from streamfit.augment.labels import Labels
from streamfit.augment.resampling import Resampling
from streamfit.augment.resizes import Resize
from streamfit.augment.run import run
from streamfit.layers.checks import length, one_of
from streamfit.layers.image_layer import GeometricLayer, SeededOptions, Transformation

_RESAMPLINGS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5", "area")


def resize_images(
    images: Array, height: int, width: int, interpolation: str = "bilinear", antialias: bool = False
) -> Array:
    """Return images in another size; see `augment.resize`.

    Args:
        images: float32 (n, height, width, channels).
        height: That of the results.
        width: Likewise.
        interpolation: How they are resampled.
        antialias: Whether the filter is widened where an image shrinks.
    """
    if interpolation == "lanczos5":
        across = _lanczos(images.shape[2], width, antialias)
        down = _lanczos(images.shape[1], height, antialias)
        return np.asarray(np.einsum("yr,nrkc,xk->nyxc", down, images, across, optimize=True), np.float32)
    batch = Images.of(np.ascontiguousarray(images), (0.0, 1.0))
    resize = Resize((height, width), cast(Resampling, interpolation), antialias)
    steps = resize.steps(SampleDraws(np.zeros(len(images), np.uint64)), batch.frames)
    return np.asarray(run(steps, batch, Labels({}, None))[0].value())


def _lanczos(length_before: int, length_after: int, antialias: bool, lobes: int = 5) -> Array:
    """Return the weights of pixels along an axis in each pixel of the result, (after, before)."""
    step = length_before / length_after
    centre = (np.arange(length_after)[:, None] + 0.5) * step - 0.5
    away = (np.arange(length_before) - centre) / (max(step, 1.0) if antialias else 1.0)
    weights = np.where(np.abs(away) < lobes, np.sinc(away) * np.sinc(away / lobes), 0)
    scaled: Array = weights / weights.sum(axis=1, keepdims=True)
    return scaled


class SizedLayer(GeometricLayer):
    """Base of layers whose results have a fixed size.

    Args:
        height: That of the results.
        width: Likewise.
        **options: As for `ImageLayer`.
    """

    always = True

    def __init__(self, height: int, width: int, **options: Unpack[SeededOptions]) -> None:
        super().__init__(**options)
        self.height, self.width = length("height", height), length("width", width)

    def resized(self, height: int | None, width: int | None) -> tuple[int | None, int | None]:
        """Return the size of the results."""
        return self.height, self.width

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "height": self.height, "width": self.width}

    def _fitted(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return the largest part of an image in the proportion of the results: top, left, height, width."""
        kept_height = max(min(height, width * self.height // self.width), 1)
        kept_width = max(min(width, height * self.width // self.height), 1)
        return (height - kept_height) // 2, (width - kept_width) // 2, kept_height, kept_width

    def _placed(self, boxes: Array, top: Array | int, left: Array | int, height: int, width: int) -> Array:
        """Return boxes in a part of the image that fills the result."""
        corner = np.stack(np.broadcast_arrays(left, top, left, top), axis=-1)
        unit = np.array([self.width / width, self.height / height] * 2)
        moved: Array = (boxes - corner.reshape(-1, 1, 4)) * unit
        return moved.astype(np.float32)


class Resizing(SizedLayer):
    """Resize images, in inference, too. Whole numbers keep their dtype.

    Args:
        height: That of the results.
        width: Likewise.
        interpolation: ``'bilinear'``, ``'nearest'``, ``'bicubic'``, ``'lanczos3'``, ``'lanczos5'`` or
            ``'area'``.
        crop_to_aspect_ratio: Cut off what is too long, in equal parts at both ends.
        pad_to_aspect_ratio: Add a border where it is too short.
        fill_mode: ``'constant'``: the border has one value.
        fill_value: That value.
        antialias: Let each pixel of an image that shrinks count.
        **options: As for `ImageLayer`.

    Example:
        >>> Resizing(1, 2)(np.array([[[0], [2], [4], [6]]], "uint8"))[..., 0].tolist()
        [[1, 5]]
    """

    draws = False

    def result_dtype(self, dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
        """Return the dtype of whole numbers, which are rounded; else that of the layer."""
        return dtype if dtype.kind in "iu" else np.dtype(self.dtype)

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        **options: Unpack[SeededOptions],
    ) -> None:
        super().__init__(height, width, **options)
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            raise ValueError("Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`.")
        self.interpolation = one_of("interpolation", interpolation, _RESAMPLINGS)
        self.crop_to_aspect_ratio, self.pad_to_aspect_ratio = crop_to_aspect_ratio, pad_to_aspect_ratio
        self.fill_mode, self.fill_value = one_of("fill_mode", fill_mode, ("constant",)), fill_value
        self.antialias = bool(antialias)

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Resize."""
        height, width = images.shape[1:3]
        if self.crop_to_aspect_ratio:
            top, left, kept_height, kept_width = self._fitted(height, width)
            images = images[:, top : top + kept_height, left : left + kept_width]
        elif self.pad_to_aspect_ratio:
            top, left = self._border(height, width)
            sides = ((0, 0), (top, top), (left, left), (0, 0))
            images = np.pad(images, sides, constant_values=self.fill_value)
        kind = interpolation or self.interpolation
        return resize_images(images, self.height, self.width, kind, self.antialias)

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the boxes in the other size; boxes of zeros or of -1 become zeros."""
        empty = (boxes == -1).all(axis=-1, keepdims=True) | (boxes == 0).all(axis=-1, keepdims=True)
        top, left, kept_height, kept_width = 0, 0, height, width
        if self.crop_to_aspect_ratio:
            top, left, kept_height, kept_width = self._fitted(height, width)
        elif self.pad_to_aspect_ratio:
            top, left = (-length for length in self._border(height, width))
            kept_height, kept_width = height - 2 * top, width - 2 * left
        return np.where(empty, 0, self._placed(boxes, top, left, kept_height, kept_width))

    def _border(self, height: int, width: int) -> tuple[int, int]:
        """Return the heights of the borders above and below, or else the widths of those at the sides."""
        top = (max(height, width * self.height // self.width) - height) // 2
        return top, 0 if top else (max(width, height * self.width // self.height) - width) // 2

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "interpolation": self.interpolation,
            "crop_to_aspect_ratio": self.crop_to_aspect_ratio,
            "pad_to_aspect_ratio": self.pad_to_aspect_ratio,
            "fill_mode": self.fill_mode,
            "fill_value": self.fill_value,
            "antialias": self.antialias,
        }


class CenterCrop(SizedLayer):
    """Cut the centre out of images; of one that is smaller, the largest part in this proportion, resized.

    In inference, too.

    Args:
        height: That of the results.
        width: Likewise.
        **options: As for `ImageLayer`.
    """

    draws = False

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Cut."""
        top, left, height, width = self._part(*images.shape[1:3])
        part = images[:, top : top + height, left : left + width]
        return resize_images(part, self.height, self.width, interpolation or "bilinear")

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the boxes in the part."""
        return self._placed(boxes, *self._part(height, width))

    def _part(self, height: int, width: int) -> tuple[int, int, int, int]:
        if height >= self.height and width >= self.width:
            return (height - self.height) // 2, (width - self.width) // 2, self.height, self.width
        return self._fitted(height, width)


class RandomCrop(SizedLayer):
    """Cut a part of each image, in training at a place that is drawn for each.

    In inference, and of an image that is no larger, it is the largest part in the proportion of the result,
    from the centre, resized. (Keras 3 says so, too, but returns images as they are in inference.)

    Args:
        height: That of the results.
        width: Likewise.
        **options: As for `ImageLayer`.
    """

    def drawn(self, draws: SampleDraws, shape: Shape) -> Transformation:
        """Draw where the parts begin."""
        top = draws.whole("top", 0, max((shape[1] or 0) - self.height, 0) + 1)
        return {"top": top, "left": draws.whole("left", 0, max((shape[2] or 0) - self.width, 0) + 1)}

    def changed(self, images: Array, transformation: Transformation, interpolation: str | None) -> Array:
        """Cut."""
        height, width = images.shape[1:3]
        if not self._cuts(transformation, height, width):
            top, left, kept_height, kept_width = self._fitted(height, width)
            part = images[:, top : top + kept_height, left : left + kept_width]
            return resize_images(part, self.height, self.width, interpolation or "bilinear")
        made = np.empty((len(images), self.height, self.width, images.shape[3]), np.float32)
        for row, (top, left) in enumerate(zip(transformation["top"], transformation["left"], strict=True)):
            made[row] = images[row, top : top + self.height, left : left + self.width]
        return made

    def moved_boxes(self, boxes: Array, transformation: Transformation, height: int, width: int) -> Array:
        """Return the boxes in the parts."""
        if self._cuts(transformation, height, width):
            top, left = np.asarray(transformation["top"]), np.asarray(transformation["left"])
            return self._placed(boxes, top, left, self.height, self.width)
        return self._placed(boxes, *self._fitted(height, width))

    def _cuts(self, transformation: Transformation, height: int, width: int) -> bool:
        """Return whether parts are cut out at places that were drawn."""
        return "top" in transformation and height > self.height and width > self.width
