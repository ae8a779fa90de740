"""Warps of the layers for images: matrices between pixels, as Keras has them, done by the compiled warp.

Here points are those of Keras: (0, 0) is the centre of the first pixel.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.image_steps import FillMode, Interpolation, WarpStep
from streamfit.augment.images import Images
from streamfit.augment.labels import Labels
from streamfit.augment.run import run


def warped(
    images: Array, matrices: Array, interpolation: str, fill_mode: str = "constant", fill_value: float = 0.0
) -> Array:
    """Return images of which each pixel is taken from a point.

    Args:
        images: float32 (n, height, width, channels).
        matrices: From pixels of the result to points of the image: (n, 8), the numbers of a 3 x 3 matrix
            without the last, which is 1.
        interpolation: ``'bilinear'`` or ``'nearest'``.
        fill_mode: What is outside the image.
        fill_value: The value there for ``'constant'``.
    """
    n, height, width, _ = images.shape
    whole = np.ones((n, 9))
    whole[:, :8] = matrices
    shifted = _CENTRE @ whole.reshape(n, 3, 3) @ np.linalg.inv(_CENTRE)
    sizes = np.empty((n, 2), np.int64)
    sizes[:] = height, width
    step = WarpStep(
        shifted, sizes, cast(FillMode, fill_mode), float(fill_value), cast(Interpolation, interpolation)
    )
    made, _ = run([step], Images.of(images, (0.0, 1.0)), Labels({}, None))
    return np.asarray(made.value())


_CENTRE = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])


def affine(n: int, **entries: Array | float) -> Array:
    """Return matrices (n, 8) that are the identity but for some entries.

    Args:
        n: How many.
        **entries: Numbers, or one for each, under ``a0 a1 a2 b0 b1 b2``: x becomes a0 x + a1 y + a2.

    Example:
        >>> affine(1, a2=3.0).tolist()
        [[1.0, 0.0, 3.0, 0.0, 1.0, 0.0, 0.0, 0.0]]
    """
    made = np.zeros((n, 8))
    made[:, [0, 4]] = 1
    for name, values in entries.items():
        made[:, 3 * "ab".index(name[0]) + int(name[1])] = values
    return made


def rotation(degrees: Array, height: int, width: int) -> Array:
    """Return matrices (n, 8) of turns about the centre, counter-clockwise where the angle is positive."""
    angle = np.radians(np.asarray(degrees, np.float64))
    cos, sin, x, y = np.cos(angle), np.sin(angle), (width - 1) / 2, (height - 1) / 2
    return affine(
        len(angle), a0=cos, a1=-sin, a2=x - x * cos + y * sin, b0=sin, b1=cos, b2=y - x * sin - y * cos
    )


def homography(start_points: Array, end_points: Array) -> Array:
    """Return the matrices (n, 8) that lead from four points to four others.

    Source: the eight linear equations of a projective mapping; Heckbert, "Fundamentals of texture mapping and
    image warping", 1989.

    Args:
        start_points: Where they lead to, (n, 4, 2).
        end_points: Where they lead from.
    """
    to, of = np.asarray(start_points, np.float64), np.asarray(end_points, np.float64)
    n = len(to)
    rows = np.zeros((n, 2, 4, 8))
    for axis in (0, 1):
        rows[:, axis, :, 3 * axis : 3 * axis + 2] = of
        rows[:, axis, :, 3 * axis + 2] = 1
        rows[:, axis, :, 6:] = -of * to[:, :, axis : axis + 1]
    found: Array = np.linalg.solve(rows.reshape(n, 8, 8), np.swapaxes(to, 1, 2).reshape(n, 8, 1))[..., 0]
    return found


def corners_moved(boxes: Array, matrices: Array) -> Array:
    """Return the boxes around moved boxes; empty ones at 0 where a matrix has no inverse.

    Args:
        boxes: (n, k, 4): left, upper, right, lower.
        matrices: As in `warped`, so points of the image move by their inverse.
    """
    numbers = np.ones((len(matrices), 9))
    numbers[:, :8] = matrices
    whole = numbers.reshape(-1, 3, 3)
    flat = np.abs(np.linalg.det(whole)) < 1e-9
    back = np.linalg.inv(np.where(flat[:, None, None], np.eye(3), whole))
    points = boxes[..., [0, 1, 2, 1, 2, 3, 0, 3]].reshape(*boxes.shape[:2], 4, 2)
    points = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)
    moved = np.einsum("bij,bkcj->bkci", back, points)
    moved = moved[..., :2] / moved[..., 2:]
    moved[flat] = 0
    return np.concatenate([moved.min(axis=2), moved.max(axis=2)], axis=-1).astype(np.float32)
