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
    v = spline_weights(t - cell)
    step = across / size[1]
    known = -1  # the cell that the last pixel was in, and the sums of columns of coefficients there
    x0 = x1 = x2 = x3 = y0 = y1 = y2 = y3 = 0.0
    for j in range(count):
        t = (j + 0.5) * step
        k = min(math.floor(t), across - 1)
        if k != known:
            known = k
            x0, x1 = _column(coefficients[0], cell, k, v), _column(coefficients[0], cell, k + 1, v)
            x2, x3 = _column(coefficients[0], cell, k + 2, v), _column(coefficients[0], cell, k + 3, v)
            y0, y1 = _column(coefficients[1], cell, k, v), _column(coefficients[1], cell, k + 1, v)
            y2, y3 = _column(coefficients[1], cell, k + 2, v), _column(coefficients[1], cell, k + 3, v)
        a, b, c, d = spline_weights(t - k)
        points[2, j] += a * x0 + b * x1 + c * x2 + d * x3
        points[3, j] += a * y0 + b * y1 + c * y2 + d * y3


@inlined
def _column(grid: Array, row: int, column: int, v: tuple[float, float, float, float]) -> float:
    """Return the sum of four coefficients below each other, by the weights of rows."""
    upper = v[0] * grid[row, column] + v[1] * grid[row + 1, column]
    return float(upper + v[2] * grid[row + 2, column] + v[3] * grid[row + 3, column])
