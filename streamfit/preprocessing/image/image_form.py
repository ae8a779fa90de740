"""`ImageForm`: what becomes of the bytes of an image: colours, size, dtype, order of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.config import as_data_format
from streamfit._base.specs import Array, Spec
from streamfit.augment.resampling import RESAMPLINGS, Resampling, resize_image
from streamfit.preprocessing.image.decoding import CHANNELS, MAX_PIXELS, ColorMode, decode_image
from streamfit.preprocessing.image.single_images import crop_box, size_of

Fit = Literal["stretch", "crop", "pad"]
ImageSize = tuple[int, int] | Sequence[int] | int


@dataclass(frozen=True)
class ImageForm:
    """Decode images to one form.

    Args:
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``.
        size: Height and width; None for those of each file.
        fit: What is done where the ratio of an image differs: it is stretched, cut at its longer sides, or
            filled with 0 at its shorter ones.
        interpolation: The filter.
        antialias: Whether it is widened where an image shrinks.
        dtype: ``'float32'``, which is not rounded, or ``'uint8'``; 0 to 255.
        channels_first: Whether the axis of channels is the first.
        max_pixels: Larger images are refused.
        reduce: Whether JPEG is decoded to 1/2, 1/4 or 1/8 of its size where that suffices.

    Example:
        >>> form = ImageForm("rgb", (1, 2))
        >>> form.decoded(b"P6 1 1 255 " + bytes([9, 8, 7]), "dot").tolist()
        [[[9.0, 8.0, 7.0], [9.0, 8.0, 7.0]]]
    """

    color_mode: ColorMode = "rgb"
    size: tuple[int, int] | None = None
    fit: Fit = "stretch"
    interpolation: Resampling = "bilinear"
    antialias: bool = False
    dtype: str = "float32"
    channels_first: bool = False
    max_pixels: int = MAX_PIXELS
    reduce: bool = False

    @classmethod
    def of(
        cls,
        color_mode: ColorMode,
        size: ImageSize | None,
        fit: Fit,
        interpolation: str,
        antialias: bool,
        dtype: str,
        data_format: str | None,
        max_pixels: int,
        reduce: bool,
    ) -> ImageForm:
        """Make a form of the arguments of users.

        Raises:
            ValueError: One of them is none of these.
        """
        if color_mode not in CHANNELS:
            raise ValueError(f"color_mode={color_mode!r}: write 'rgb', 'rgba' or 'grayscale'")
        if fit not in ("stretch", "crop", "pad"):
            raise ValueError(f"fit={fit!r}: write 'stretch', 'crop' or 'pad'")
        found = next((name for name in RESAMPLINGS if name == str(interpolation).lower()), None)
        if found is None:
            raise ValueError(
                f"interpolation={interpolation!r}: write one of {', '.join(map(repr, RESAMPLINGS))}"
            )
        if np.dtype(dtype).name not in ("float32", "uint8"):
            raise ValueError(f"dtype={dtype!r}: write 'float32' or 'uint8'")
        return cls(
            color_mode,
            None if size is None else size_of("image_size", size),
            fit,
            found,
            truth("antialias", antialias),
            np.dtype(dtype).name,
            as_data_format(data_format) == "channels_first",
            whole("max_pixels", max_pixels, 1),
            truth("reduce", reduce),
        )

    @property
    def spec(self) -> Spec | None:
        """The shape and dtype of an image; None where each has its own size."""
        return None if self.size is None else Spec(self.shape, np.dtype(self.dtype))

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image of the size that was asked for."""
        assert self.size is not None
        channels = (CHANNELS[self.color_mode],)
        return channels + self.size if self.channels_first else self.size + channels

    def decoded(self, data: bytes, where: str, out: Array | None = None) -> Array:
        """Decode the bytes of a file.

        Args:
            data: The bytes.
            where: What to call the image in messages.
            out: Memory for the image, contiguous; None to allocate it.

        Raises:
            DataError: It is no image, damaged, or too large.
        """
        at_least = self.size if self.reduce else None
        pixels = decode_image(data, where, self.color_mode, max_pixels=self.max_pixels, at_least=at_least)
        if self.size is None:
            made = pixels.astype(self.dtype, copy=False)
            return np.ascontiguousarray(made.transpose(2, 0, 1)) if self.channels_first else made
        if out is None:
            out = np.empty(self.shape, self.dtype)
        if not self.channels_first:
            self._fill(pixels, out)
            return out
        last = np.empty((*self.size, pixels.shape[2]), self.dtype)
        self._fill(pixels, last)
        out[...] = last.transpose(2, 0, 1)
        return out

    def _fill(self, pixels: Array, out: Array) -> None:
        height, width = out.shape[:2]
        box: tuple[int, int, int, int] | None = None
        if self.fit == "crop":
            box = crop_box(pixels.shape[0], pixels.shape[1], height, width)
        elif self.fit == "pad":
            top, left, tall, wide = padded_place(pixels.shape[0], pixels.shape[1], height, width)
            if (tall, wide) != (height, width):
                part = np.empty((tall, wide, out.shape[2]), out.dtype)
                self._resize(pixels, part, None)
                out[...] = 0
                out[top : top + tall, left : left + wide] = part
                return
        self._resize(pixels, out, box)

    def _resize(self, pixels: Array, out: Array, box: tuple[int, int, int, int] | None) -> None:
        if box is None and pixels.shape == out.shape:
            out[...] = pixels
            return
        resize_image(pixels, out, self.interpolation, self.antialias, box)


def padded_place(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int, int, int]:
    """Return where an image lies that was resized with its ratio to fit into a size.

    Sizes and borders are those of ``tf.image.resize_with_pad``: both are rounded down, the borders before the
    sizes are.

    Returns:
        Upper and left edge, height and width.

    Example:
        >>> padded_place(29, 20, 17, 23)
        (0, 5, 17, 11)
    """
    if width * target_height >= height * target_width:
        tall = max(1, height * target_width // width)
        return (target_height * width - height * target_width) // (2 * width), 0, tall, target_width
    wide = max(1, width * target_height // height)
    return 0, (target_width * height - width * target_height) // (2 * height), target_height, wide
