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


def jpeg_pixels(data: bytes, colours: str, height: int, width: int) -> Array | None:
    """Decode a JPEG without faults.

    Args:
        data: The bytes of its file.
        colours: ``'RGB'``, or ``'GRAY'`` of a gray image.
        height: Its height, as another reader of the header found it.
        width: Its width.

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
        pixels: Array = package.decode_jpeg(data, colours)
    except ValueError:
        return None
    return pixels
