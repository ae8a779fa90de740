"""Images in files as arrays: opened with suspicion, decoded, and brought to one form of pixels.

Pillow reads the header of every image. JPEG is decoded by simplejpeg where that is installed, in about 0.8 of
the time, and anything else by Pillow. Both call libjpeg-turbo in the same way, so the bits are the same as
long as both packages were built with the same release of it.

Guarantees kept here: an image of more pixels than allowed is refused before memory is asked for; values are
never cut off at white: what has no known white is refused; whatever the bytes of a file are, the error is a
`DataError`.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np

from streamfit._base.errors import DataError, StreamfitError
from streamfit._base.pillow_package import pillow
from streamfit._base.specs import Array
from streamfit.preprocessing.image.jpeg_package import jpeg_pixels

if TYPE_CHECKING:
    from streamfit._base.pillow_package import PillowImage

ColorMode = Literal["rgb", "rgba", "grayscale"]
CHANNELS: dict[str, int] = {"grayscale": 1, "rgb": 3, "rgba": 4}
ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp", ".tif", ".tiff")
"""How the names of images end in folders: Keras' five, and those of WebP and TIFF."""
MAX_PIXELS = 89_478_485
"""Pixels of the largest image that is decoded unless another limit is given: a quarter of a GiB in RGB, which
is where Pillow begins to warn."""

_FORMATS = (  # the modules of Pillow and the formats that they read, each known by its first bytes
    ("JpegImagePlugin", "JPEG"),
    ("PngImagePlugin", "PNG"),
    ("BmpImagePlugin", "BMP"),
    ("GifImagePlugin", "GIF"),
    ("WebPImagePlugin", "WEBP"),
    ("TiffImagePlugin", "TIFF"),
    ("PpmImagePlugin", "PPM"),
)
_PILLOW_MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
_DIRECT = {("RGB", "rgb"): "RGB", ("L", "grayscale"): "GRAY"}
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4: tag of the orientation
_BITS = 258  # TIFF 6.0: BitsPerSample
_BYTES_A_PIXEL = 16  # no format that is read takes more, but for its texts and thumbnails
_SPARE_BYTES = 1 << 26


def read_image_file(path: str, max_pixels: int = MAX_PIXELS) -> bytes:
    """Return the bytes of a file.

    Raises:
        DataError: There is no such file, or it is too large for an image of so many pixels.
        OSError: The disk cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            found = os.fstat(file.fileno()).st_size
            check_bytes(found, repr(path), max_pixels)
            return file.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise DataError(f"{path!r} cannot be opened: {error.strerror}; check the path") from None


def check_bytes(count: int, where: str, max_pixels: int) -> None:
    """Refuse more bytes than an image of so many pixels has.

    Raises:
        DataError: These are more.
    """
    if count > max_pixels * _BYTES_A_PIXEL + _SPARE_BYTES:
        raise DataError(
            f"{where} has {count:,} bytes, more than an image of at most {max_pixels:,} pixels has; if it is "
            "one, write a larger max_pixels"
        )


def decode_image(
    data: bytes,
    where: str,
    color_mode: ColorMode = "rgb",
    *,
    max_pixels: int = MAX_PIXELS,
    upright: bool = True,
    keep_depth: bool = False,
    at_least: tuple[int, int] | None = None,
) -> Array:
    """Decode an image.

    Args:
        data: The bytes of its file: JPEG, PNG, GIF, BMP, WebP, TIFF or PPM, whatever its name ends in. Of
            several frames or pages the first is taken.
        where: What to call the image in messages.
        color_mode: ``'rgb'``, ``'rgba'`` or ``'grayscale'``. Alpha is left out where it is not asked for:
            the colours under it are taken as they are. Of 16 bits the upper 8 are kept. Colours become gray
            by ITU-R BT.601. Profiles of colour are not applied.
        max_pixels: Larger images are refused, by their headers.
        upright: Whether to turn and flip the image as its EXIF orientation says.
        keep_depth: Whether a gray image of more than 8 bits stays as it is with ``'grayscale'``.
        at_least: Height and width that suffice: JPEG is then decoded to 1/2, 1/4 or 1/8 of its size where
            that is not below.

    Returns:
        uint8 (height, width, channels); with `keep_depth` uint16 or int32 where the file has those.

    Raises:
        DataError: It is no image, damaged, cut off, too large, or has a kind of pixels without a known white.

    Example:
        >>> dot = b"P6 1 1 255 " + bytes([9, 8, 7])
        >>> decode_image(dot, "dot").tolist()
        [[[9, 8, 7]]]
    """
    image = _open(data, where, max_pixels)
    orientation = 1
    pixels: Array | None = None
    if image.format in ("JPEG", "MPO"):
        orientation = _orientation(image) if upright else 1
        shrink = 1 if at_least is None else _shrink(image.size, at_least, orientation)
        if (image.mode, color_mode) in _DIRECT:
            colours = _DIRECT[image.mode, color_mode]
            pixels = jpeg_pixels(data, colours, image.height, image.width, shrink)
        if shrink > 1:
            image.draft(None, (image.width // shrink, image.height // shrink))
    if pixels is None:
        with _as_data_errors(where):
            image.load()
        pixels = _pixels(image, where, color_mode, keep_depth)
        orientation = _orientation(image) if upright else 1
    return turned(pixels, orientation)


def _shrink(size: tuple[int, int], at_least: tuple[int, int], orientation: int) -> int:
    """Return by how much an image may shrink so that a height and a width are left."""
    width, height = size if orientation < 5 else size[::-1]
    return max(by for by in (1, 2, 4, 8) if by == 1 or min(height // at_least[0], width // at_least[1]) >= by)


def turned(pixels: Array, orientation: int) -> Array:
    """Return an image as its EXIF orientation says that it is to be shown; (height, width, channels).

    Example:
        >>> turned(np.arange(4).reshape(2, 2, 1), 6)[:, :, 0].tolist()
        [[2, 0], [3, 1]]
    """
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)


def _open(data: bytes, where: str, max_pixels: int) -> PillowImage:
    """Return an image of which the header was read.

    `PIL.Image.open` has limits that are the same for the whole program, so its readers are called one by
    one.
    """
    if not data:
        raise DataError(f"{where} is empty (0 bytes); write it again, or leave it out")
    registry = pillow("Image").OPEN
    for module, name in _FORMATS:
        if name not in registry:
            pillow(module)
        factory, accepts = registry[name]
        if accepts(data[:16].ljust(16, b"\0")) is not True:
            continue
        with _as_data_errors(where):
            image: PillowImage = factory(io.BytesIO(data), "")
        _check_size(image, where, max_pixels)
        return image
    raise DataError(
        f"{where} is no image that can be read: it begins with {data[:8]!r}; JPEG, PNG, GIF, BMP, WebP, TIFF "
        "and PPM can be, so convert it or leave it out"
    )


def _check_size(image: PillowImage, where: str, max_pixels: int) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise DataError(f"{where} is an image without pixels: height {height}, width {width}; leave it out")
    if width * height > max_pixels:
        raise DataError(
            f"{where} has {height:,} x {width:,} pixels, more than {max_pixels:,}, so it is not decoded; if "
            f"it is no forgery, write max_pixels={width * height} or make it smaller"
        )


@contextlib.contextmanager
def _as_data_errors(where: str) -> Iterator[None]:
    """Raise a `DataError` in place of whatever bytes of a file make of the library that reads them."""
    try:
        yield
    except (StreamfitError, MemoryError):
        raise
    except Exception as error:
        raise DataError(
            f"{where} is damaged or cut off: {type(error).__name__}: {error}; write it again, or leave it out"
        ) from None


def _orientation(image: PillowImage) -> int:
    with contextlib.suppress(Exception):  # notes that cannot be read do not make the pixels bad
        found = image.getexif().get(_ORIENTATION)
        return found if isinstance(found, int) else 1
    return 1


def _pixels(image: PillowImage, where: str, color_mode: ColorMode, keep_depth: bool) -> Array:
    """Return the pixels of a decoded image in the form that was asked for."""
    if image.mode[0] in "IF":
        if keep_depth and color_mode == "grayscale" and image.mode[0] == "I":
            values = np.asarray(image)
            return values.astype(values.dtype.newbyteorder("="))[:, :, None]
        image = pillow().fromarray(_upper_bits(image, where))
    wanted = _PILLOW_MODES[color_mode]
    if image.mode != wanted:
        if color_mode != "rgba":
            image.info.pop("transparency", None)
        with _as_data_errors(where):
            image = image.convert(wanted)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _upper_bits(image: PillowImage, where: str) -> Array:
    """Return the upper 8 bits of a gray image of up to 16 bits."""
    bits = 16
    if image.format == "TIFF":
        bits = int(image.tag_v2.get(_BITS, (8,))[0])  # type: ignore[attr-defined]
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise DataError(
            f"{where} holds {'floats' if image.mode == 'F' else 'whole numbers of 32 bits'}, of which nobody "
            "knows what is white; save it with 8 or 16 bits, or read it with a function of your own: "
            "source(list(zip(paths, labels)), kind='samples').map(read)"
        )
    return (np.asarray(image) >> (bits - 8)).astype(np.uint8)
