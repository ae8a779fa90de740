"""The kernel of displacements: cubic B-splines along a row of pixels."""

from __future__ import annotations

import math

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined


@inlined
def spline_weights(t: float) -> tuple[float, float, float, float]:
    """Return the weights of the four coefficients around a point of a uniform cubic B-spline.

    Args:
        t: The point between the second and the third, from 0 to 1.
    """
    s = 1 - t
    first, last = s * s * s / 6, t * t * t / 6
    second = 2 / 3 - t * t * (2 - t) / 2
    return first, second, 1 - first - second - last, last


@inlined
def displace_row(points: Array, count: int, row: int, size: Array, coefficients: Array, spans: Array) -> None:
    """Move the centres of the pixels of a row by the displacements there.

    Args:
        points: x and y of them in rows 2 and 3; rows 0 and 1 are memory. float64 (4, columns).
        count: How many.
        row: The number of the row.
        size: Height and width of the frame.
        coefficients: Of x and y, float64 (2, at least spans[0] + 3, at least spans[1] + 3).
        spans: Cells along heights and widths, int64 (2,).
    """
    across, down = spans[1], spans[0]
    t = (row + 0.5) / size[0] * down
    cell = min(math.floor(t), down - 1)
    a, b, c, d = spline_weights(t - cell)
    step = across / size[1]
    for axis in range(2):
        grid = coefficients[axis]
        known, before = -1, 0.0  # four sums of columns, for the cell that the last pixel was in
        p0, p1, p2, p3 = before, before, before, before
        for j in range(count):
            t = (j + 0.5) * step
            k = min(math.floor(t), across - 1)
            if k != known:
                known = k
                p0 = a * grid[cell, k] + b * grid[cell + 1, k]
                p0 += c * grid[cell + 2, k] + d * grid[cell + 3, k]
                p1 = a * grid[cell, k + 1] + b * grid[cell + 1, k + 1]
                p1 += c * grid[cell + 2, k + 1] + d * grid[cell + 3, k + 1]
                p2 = a * grid[cell, k + 2] + b * grid[cell + 1, k + 2]
                p2 += c * grid[cell + 2, k + 2] + d * grid[cell + 3, k + 2]
                p3 = a * grid[cell, k + 3] + b * grid[cell + 1, k + 3]
                p3 += c * grid[cell + 2, k + 3] + d * grid[cell + 3, k + 3]
            e, f, g, h = spline_weights(t - k)
            points[2 + axis, j] += e * p0 + f * p1 + g * p2 + h * p3
