"""simplejpeg, an optional package that decodes JPEG in less time than Pillow, to the same bits."""

from __future__ import annotations

import functools
from types import ModuleType

from streamfit._base.errors import MissingExtraError
from streamfit._base.optional import require
from streamfit._base.specs import Array


@functools.cache
def _package() -> ModuleType | None:
    try:
        return require("simplejpeg", "image")
    except MissingExtraError:
        return None


def jpeg_pixels(data: bytes, colours: str, height: int, width: int, shrink: int = 1) -> Array | None:
    """Decode a JPEG without faults.

    Args:
        data: The bytes of its file.
        colours: ``'RGB'``, or ``'GRAY'`` of a gray image.
        height: Its height, as another reader of the header found it.
        width: Its width.
        shrink: 1, 2, 4 or 8: decode to so much less height and width.

    Returns:
        uint8 (height, width, channels); None where the package is not installed, the sizes differ, or it
        finds any fault, which Pillow then judges.
    """
    package = _package()
    if package is None:
        return None
    try:
        if tuple(package.decode_jpeg_header(data)[:2]) != (height, width):
            return None
        least = {"min_height": height // shrink, "min_width": width // shrink} if shrink > 1 else {}
        pixels: Array = package.decode_jpeg(data, colours, **least, min_factor=shrink)
    except ValueError:
        return None
    return pixels if pixels.shape[:2] == (-(-height // shrink), -(-width // shrink)) else None
