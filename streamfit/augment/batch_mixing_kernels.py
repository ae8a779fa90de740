"""The kernels of `mixup` and `cutmix`."""

from __future__ import annotations

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel


@kernel
def blend_rows(rows: Array, partners: Array, weights: Array, made: Array) -> None:
    """Write ``weight * row + (1 - weight) * partner`` for each row; uint8 is rounded, halves up.

    Args:
        rows: uint8 or float, (n, k).
        partners: The partner of each row, int64 (n,).
        weights: float64 (n,). A row whose weight is 1 is copied, whatever its partner holds.
        made: As `rows`, other memory.
    """
    rounding = 0.5 if made.itemsize == 1 else 0.0
    for i in range(rows.shape[0]):
        weight = weights[i]
        j = partners[i]
        if weight == 1.0 or i == j:
            for k in range(rows.shape[1]):
                made[i, k] = rows[i, k]
        else:
            for k in range(rows.shape[1]):
                made[i, k] = weight * rows[i, k] + (1.0 - weight) * rows[j, k] + rounding


@kernel
def paste_boxes(images: Array, partners: Array, boxes: Array, made: Array) -> None:
    """Copy images, with a box of each from its partner.

    Args:
        images: (n, height, width, channels).
        partners: The partner of each image, int64 (n,).
        boxes: The first and last row and column of each box, the last ones exclusive: top, bottom, left,
            right; int64 (n, 4).
        made: As `images`, other memory.
    """
    for i in range(images.shape[0]):
        j = partners[i]
        top, bottom, left, right = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        for row in range(images.shape[1]):
            for column in range(images.shape[2]):
                pasted = top <= row < bottom and left <= column < right
                source = j if pasted else i
                for c in range(images.shape[3]):
                    made[i, row, column, c] = images[source, row, column, c]
