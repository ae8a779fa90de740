"""Kernels that take the pixels of neighbouring columns in loops without branches."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.warp_points import CONSTANT, FARTHEST, NEAREST, REFLECT, WRAP, between, put_row, share
from streamfit.kernels.decorator import inlined


@inlined
def is_inside(x: float, y: float, left: float, right: float, upper: float, lower: float) -> bool:
    """Return whether a point is in a rectangle, with its left and upper edge and without the others."""
    return bool((x >= left) & (x < right) & (y >= upper) & (y < lower))


@inlined
def inside_columns(
    xs: Array, ys: Array, count: int, straight: bool, left: float, right: float, upper: float, lower: float
) -> tuple[int, int]:
    """Return the columns (first, behind the last) that are inside; (0, 0) where they are not in one piece.

    Args:
        xs: Their points, float64 (at least count,).
        ys: See `xs`.
        count: How many.
        straight: Whether neither x nor y turns back in the row, so that they are in one piece.
        left: The least x that is inside.
        right: The least x behind.
        upper: The least y that is inside.
        lower: The least y behind.
    """
    low, high, total = 0, count, 0.0
    if straight:
        if (
            count > 0
            and is_inside(xs[0], ys[0], left, right, upper, lower)
            and is_inside(xs[count - 1], ys[count - 1], left, right, upper, lower)
        ):
            return low, high
    else:
        for j in range(count):  # `total` is as wide as the points, so that this loop is made of vectors
            total += 1.0 if is_inside(xs[j], ys[j], left, right, upper, lower) else 0.0
        if total == count:
            return low, high
    while low < high and not is_inside(xs[low], ys[low], left, right, upper, lower):
        low += 1
    while high > low and not is_inside(xs[high - 1], ys[high - 1], left, right, upper, lower):
        high -= 1
    return (low, high) if straight or high - low == total else (0, 0)


@inlined
def reach(length: int, mode: int) -> tuple[float, float]:
    """Return between which coordinates `fold_cells` knows both pixels."""
    if mode == CONSTANT:
        return 0.5, length - 0.5
    if mode == NEAREST:
        return -FARTHEST, FARTHEST
    return 1.5 - length, 2.0 * length - 2.0


@inlined
def take_inside_nearest(
    pixels: Array,
    start: int,
    width: int,
    channels: int,
    low: int,
    high: int,
    xs: Array,
    ys: Array,
    made: Array,
    to: int,
) -> None:
    """Take the pixels of columns that are inside the image without interpolation."""
    for j in range(low, high):
        r, k = np.int32(ys[j]), np.int32(xs[j])
        p, q = start + (r * width + k) * channels, to + j * channels
        for c in range(channels):
            made[np.uint64(q + c)] = pixels[np.uint64(p + c)]


@inlined
def split_points(xs: Array, low: int, high: int, cells: Array, shares: Array) -> None:
    """Write the pixel left of, or above, each point, int32 (columns,), and the share of the next one."""
    for j in range(low, high):
        at = np.uint64(j)  # compiled code need not ask whether it is negative
        k = np.int32(np.floor(xs[at] - 0.5))
        cells[at] = k
        shares[at] = share(xs[at], k)


@inlined
def fold_cells(ones: Array, others: Array, low: int, high: int, length: int, mode: int, step: int) -> None:
    """Write where the pixels are that stand for those at each point, and for those behind them.

    Args:
        ones: The pixels at points that `reach` allows; gets where what stands for them is. int32 (columns,).
        others: Gets those behind.
        low: The first column.
        high: The column behind the last one.
        length: How many pixels there are.
        mode: What is outside.
        step: How far a pixel is from the one before.
    """
    if mode == WRAP:
        for j in range(low, high):
            at = np.uint64(j)
            k = ones[at] + (length if ones[at] < 0 else 0)
            k -= length if k >= length else 0
            ones[at], others[at] = step * k, 0 if k + 1 == length else step * (k + 1)
    else:
        repeated = 0 if mode == REFLECT else 1
        end = 2 * length - 1 - repeated
        for j in range(low, high):
            at = np.uint64(j)
            one, other = ones[at], ones[at] + 1
            one = repeated - 1 - one if one < 0 else one
            other = repeated - 1 - other if other < 0 else other
            ones[at] = step * (one if one < length else end - one)
            others[at] = step * (other if other < length else end - other)


@inlined
def find_cells(
    xs: Array,
    low: int,
    high: int,
    length: int,
    mode: int,
    step: int,
    ones: Array,
    others: Array,
    shares: Array,
) -> None:
    """Do `split_points` and then `fold_cells`, at once for the modes that need little.

    Args:
        xs: x or y of points that `reach` allows, float64 (columns,).
        low: The first column.
        high: The column behind the last one.
        length: How many pixels there are.
        mode: What is outside.
        step: How far a pixel is from the one before.
        ones: Gets where the pixel left of, or above, each point is; int32 (columns,).
        others: Gets where the one behind it is.
        shares: Gets the share of that; float32 (columns,).
    """
    if mode == CONSTANT:
        for j in range(low, high):
            at = np.uint64(j)
            k = np.int32(np.floor(xs[at] - 0.5))
            shares[at] = share(xs[at], k)
            ones[at], others[at] = step * k, step * (k + 1)
    elif mode == NEAREST:
        for j in range(low, high):
            at = np.uint64(j)
            left = np.int32(np.floor(xs[at] - 0.5))
            shares[at] = share(xs[at], left)
            ones[at] = step * min(max(int(left), 0), length - 1)
            others[at] = step * min(max(int(left) + 1, 0), length - 1)
    else:
        split_points(xs, low, high, ones, shares)
        fold_cells(ones, others, low, high, length, mode, step)


@inlined
def take_four(
    pixels: Array, p: int, q: int, r: int, s: int, u: np.float32, v: np.float32, line: Array, to: int
) -> None:
    """Interpolate the four numbers at each of four places, into a row of float32."""
    a0, a1 = np.float32(pixels[np.uint64(p)]), np.float32(pixels[np.uint64(p + 1)])
    a2, a3 = np.float32(pixels[np.uint64(p + 2)]), np.float32(pixels[np.uint64(p + 3)])
    b0, b1 = np.float32(pixels[np.uint64(q)]), np.float32(pixels[np.uint64(q + 1)])
    b2, b3 = np.float32(pixels[np.uint64(q + 2)]), np.float32(pixels[np.uint64(q + 3)])
    c0, c1 = np.float32(pixels[np.uint64(r)]), np.float32(pixels[np.uint64(r + 1)])
    c2, c3 = np.float32(pixels[np.uint64(r + 2)]), np.float32(pixels[np.uint64(r + 3)])
    d0, d1 = np.float32(pixels[np.uint64(s)]), np.float32(pixels[np.uint64(s + 1)])
    d2, d3 = np.float32(pixels[np.uint64(s + 2)]), np.float32(pixels[np.uint64(s + 3)])
    line[np.uint64(to)] = between(between(a0, b0, u), between(c0, d0, u), v)
    line[np.uint64(to + 1)] = between(between(a1, b1, u), between(c1, d1, u), v)
    line[np.uint64(to + 2)] = between(between(a2, b2, u), between(c2, d2, u), v)
    line[np.uint64(to + 3)] = between(between(a3, b3, u), between(c3, d3, u), v)


@inlined
def have_four(
    pixels: Array,
    start: int,
    stride: int,
    height: int,
    low: int,
    high: int,
    tops: Array,
    bottoms: Array,
) -> bool:
    """Return whether four numbers may be read at each pixel of rows, also of a pixel of three.

    That is all but the last pixel of the last image.
    """
    if start + height * stride + 4 <= pixels.shape[0]:
        return True
    lowest = 0
    for j in range(low, high):
        lowest = max(lowest, tops[np.uint64(j)], bottoms[np.uint64(j)])
    return bool(lowest < height - 1)


@inlined
def take_inside(
    pixels: Array,
    start: int,
    stride: int,
    height: int,
    channels: int,
    low: int,
    high: int,
    cells: Array,
    weights: Array,
    line: Array,
    to: int,
) -> None:
    """Interpolate pixels between four pixels of the image each, into a row of float32.

    Args:
        pixels: The images.
        start: Where this one begins.
        stride: Numbers in one of its rows.
        height: How many rows it has.
        channels: Numbers in a pixel.
        low: The first column.
        high: The column behind the last one.
        cells: Where in a row the pixels at the left and at the right begin, and in which rows those above and
            below are, int32 (4, columns).
        weights: The shares of those at the right and below, float32 (2, columns).
        line: Gets the row, and nothing beside it.
        to: Where the row begins.
    """
    lefts, rights, tops, bottoms = cells[0], cells[1], cells[2], cells[3]
    across, down = weights[0], weights[1]
    if (channels == 3 or channels == 4) and have_four(
        pixels, start, stride, height, low, high, tops, bottoms
    ):
        for j in range(low, high - 1):
            at = np.uint64(j)
            upper, lower = start + tops[at] * stride, start + bottoms[at] * stride
            left, right = lefts[at], rights[at]
            u, v = across[at], down[at]
            # Of three numbers, the next pixel overwrites the fourth.
            take_four(
                pixels,
                upper + left,
                upper + right,
                lower + left,
                lower + right,
                u,
                v,
                line,
                to + j * channels,
            )
        low = max(low, high - 1)
    for c in range(channels):
        for j in range(low, high):
            at = np.uint64(j)
            upper, lower = start + tops[at] * stride + c, start + bottoms[at] * stride + c
            left, right = lefts[at], rights[at]
            a, b = np.float32(pixels[np.uint64(upper + left)]), np.float32(pixels[np.uint64(upper + right)])
            d, e = np.float32(pixels[np.uint64(lower + left)]), np.float32(pixels[np.uint64(lower + right)])
            above, below = between(a, b, across[at]), between(d, e, across[at])
            line[np.uint64(to + j * channels + c)] = between(above, below, down[at])


@inlined
def take_row(
    pixels: Array,
    start: int,
    size: Array,
    made: Array,
    to: int,
    count: int,
    channels: int,
    mode: int,
    interpolation: int,
    straight: bool,
    points: Array,
    cells: Array,
    weights: Array,
    line: Array,
) -> tuple[int, int]:
    """Take the pixels of a row whose neighbours are inside the image, or near it if pixels stand for them.

    Args:
        pixels: The images.
        start: Where this one begins.
        size: Its height and width.
        made: The results.
        to: Where the row begins.
        count: How many columns it has.
        channels: Numbers in a pixel.
        mode: What is outside the image.
        interpolation: 0 for the nearest pixel, 1 for bilinear.
        straight: See `inside_columns`.
        points: The points, float64 (4, columns).
        cells: Memory, int32 (4, columns).
        weights: Memory, float32 (2, columns).
        line: Memory, float32 (columns * channels + 4,).

    Returns:
        The first of their columns, and the one behind the last.
    """
    height, width = size[0], size[1]
    xs, ys = points[0], points[1]
    if interpolation == 0:
        low, high = inside_columns(xs, ys, count, straight, 0.0, width, 0.0, height)
        take_inside_nearest(pixels, start, width, channels, low, high, xs, ys, made, to)
        return low, high
    left, right = reach(width, mode)
    upper, lower = reach(height, mode)
    low, high = inside_columns(xs, ys, count, straight, left, right, upper, lower)
    find_cells(xs, low, high, width, mode, channels, cells[0], cells[1], weights[0])
    find_cells(ys, low, high, height, mode, 1, cells[2], cells[3], weights[1])
    if made.itemsize == 1:
        take_inside(pixels, start, width * channels, height, channels, low, high, cells, weights, line, 0)
        put_row(line, low * channels, high * channels, made, to)
    else:
        take_inside(pixels, start, width * channels, height, channels, low, high, cells, weights, made, to)
    return low, high
