"""Transforms of images, compiled, for real-time augmentation: stages of a source.

``source(x, y).map(augment.chain(augment.flip(), augment.crop(28, padding=4))).batch(128)``
"""

from __future__ import annotations

from streamfit.augment import audio, series
from streamfit.augment.crops import CentralCrop as center_crop
from streamfit.augment.crops import Crop as crop
from streamfit.augment.crops import Pad as pad
from streamfit.augment.flips import Flip as flip
from streamfit.augment.resizes import RandomResizedCrop as random_resized_crop
from streamfit.augment.resizes import Resize as resize
from streamfit.augment.transform import Chain as chain
from streamfit.augment.transform import Transform

__all__ = [
    "Transform",
    "audio",
    "center_crop",
    "chain",
    "crop",
    "flip",
    "pad",
    "random_resized_crop",
    "resize",
    "series",
]
