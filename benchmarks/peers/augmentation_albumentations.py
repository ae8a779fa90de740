"""albumentations for the benchmark of augmentation, on one core."""

from __future__ import annotations

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812 - as its own documentation writes it
import cv2
import numpy as np
from augmentation_common import MEAN, PHOTO, SMALL, STD, serve

cv2.setNumThreads(0)
small = A.Compose(
    [
        A.HorizontalFlip(p=0.5),
        A.RandomCrop(32, 32, pad_if_needed=False),
        A.CoarseDropout(num_holes_range=(1, 1), hole_height_range=(8, 8), hole_width_range=(8, 8), p=1.0),
        A.Normalize(MEAN, STD),
    ]
)
photo = A.Compose(
    [
        A.RandomResizedCrop((224, 224), interpolation=cv2.INTER_LINEAR),
        A.HorizontalFlip(p=0.5),
        A.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0),
        A.Normalize(MEAN, STD),
    ]
)


def padded(image: np.ndarray) -> np.ndarray:
    """Pad by 4 on each side: OpenCV alone takes less time than `A.Pad`."""
    return cv2.copyMakeBorder(image, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=0)


serve(
    {
        SMALL: lambda batch: np.stack([small(image=padded(image))["image"] for image in batch]),
        PHOTO: lambda batch: np.stack([photo(image=image)["image"] for image in batch]),
    },
    ["albumentations", "opencv-python-headless"],
)
