"""torchvision's transforms v2 for the benchmark of augmentation, on one core."""

from __future__ import annotations

import numpy as np
import torch
from augmentation_common import MEAN, PHOTO, SMALL, STD, serve
from torchvision_import import v2

torch.set_num_threads(1)
small = v2.Compose(
    [
        v2.RandomHorizontalFlip(0.5),
        v2.RandomCrop(32, padding=4),
        v2.ToDtype(torch.float32, scale=True),
        v2.RandomErasing(p=1.0, scale=(64 / 1024, 64 / 1024), ratio=(1.0, 1.0)),
        v2.Normalize(MEAN, STD, inplace=True),
    ]
)
photo = v2.Compose(
    [
        v2.RandomResizedCrop(224, antialias=False),
        v2.RandomHorizontalFlip(0.5),
        v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(MEAN, STD, inplace=True),
    ]
)


def each(transform: v2.Compose, batch: np.ndarray) -> torch.Tensor:
    """Transform image by image: a batch at once would draw once for all of them."""
    return torch.stack([transform(torch.from_numpy(image).permute(2, 0, 1)) for image in batch])


serve(
    {SMALL: lambda batch: each(small, batch), PHOTO: lambda batch: each(photo, batch)},
    ["torch", "torchvision"],
)
