"""Small pictures, and the bytes of their files."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def picture(height: int = 12, width: int = 17, channels: int = 3, seed: int = 0) -> np.ndarray:
    """Return a picture with smooth colours, uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = rng.uniform(1, 6, (3, channels))
    values = np.sin(y[..., None] * waves[0] + waves[2]) * np.cos(x[..., None] * waves[1])
    return np.round(127.5 + 127.5 * values).astype(np.uint8)


def encoded(pixels: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    """Return the bytes of a file with an image."""
    if not isinstance(pixels, Image.Image):
        pixels = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
    file = io.BytesIO()
    pixels.save(file, kind, **options)
    return file.getvalue()
