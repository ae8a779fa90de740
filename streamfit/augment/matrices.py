"""Matrices of geometric transforms, for many images at once: float64 (n, 3, 3).

Each leads from points of the result to points of the image, (x, y, 1), as `WarpStep` wants them; what the
functions are named after is what the image does. ``rotations`` and its like turn about the left upper corner,
and `about_centre` moves that to the centre of images. To do `one` and then `other`: ``one @ other``.

Points: (0, 0) is the left upper corner of an image, x grows to the right and y downward.

Example:
    >>> turned = about_centre(rotations([90.0]), np.array([[2, 4]]))
    >>> (turned @ [2.0, 0.0, 1.0]).round(6).tolist()  # the upper edge shows what was at the right
    [[3.0, 1.0, 1.0]]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.specs import Array


def identities(count: int) -> Array:
    """Return the matrices that move nothing."""
    made = np.zeros((count, 9))
    made[:, ::4] = 1
    return made.reshape(count, 3, 3)


def translations(x: ArrayLike, y: ArrayLike) -> Array:
    """Return the matrices that move images.

    Args:
        x: How far to the right, in pixels, (n,).
        y: How far downward, in pixels, (n,).
    """
    right, down = _vectors(x, y)
    made = identities(len(right))
    made[:, 0, 2], made[:, 1, 2] = -right, -down
    return made


def rotations(degrees: ArrayLike) -> Array:
    """Return the matrices that turn images counter-clockwise.

    Args:
        degrees: How far, (n,).
    """
    angles = np.deg2rad(np.asarray(degrees, np.float64))
    made = identities(len(angles))
    cosine, sine = np.cos(angles), np.sin(angles)
    made[:, 0, 0], made[:, 0, 1] = cosine, -sine
    made[:, 1, 0], made[:, 1, 1] = sine, cosine
    return made


def scales(height: ArrayLike, width: ArrayLike) -> Array:
    """Return the matrices that enlarge images.

    Args:
        height: The factor of heights, (n,); 2 makes everything twice as high.
        width: The factor of widths, (n,).
    """
    down, right = _vectors(height, width)
    made = identities(len(down))
    made[:, 0, 0], made[:, 1, 1] = 1 / right, 1 / down
    return made


def shears(x: ArrayLike, y: ArrayLike) -> Array:
    """Return the matrices that shear images, first along rows and then along columns.

    Args:
        x: How far to the right a point moves for each pixel that it is lower, (n,): the tangent of the angle.
        y: How far down a point moves for each pixel that it is further to the right, (n,).
    """
    along_rows, along_columns = _vectors(x, y)
    made = identities(len(along_rows))
    made[:, 0, 0] += along_rows * along_columns
    made[:, 0, 1], made[:, 1, 0] = -along_rows, -along_columns
    return made


def mirrors(horizontal: ArrayLike, vertical: ArrayLike) -> Array:
    """Return the matrices that mirror images about the left or upper edge; `about_centre` brings them back.

    Args:
        horizontal: Which ones change left and right, bool (n,).
        vertical: Which ones change above and below, bool (n,).
    """
    sideways, upright = np.broadcast_arrays(np.asarray(horizontal, bool), np.asarray(vertical, bool))
    made = identities(len(sideways))
    made[sideways, 0, 0] = -1
    made[upright, 1, 1] = -1
    return made


def about_centre(matrices: Array, sizes: Array, result_sizes: Array | None = None) -> Array:
    """Return the matrices that do the same about the centres of images.

    Args:
        matrices: What to do about the left upper corner, float64 (n, 3, 3).
        sizes: Height and width of each image, (n, 2).
        result_sizes: Those of the results, whose centre shows the centre of the image; None for `sizes`.
    """
    before = np.asarray(sizes, np.float64)[:, ::-1] / 2
    after = before if result_sizes is None else np.asarray(result_sizes, np.float64)[:, ::-1] / 2
    made = np.array(matrices, np.float64)
    made[:, :, 2] -= (made[:, :, :2] @ after[:, :, None])[:, :, 0]
    made[:, :2] += before[:, :, None] * made[:, 2:]
    return made


def quadrilaterals(corners: Array, onto: Array) -> Array:
    """Return the matrices that lead from four points each to four others.

    Args:
        corners: The points (x, y) of the result, float64 (n, 4, 2), no three in a line.
        onto: Those of the image, (n, 4, 2).
    """
    count = len(corners)
    x, y, u, v = corners[..., 0], corners[..., 1], onto[..., 0], onto[..., 1]
    # u (g x + h y + 1) = a x + b y + c and the same for v: eight equations for eight numbers.
    equations = np.zeros((count, 8, 8))
    for place, found in ((0, u), (3, v)):
        rows = slice(4 * (place // 3), 4 * (place // 3) + 4)
        equations[:, rows, place], equations[:, rows, place + 1] = x, y
        equations[:, rows, place + 2] = 1
        equations[:, rows, 6], equations[:, rows, 7] = -x * found, -y * found
    solved = np.linalg.solve(equations, np.concatenate([u, v], axis=1)[..., None])[..., 0]
    return np.concatenate([solved, np.ones((count, 1))], axis=1).reshape(count, 3, 3)


def _vectors(one: ArrayLike, other: ArrayLike) -> tuple[Array, Array]:
    first, second = np.broadcast_arrays(np.asarray(one, np.float64), np.asarray(other, np.float64))
    return np.atleast_1d(first), np.atleast_1d(second)
