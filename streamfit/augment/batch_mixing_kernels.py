"""The kernels of `mixup` and `cutmix`."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel


@kernel
def blend_rows(rows: Array, partners: Array, weights: Array, made: Array) -> None:
    """Write ``weight * row + other * partner + rounding`` for each row, computed in the dtype of the weights.

    Args:
        rows: uint8 or float, (n, k).
        partners: The partner of each row, int64 (n,).
        weights: Weight, the other weight, and what is added before uint8 is cut off, float (n, 3). A row
            whose weight is 1 is copied, whatever its partner holds.
        made: As `rows`, other memory.
    """
    for i in range(rows.shape[0]):
        weight, other, rounding = weights[i, 0], weights[i, 1], weights[i, 2]
        j = partners[i]
        if weight == 1.0 or i == j:
            for k in range(rows.shape[1]):
                made[i, k] = rows[i, k]
        else:
            for k in range(rows.shape[1]):
                made[i, k] = weight * rows[i, k] + other * rows[j, k] + rounding


@kernel
def paste_boxes(images: Array, partners: Array, boxes: Array, channels: int, made: Array) -> None:
    """Copy images, with a box of each from its partner.

    Args:
        images: (n, height, width * channels).
        partners: The partner of each image, int64 (n,).
        boxes: The first and last row and column of each box, the last ones exclusive: top, bottom, left,
            right; int64 (n, 4).
        channels: Numbers in a pixel.
        made: As `images`, other memory.
    """
    for i in range(images.shape[0]):
        j = partners[i]
        top, bottom, left, right = boxes[i, 0], boxes[i, 1], boxes[i, 2] * channels, boxes[i, 3] * channels
        for row in range(images.shape[1]):
            for k in range(images.shape[2]):
                made[i, row, k] = images[i, row, k]
            if top <= row < bottom:
                for k in range(left, right):
                    made[i, row, k] = images[j, row, k]
