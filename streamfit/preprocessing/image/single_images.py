"""`load_img` and its like: Keras' functions for single images."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from streamfit._base.checks import truth, whole
from streamfit._base.config import as_data_format, floatx
from streamfit._base.errors import DataError
from streamfit._base.pillow_package import pillow
from streamfit._base.specs import Array
from streamfit.preprocessing.image.decoding import (
    CHANNELS,
    MAX_PIXELS,
    ColorMode,
    decode_image,
    read_image_file,
)

if TYPE_CHECKING:
    from streamfit._base.pillow_package import PillowImage

PillowFilter = Literal["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]
_FILTERS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")


def load_img(
    path: str | bytes | os.PathLike[str] | io.BytesIO,
    color_mode: ColorMode | bool = "rgb",
    target_size: tuple[int, int] | int | None = None,
    interpolation: PillowFilter = "nearest",
    keep_aspect_ratio: bool = False,
    *,
    grayscale: bool = False,
    upright: bool = True,
    max_pixels: int = MAX_PIXELS,
) -> PillowImage:
    """Load an image. Needs the extra ``image``.

    Args:
        path: A path, or an ``io.BytesIO`` with the bytes of a file: JPEG, PNG, GIF, BMP, WebP, TIFF or PPM.
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``, which keeps 16 and 32 bits where a file has
            them. Alpha is left out where it is not asked for.
        target_size: Height and width to resize to; None for the size of the image.
        interpolation: The filter of Pillow to resize by: ``'nearest'``, ``'bilinear'``, ``'bicubic'``,
            ``'lanczos'``, ``'box'`` or ``'hamming'``.
        keep_aspect_ratio: Whether to cut the image to the ratio of `target_size`, at its middle, before it is
            resized.
        grayscale: The same as ``color_mode='grayscale'``, as scripts of Keras 2 have it, also in the second
            place.
        upright: Whether to turn the image as its EXIF orientation says, as all sources of images do. Keras
            does not: write False for its bits of pictures that a phone has noted as turned.
        max_pixels: Larger images are refused before they are decoded.

    Returns:
        An image of Pillow; `img_to_array` makes an array of it.

    Raises:
        DataError: There is no such file, or it is no image, damaged, cut off or too large.
        ValueError: An argument is none of these.

    Example:
        >>> import io
        >>> dot = io.BytesIO(b"P6 1 1 255 " + bytes([9, 8, 7]))
        >>> img_to_array(load_img(dot, target_size=(1, 2))).tolist()
        [[[9.0, 8.0, 7.0], [9.0, 8.0, 7.0]]]
    """
    if isinstance(color_mode, bool):  # the second argument of Keras 2 was `grayscale`
        grayscale, color_mode = color_mode or grayscale, "rgb"
    mode: ColorMode = "grayscale" if truth("grayscale", grayscale) else color_mode
    if mode not in CHANNELS:
        raise ValueError(f"color_mode={mode!r}: write 'rgb', 'rgba' or 'grayscale'")
    if interpolation not in _FILTERS:
        raise ValueError(f"interpolation={interpolation!r}: write one of {', '.join(map(repr, _FILTERS))}")
    size = None if target_size is None else size_of("target_size", target_size)
    if isinstance(path, io.BytesIO):
        data, where = path.getvalue(), "the image"
    elif isinstance(path, (str, bytes, os.PathLike)):
        name = os.fsdecode(path)
        data, where = read_image_file(name, max_pixels), repr(name)
    else:
        raise TypeError(f"load_img() needs a path or an io.BytesIO, got {path!r}")
    pixels = decode_image(data, where, mode, max_pixels=max_pixels, upright=upright, keep_depth=True)
    image = _as_image(pixels)
    if size is None or size == pixels.shape[:2]:
        return image
    box = crop_box(pixels.shape[0], pixels.shape[1], *size) if keep_aspect_ratio else None
    return image.resize(size[::-1], pillow().Resampling[interpolation.upper()], box=box)


def size_of(name: str, size: Sequence[int] | int) -> tuple[int, int]:
    """Return an argument that is a height and a width; a number is both.

    Raises:
        ValueError: It is none.
    """
    if isinstance(size, (tuple, list, np.ndarray)):
        if len(size) != 2:
            raise ValueError(f"{name}={size!r}: write (height, width)")
        return whole(name, size[0], 1), whole(name, size[1], 1)
    return (whole(name, size, 1),) * 2


def crop_box(height: int, width: int, target_height: int, target_width: int) -> tuple[int, int, int, int]:
    """Return left, upper, right and lower edge of the largest part, at the middle, that has a ratio.

    Example:
        >>> crop_box(340, 500, 200, 200)
        (80, 0, 420, 340)
    """
    tall = max(1, min(height, width * target_height // target_width))
    wide = max(1, min(width, height * target_width // target_height))
    top, left = (height - tall) // 2, (width - wide) // 2
    return left, top, left + wide, top + tall


def img_to_array(img: object, data_format: str | None = None, dtype: str | None = None) -> Array:
    """Return an image as an array.

    Args:
        img: An image of Pillow, or an array (height, width[, channels]).
        data_format: ``'channels_last'`` or ``'channels_first'``; None for `image_data_format`.
        dtype: Of the result; None for `floatx`. Values are not scaled.

    Returns:
        (height, width, channels), or (channels, height, width).

    Raises:
        ValueError: It is no image.

    Example:
        >>> img_to_array(np.zeros((2, 3), "uint8")).shape
        (2, 3, 1)
    """
    first = as_data_format(data_format) == "channels_first"
    x = np.asarray(img, dtype=floatx() if dtype is None else dtype)
    if x.ndim == 2:
        x = x[:, :, None]
    if x.ndim != 3:
        raise DataError(f"an image must have shape (height, width[, channels]), got {x.shape}")
    return x.transpose(2, 0, 1) if first else x


def array_to_img(
    x: object, data_format: str | None = None, scale: bool = True, dtype: str | None = None
) -> PillowImage:
    """Return an array as an image of Pillow. Needs the extra ``image``.

    Args:
        x: (height, width, channels) or (channels, height, width), with 1, 3 or 4 channels.
        data_format: Which of them; None for `image_data_format`.
        scale: Whether to scale the values so that the lowest is 0 and the highest 255.
        dtype: To compute in; None for `floatx`.

    Returns:
        An image of mode L, RGB or RGBA, in which fractions are cut off, as in Keras; of mode I for one
        channel with values above 255.

    Raises:
        DataError: The shape is none of these, or a value is not finite or does not fit.

    Example:
        >>> image = array_to_img(np.array([[[0.0], [0.5], [1.0]]]))
        >>> image.mode, img_to_array(image).tolist()
        ('L', [[[0.0], [127.0], [255.0]]])
    """
    first = as_data_format(data_format) == "channels_first"
    pixels = np.asarray(x, dtype=floatx() if dtype is None else dtype)
    if pixels.ndim != 3:
        raise DataError(f"an image must have shape (height, width, channels), got {pixels.shape}")
    if first:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.shape[2] not in (1, 3, 4) or not pixels.size:
        raise DataError(f"an image must have pixels of 1, 3 or 4 channels, got {pixels.shape[2]} channels")
    if not np.isfinite(pixels).all():
        raise DataError("the array holds values that are not finite, which no image can show")
    if scale:
        pixels = pixels - pixels.min()
        most = pixels.max()
        pixels = pixels / most * 255 if most else pixels
    low, high = pixels.min(), pixels.max()
    if pixels.shape[2] == 1 and high > 255:
        return _as_image(pixels.astype(np.int32))
    if low < 0 or high >= 256:
        raise DataError(
            f"the array holds values from {low} to {high}, and an image those from 0 to 255; write "
            "scale=True, or np.clip(x, 0, 255)"
        )
    return _as_image(pixels.astype(np.uint8))


def save_img(
    path: str | os.PathLike[str] | BinaryIO,
    x: object,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **options: object,
) -> None:
    """Save an array as an image. Needs the extra ``image``.

    Args:
        path: Where to, or an open file.
        x: As for `array_to_img`.
        data_format: As for `array_to_img`.
        file_format: Such as ``'png'``; None for what the path ends in.
        scale: As for `array_to_img`.
        **options: Of Pillow for this format, such as ``quality=95``.

    Raises:
        DataError: As for `array_to_img`.
        ValueError: The format is not known.

    JPEG has no alpha: it is left out, with a warning.
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = os.path.splitext(os.fspath(path))[1][1:]
    kind = {"jpg": "jpeg", "tif": "tiff"}.get((file_format or "").lower(), file_format)
    if not kind:
        raise ValueError(f"save_img({path!r}): write file_format='png', say, or a path that ends in .png")
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and kind.lower() == "jpeg":
        warnings.warn("JPEG has no alpha; the image is saved without it", stacklevel=2)
        image = image.convert("RGB")
    try:
        image.save(path, format=kind, **options)
    except KeyError:
        raise ValueError(f"file_format={kind!r} is no format that Pillow writes, such as 'png'") from None


def _as_image(pixels: Array) -> PillowImage:
    image: PillowImage = pillow().fromarray(
        np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    )
    return image
