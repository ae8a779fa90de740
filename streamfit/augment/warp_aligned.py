"""Kernels of bilinear warps along the axes: zooms, resized crops, shifts.

Columns and their weights are the same in all rows, and a row of the image that was interpolated along its
columns serves all rows of the result that need it.
"""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.warp_points import FARTHEST, along, between, folded_index, put, share
from streamfit.kernels.decorator import inlined


@inlined
def keeps_axes(m: Array, made_size: Array) -> bool:
    """Return whether columns of the result lie in columns of the image, all at places that are no trouble."""
    if m[6] != 0 or m[7] != 0 or m[8] != 1 or m[1] != 0 or m[3] != 0:
        return False
    across, down = abs(m[0]) * made_size[1] + abs(m[2]), abs(m[4]) * made_size[0] + abs(m[5])
    return bool(across < FARTHEST and down < FARTHEST)


@inlined
def plan_columns(
    m: Array, width: int, mode: int, count: int, channels: int, cells: Array, weights: Array
) -> tuple[int, int]:
    """Write the pixels and the weight of each column; return which columns are surely inside the image.

    Args:
        m: The matrix.
        width: Of the image.
        mode: What is outside.
        count: How many columns the result has.
        channels: Numbers in a pixel.
        cells: Gets the left and the right pixel of each column, -1 for the fill value, int32 (2, count).
        weights: Gets the weight of the right one, float32 (2, count).
    """
    low, high = count, 0
    # Four numbers are read at once, of a pixel of three.
    last = width - 2 if channels != 3 else width - 3
    for j in range(count):
        x = along(m[0], m[1], m[2], j + 0.5, 0.5)
        left = math.floor(x - 0.5)
        weights[0, j] = share(x, left)
        cells[0, j] = folded_index(left, width, mode)
        cells[1, j] = folded_index(left + 1, width, mode)
        if 0 <= left <= last:
            low, high = min(low, j), j + 1
    return min(low, high), high


@inlined
def across(
    pixels: Array,
    begin: int,
    low: int,
    high: int,
    count: int,
    channels: int,
    value: float,
    cells: Array,
    weights: Array,
    line: Array,
) -> None:
    """Interpolate one row of an image along its columns.

    Args:
        pixels: The images.
        begin: Where the row begins; -1 for a row of the fill value.
        low: The first column that is surely inside.
        high: The column behind the last one.
        count: Of the columns.
        channels: Numbers in a pixel.
        value: The fill value.
        cells: See `plan_columns`.
        weights: See `plan_columns`.
        line: Gets the row, float32.
    """
    if begin < 0:
        for k in range(count * channels):
            line[np.uint64(k)] = value
        return
    for j in range(low):
        _one_across(pixels, begin, j, channels, value, cells, weights, line)
    if channels == 3 or channels == 4:
        for j in range(low, high):
            p, o = begin + cells[0, j] * channels, j * channels
            q, f = p + channels, weights[0, j]
            a0, a1 = np.float32(pixels[np.uint64(p)]), np.float32(pixels[np.uint64(p + 1)])
            a2, a3 = np.float32(pixels[np.uint64(p + 2)]), np.float32(pixels[np.uint64(p + 3)])
            b0, b1 = np.float32(pixels[np.uint64(q)]), np.float32(pixels[np.uint64(q + 1)])
            b2, b3 = np.float32(pixels[np.uint64(q + 2)]), np.float32(pixels[np.uint64(q + 3)])
            line[np.uint64(o)] = between(a0, b0, f)
            line[np.uint64(o + 1)] = between(a1, b1, f)
            line[np.uint64(o + 2)] = between(a2, b2, f)
            line[np.uint64(o + 3)] = between(a3, b3, f)  # of three channels the next pixel overwrites it
    else:
        for j in range(low, high):
            p = begin + cells[0, j] * channels
            for c in range(channels):
                line[np.uint64(j * channels + c)] = between(
                    np.float32(pixels[np.uint64(p + c)]),
                    np.float32(pixels[np.uint64(p + channels + c)]),
                    weights[0, j],
                )
    for j in range(high, count):
        _one_across(pixels, begin, j, channels, value, cells, weights, line)


@inlined
def _one_across(
    pixels: Array,
    begin: int,
    j: int,
    channels: int,
    value: float,
    cells: Array,
    weights: Array,
    line: Array,
) -> None:
    left, right = cells[0, j], cells[1, j]
    for c in range(channels):
        a = np.float32(value) if left < 0 else np.float32(pixels[np.uint64(begin + left * channels + c)])
        b = np.float32(value) if right < 0 else np.float32(pixels[np.uint64(begin + right * channels + c)])
        line[np.uint64(j * channels + c)] = between(a, b, weights[0, j])


@inlined
def resample(
    pixels: Array,
    start: int,
    size: Array,
    made: Array,
    to: int,
    made_size: Array,
    channels: int,
    m: Array,
    mode: int,
    value: float,
    cells: Array,
    weights: Array,
    lines: Array,
) -> None:
    """Warp one image by a matrix that `keeps_axes`.

    Args:
        pixels: The images.
        start: Where it begins.
        size: Its height and width.
        made: The results.
        to: Where its result begins.
        made_size: Height and width of that.
        channels: Numbers in a pixel.
        m: The matrix.
        mode: What is outside.
        value: The fill value.
        cells: Memory for pixels of columns, int32 (2, columns).
        weights: Memory for weights of columns, float32 (2, columns).
        lines: Memory for two rows, float32 (2, columns * channels + 4).
    """
    height, width, count = size[0], size[1], made_size[1]
    low, high = plan_columns(m, width, mode, count, channels, cells, weights)
    held0, held1 = -2, -2  # the rows that `lines` holds; -1 is one of the fill value
    for i in range(made_size[0]):
        y = along(m[3], m[4], m[5], 0.5, i + 0.5)
        top = math.floor(y - 0.5)
        fraction = share(y, top)
        r0, r1 = folded_index(top, height, mode), folded_index(top + 1, height, mode)
        if held0 == r0:
            upper = 0
        elif held1 == r0:
            upper = 1
        else:
            upper = 1 if held0 == r1 else 0
            begin = start + r0 * width * channels if r0 >= 0 else -1
            across(pixels, begin, low, high, count, channels, value, cells, weights, lines[upper])
        lower = upper if r1 == r0 else 1 - upper
        if upper == 0:
            held0 = r0
        else:
            held1 = r0
        if r1 != r0 and (held1 if lower == 1 else held0) != r1:
            begin = start + r1 * width * channels if r1 >= 0 else -1
            across(pixels, begin, low, high, count, channels, value, cells, weights, lines[lower])
            if lower == 0:
                held0 = r1
            else:
                held1 = r1
        _down(lines[upper], lines[lower], fraction, made, to, count * channels)
        to += count * channels


@inlined
def _down(upper: Array, lower: Array, fraction: np.float32, made: Array, to: int, count: int) -> None:
    for k in range(count):
        put(made, to + k, between(upper[np.uint64(k)], lower[np.uint64(k)], fraction))
