"""Kernels of warps in general, a row at a time.

The points of a row are computed first, in loops without branches. Then the pixels whose neighbours are all
inside the image are taken in a loop without branches too, and the few others one by one.
"""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.displacement_kernels import displace_row
from streamfit.augment.warp_points import (
    CONSTANT,
    FARTHEST,
    NEAREST,
    REFLECT,
    SLACK,
    WRAP,
    along,
    between,
    folded,
    folded_index,
    put,
    put_row,
    share,
)
from streamfit.kernels.decorator import inlined


@inlined
def is_affine(m: Array) -> bool:
    """Return whether points need no division behind a matrix, (9,)."""
    return bool(m[6] == 0 and m[7] == 0 and m[8] == 1)


@inlined
def follow_row(xs: Array, ys: Array, count: int, m: Array) -> None:
    """Move the points of a row by a matrix.

    Args:
        xs: Their x, float64 (at least count,).
        ys: Their y.
        count: How many.
        m: (9,).
    """
    a, b, c, d, e, f = m[0], m[1], m[2], m[3], m[4], m[5]
    if is_affine(m):
        for j in range(count):
            x, y = xs[j], ys[j]
            xs[j], ys[j] = along(a, b, c, x, y), along(d, e, f, x, y)
    else:
        g, h, k = m[6], m[7], m[8]
        for j in range(count):
            x, y = xs[j], ys[j]
            w = along(g, h, k, x, y)
            xs[j], ys[j] = along(a, b, c, x, y) / w, along(d, e, f, x, y) / w


@inlined
def fold_row(xs: Array, ys: Array, count: int, right: float, bottom: float, mode: int) -> None:
    """Move points outside of a frame into it; x of those for which there are none there becomes NaN."""
    for j in range(count):
        x, y = xs[j], ys[j]
        inside = (x >= -SLACK) & (x <= right + SLACK) & (y >= -SLACK) & (y <= bottom + SLACK)
        if mode == CONSTANT:
            xs[j] = x if inside else np.nan
        else:
            near = (abs(x) < FARTHEST) & (abs(y) < FARTHEST)
            u, v = folded(x, right, mode), folded(y, bottom, mode)
            xs[j], ys[j] = x if inside else u if near else np.nan, y if inside else v


@inlined
def is_inside(x: float, y: float, left: float, right: float, upper: float, lower: float) -> bool:
    """Return whether a point is in a rectangle, with its left and upper edge and without the others."""
    return bool((x >= left) & (x < right) & (y >= upper) & (y < lower))


@inlined
def inside_columns(
    xs: Array, ys: Array, count: int, left: float, right: float, upper: float, lower: float
) -> tuple[int, int]:
    """Return the columns (first, behind the last) that are inside; (0, 0) where they are not in one piece."""
    total = 0.0  # as wide as the points, so that this loop is made of vectors
    for j in range(count):
        total += 1.0 if is_inside(xs[j], ys[j], left, right, upper, lower) else 0.0
    low, high = 0, count
    if total == count:
        return low, high
    while low < high and not is_inside(xs[low], ys[low], left, right, upper, lower):
        low += 1
    while high > low and not is_inside(xs[high - 1], ys[high - 1], left, right, upper, lower):
        high -= 1
    return (low, high) if high - low == total else (0, 0)


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
    if mode == CONSTANT:
        for j in range(low, high):
            at = np.uint64(j)
            k = ones[at]
            ones[at], others[at] = step * k, step * (k + 1)
    elif mode == NEAREST:
        for j in range(low, high):
            at = np.uint64(j)
            k = ones[at]
            ones[at] = step * min(max(k, 0), length - 1)
            others[at] = step * min(max(k + 1, 0), length - 1)
    elif mode == WRAP:
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
        line: Gets the row.
    """
    lefts, rights, tops, bottoms = cells[0], cells[1], cells[2], cells[3]
    across, down = weights[0], weights[1]
    if (channels == 3 or channels == 4) and have_four(
        pixels, start, stride, height, low, high, tops, bottoms
    ):
        for j in range(low, high):
            at = np.uint64(j)
            upper, lower = start + tops[at] * stride, start + bottoms[at] * stride
            left, right = lefts[at], rights[at]
            u, v = across[at], down[at]
            # Of three numbers, the next pixel overwrites the fourth.
            take_four(
                pixels, upper + left, upper + right, lower + left, lower + right, u, v, line, j * channels
            )
        return
    for c in range(channels):
        for j in range(low, high):
            at = np.uint64(j)
            upper, lower = start + tops[at] * stride + c, start + bottoms[at] * stride + c
            left, right = lefts[at], rights[at]
            a, b = np.float32(pixels[np.uint64(upper + left)]), np.float32(pixels[np.uint64(upper + right)])
            d, e = np.float32(pixels[np.uint64(lower + left)]), np.float32(pixels[np.uint64(lower + right)])
            above, below = between(a, b, across[at]), between(d, e, across[at])
            line[np.uint64(j * channels + c)] = between(above, below, down[at])


@inlined
def follow(
    x: float, y: float, last: int, matrices: Array, frames: Array, modes: Array
) -> tuple[float, float, int]:
    """Follow one point through the segments.

    Returns:
        The point, and the segment whose fill value it shows, -1 for none.
    """
    for s in range(last + 1):
        m = matrices[s]
        u, v = along(m[0], m[1], m[2], x, y), along(m[3], m[4], m[5], x, y)
        if not is_affine(m):
            w = along(m[6], m[7], m[8], x, y)
            u, v = u / w, v / w
        x, y = u, v
        right, bottom = frames[s, 1], frames[s, 0]
        inside = x >= -SLACK and y >= -SLACK and x <= right + SLACK and y <= bottom + SLACK
        if s < last and not inside:
            if modes[s] == CONSTANT or not (abs(x) < FARTHEST and abs(y) < FARTHEST):
                return x, y, s
            x, y = folded(x, right, modes[s]), folded(y, bottom, modes[s])
    return x, y, -1 if abs(x) < FARTHEST and abs(y) < FARTHEST else last


@inlined
def take_one(
    pixels: Array,
    start: int,
    size: Array,
    channels: int,
    x: float,
    y: float,
    mode: int,
    value: float,
    interpolation: int,
    made: Array,
    to: int,
) -> None:
    """Take one pixel at a point that may be outside the image.

    Args:
        pixels: The images.
        start: Where this one begins.
        size: Its height and width.
        channels: Numbers in a pixel.
        x: Of the point.
        y: Of the point.
        mode: What is outside.
        value: The fill value.
        interpolation: 0 for the nearest pixel, 1 for bilinear.
        made: The results.
        to: Where the pixel is written to.
    """
    height, width = size[0], size[1]
    if interpolation == 0:
        r = folded_index(math.floor(y), height, mode)
        k = folded_index(math.floor(x), width, mode)
        at = start + (r * width + k) * channels
        for c in range(channels):
            if r < 0 or k < 0:
                made[np.uint64(to + c)] = value
            else:
                made[np.uint64(to + c)] = pixels[np.uint64(at + c)]
        return
    left, top = math.floor(x - 0.5), math.floor(y - 0.5)
    u, v = share(x, left), share(y, top)
    r0, r1 = folded_index(top, height, mode), folded_index(top + 1, height, mode)
    k0, k1 = folded_index(left, width, mode), folded_index(left + 1, width, mode)
    fill = np.float32(value)
    if (r0 < 0 and r1 < 0) or (k0 < 0 and k1 < 0):
        for c in range(channels):
            put(made, to + c, fill)
        return
    upper, lower = start + r0 * width * channels, start + r1 * width * channels
    one, other = k0 * channels, k1 * channels
    for c in range(channels):
        a = fill if r0 < 0 or k0 < 0 else np.float32(pixels[np.uint64(upper + one + c)])
        b = fill if r0 < 0 or k1 < 0 else np.float32(pixels[np.uint64(upper + other + c)])
        d = fill if r1 < 0 or k0 < 0 else np.float32(pixels[np.uint64(lower + one + c)])
        e = fill if r1 < 0 or k1 < 0 else np.float32(pixels[np.uint64(lower + other + c)])
        put(made, to + c, between(between(a, b, u), between(d, e, u), v))


@inlined
def follow_points(points: Array, count: int, last: int, matrices: Array, frames: Array, modes: Array) -> None:
    """Follow the points of a row through the segments; x of those that show a fill value becomes NaN.

    Args:
        points: Gets x and y behind the last segment in rows 0 and 1, of x and y in rows 2 and 3.
        count: How many.
        last: The last segment.
        matrices: float64 (segments, 9).
        frames: float64 (segments, 2).
        modes: int64 (segments,).
    """
    xs, ys = points[0], points[1]
    for j in range(count):
        xs[j], ys[j] = points[2, j], points[3, j]
    for s in range(last + 1):
        if s > 0:
            fold_row(xs, ys, count, frames[s - 1, 1], frames[s - 1, 0], modes[s - 1])
        follow_row(xs, ys, count, matrices[s])


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
        low, high = inside_columns(xs, ys, count, 0.0, width, 0.0, height)
        take_inside_nearest(pixels, start, width, channels, low, high, xs, ys, made, to)
        return low, high
    left, right = reach(width, mode)
    upper, lower = reach(height, mode)
    low, high = inside_columns(xs, ys, count, left, right, upper, lower)
    for axis in range(2):
        split_points(points[axis], low, high, cells[2 * axis], weights[axis])
        step = 1 if axis else channels
        fold_cells(cells[2 * axis], cells[2 * axis + 1], low, high, size[1 - axis], mode, step)
    take_inside(pixels, start, width * channels, height, channels, low, high, cells, weights, line)
    put_row(line, low * channels, high * channels, made, to)
    return low, high


@inlined
def warp_rows(
    pixels: Array,
    start: int,
    size: Array,
    made: Array,
    to: int,
    made_size: Array,
    channels: int,
    last: int,
    matrices: Array,
    frames: Array,
    modes: Array,
    values: Array,
    interpolation: int,
    coefficients: Array,
    spans: Array,
    points: Array,
    cells: Array,
    weights: Array,
    lines: Array,
) -> None:
    """Warp one image by following each point.

    Args:
        pixels: The images.
        start: Where this one begins.
        size: Its height and width.
        made: The results.
        to: Where its result begins.
        made_size: Height and width of that.
        channels: Numbers in a pixel.
        last: The last segment.
        matrices: Of the segments, float64 (segments, 9).
        frames: float64 (segments, 2).
        modes: int64 (segments,).
        values: float64 (segments,).
        interpolation: 0 for the nearest pixel, 1 for bilinear.
        coefficients: Of the displacement, float64 (2, rows, columns).
        spans: Its cells along heights and widths, 0 for none, int64 (2,).
        points: Memory, float64 (4, columns).
        cells: Memory, int32 (4, columns).
        weights: Memory, float32 (2, columns).
        lines: Memory, float32 (2, columns * channels + 4).
    """
    count, height, width = made_size[1], float(size[0]), float(size[1])
    plain = True  # whether all that is outside of anything has one value
    for s in range(last + 1):
        plain = plain and modes[s] == CONSTANT and values[s] == values[last]
    for row in range(made_size[0]):
        for j in range(count):
            points[2, j], points[3, j] = j + 0.5, row + 0.5
        if spans[0] > 0:
            displace_row(points, count, row, made_size, coefficients, spans)
        follow_points(points, count, last, matrices, frames, modes)
        low, high = take_row(
            pixels,
            start,
            size,
            made,
            to,
            count,
            channels,
            modes[last],
            interpolation,
            points,
            cells,
            weights,
            lines[0],
        )
        for k in range(count - (high - low)):
            j = k if k < low else k + high - low
            x, y = points[0, j], points[1, j]
            at = to + j * channels
            far = not (abs(x) < FARTHEST and abs(y) < FARTHEST)
            if plain and (far or not is_inside(x, y, -0.5, width + 0.5, -0.5, height + 0.5)):
                outside = last
            else:
                outside = last if far else -1
                if far and last > 0:  # perhaps it left a frame before
                    x, y, outside = follow(points[2, j], points[3, j], last, matrices, frames, modes)
            if outside >= 0:
                for c in range(channels):
                    made[np.uint64(at + c)] = values[outside]
            else:
                take_one(
                    pixels, start, size, channels, x, y, modes[last], values[last], interpolation, made, at
                )
        to += count * channels
