"""Transforms of images, compiled, for real-time augmentation: stages of a source.

``source(x, y).map(augment.chain(augment.flip(), augment.crop(28, padding=4))).batch(128)``
"""

from __future__ import annotations

from streamfit.augment import series
from streamfit.augment.flips import Flip as flip
from streamfit.augment.transform import Chain as chain
from streamfit.augment.transform import Transform

__all__ = [
    "Transform",
    "chain",
    "flip",
    "series",
]
