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
    SLACK,
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
def follow_row(from_x: Array, from_y: Array, xs: Array, ys: Array, count: int, m: Array) -> None:
    """Move the points of a row by a matrix.

    Args:
        from_x: Their x, float64 (at least count,).
        from_y: Their y.
        xs: Gets x; may be `from_x`.
        ys: Gets y; may be `from_y`.
        count: How many.
        m: (9,).
    """
    a, b, c, d, e, f = m[0], m[1], m[2], m[3], m[4], m[5]
    if is_affine(m):
        for j in range(count):
            x, y = from_x[j], from_y[j]
            xs[j], ys[j] = along(a, b, c, x, y), along(d, e, f, x, y)
    else:
        g, h, k = m[6], m[7], m[8]
        for j in range(count):
            x, y = from_x[j], from_y[j]
            w = along(g, h, k, x, y)
            xs[j], ys[j] = along(a, b, c, x, y) / w, along(d, e, f, x, y) / w


@inlined
def drop_outside(xs: Array, ys: Array, count: int, right: float, bottom: float) -> None:
    """Make x of the points outside a frame NaN, which is inside of nothing."""
    for j in range(count):
        x, y = xs[j], ys[j]
        inside = (x >= -SLACK) & (x <= right + SLACK) & (y >= -SLACK) & (y <= bottom + SLACK)
        xs[j] = x if inside else np.nan


@inlined
def is_inside(x: float, y: float, right: float, bottom: float, edge: float) -> bool:
    """Return whether a point is at least `edge` from the left and upper edge, and before the others."""
    return bool((x >= edge) & (x < right) & (y >= edge) & (y < bottom))


@inlined
def inside_columns(
    xs: Array, ys: Array, count: int, right: float, bottom: float, edge: float
) -> tuple[int, int]:
    """Return the columns (first, behind the last) that are inside; (0, 0) where they are not in one piece."""
    total = 0.0  # as wide as the points, so that this loop is made of vectors
    for j in range(count):
        total += 1.0 if is_inside(xs[j], ys[j], right, bottom, edge) else 0.0
    low, high = 0, count
    if total == count:
        return low, high
    while low < high and not is_inside(xs[low], ys[low], right, bottom, edge):
        low += 1
    while high > low and not is_inside(xs[high - 1], ys[high - 1], right, bottom, edge):
        high -= 1
    return (low, high) if high - low == total else (0, 0)


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
        k = np.int32(xs[at] - 0.5)
        cells[at] = k
        shares[at] = share(xs[at], k)


@inlined
def take_inside(
    pixels: Array,
    start: int,
    width: int,
    channels: int,
    low: int,
    high: int,
    lefts: Array,
    tops: Array,
    across: Array,
    down: Array,
    line: Array,
) -> None:
    """Interpolate the pixels of columns whose neighbours are inside the image, into a row of float32."""
    stride = width * channels
    if channels == 3 or channels == 4:
        for j in range(low, high):
            at, o = np.uint64(j), j * channels
            p = start + tops[at] * stride + lefts[at] * channels
            q, r, s = p + channels, p + stride, p + stride + channels
            u, v = across[at], down[at]
            a0, a1 = np.float32(pixels[np.uint64(p)]), np.float32(pixels[np.uint64(p + 1)])
            a2, a3 = np.float32(pixels[np.uint64(p + 2)]), np.float32(pixels[np.uint64(p + 3)])
            b0, b1 = np.float32(pixels[np.uint64(q)]), np.float32(pixels[np.uint64(q + 1)])
            b2, b3 = np.float32(pixels[np.uint64(q + 2)]), np.float32(pixels[np.uint64(q + 3)])
            c0, c1 = np.float32(pixels[np.uint64(r)]), np.float32(pixels[np.uint64(r + 1)])
            c2, c3 = np.float32(pixels[np.uint64(r + 2)]), np.float32(pixels[np.uint64(r + 3)])
            d0, d1 = np.float32(pixels[np.uint64(s)]), np.float32(pixels[np.uint64(s + 1)])
            d2, d3 = np.float32(pixels[np.uint64(s + 2)]), np.float32(pixels[np.uint64(s + 3)])
            line[np.uint64(o)] = between(between(a0, b0, u), between(c0, d0, u), v)
            line[np.uint64(o + 1)] = between(between(a1, b1, u), between(c1, d1, u), v)
            line[np.uint64(o + 2)] = between(between(a2, b2, u), between(c2, d2, u), v)
            # Of three channels the next pixel overwrites the fourth.
            line[np.uint64(o + 3)] = between(between(a3, b3, u), between(c3, d3, u), v)
    elif channels == 1:
        for j in range(low, high):
            at = np.uint64(j)
            p = start + tops[at] * width + lefts[at]
            q = p + width
            u, v = across[at], down[at]
            a, b = np.float32(pixels[np.uint64(p)]), np.float32(pixels[np.uint64(p + 1)])
            d, e = np.float32(pixels[np.uint64(q)]), np.float32(pixels[np.uint64(q + 1)])
            line[at] = between(between(a, b, u), between(d, e, u), v)
    else:
        for j in range(low, high):
            at = np.uint64(j)
            p = start + tops[at] * stride + lefts[at] * channels
            u, v = across[at], down[at]
            for c in range(channels):
                q, r = p + c, p + stride + c
                a, b = np.float32(pixels[np.uint64(q)]), np.float32(pixels[np.uint64(q + channels)])
                d, e = np.float32(pixels[np.uint64(r)]), np.float32(pixels[np.uint64(r + channels)])
                line[np.uint64(j * channels + c)] = between(between(a, b, u), between(d, e, u), v)


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
def follow_points(points: Array, count: int, last: int, matrices: Array, frames: Array) -> None:
    """Follow the points of a row through the segments; x of those outside a frame becomes NaN.

    Args:
        points: Gets x and y behind the last segment in rows 0 and 1, of x and y in rows 2 and 3.
        count: How many.
        last: The last segment.
        matrices: float64 (segments, 9).
        frames: float64 (segments, 2).
    """
    xs, ys = points[0], points[1]
    follow_row(points[2], points[3], xs, ys, count, matrices[0])
    for s in range(1, last + 1):
        drop_outside(xs, ys, count, frames[s - 1, 1], frames[s - 1, 0])
        follow_row(xs, ys, xs, ys, count, matrices[s])


@inlined
def take_row(
    pixels: Array,
    start: int,
    size: Array,
    made: Array,
    to: int,
    count: int,
    channels: int,
    interpolation: int,
    points: Array,
    cells: Array,
    weights: Array,
    line: Array,
) -> tuple[int, int]:
    """Take the pixels of a row that have all neighbours inside the image.

    Args:
        pixels: The images.
        start: Where this one begins.
        size: Its height and width.
        made: The results.
        to: Where the row begins.
        count: How many columns it has.
        channels: Numbers in a pixel.
        interpolation: 0 for the nearest pixel, 1 for bilinear.
        points: The points, float64 (4, columns).
        cells: Memory, int32 (2, columns).
        weights: Memory, float32 (2, columns).
        line: Memory, float32 (columns * channels + 4,).

    Returns:
        The first of their columns, and the one behind the last.
    """
    height, width = size[0], size[1]
    xs, ys = points[0], points[1]
    if interpolation == 0:
        low, high = inside_columns(xs, ys, count, width, height, 0.0)
        take_inside_nearest(pixels, start, width, channels, low, high, xs, ys, made, to)
        return low, high
    # Four numbers are read at once, of a pixel of three.
    right = width - 1.5 if channels == 3 else width - 0.5
    low, high = inside_columns(xs, ys, count, right, height - 0.5, 0.5)
    split_points(xs, low, high, cells[0], weights[0])
    split_points(ys, low, high, cells[1], weights[1])
    take_inside(pixels, start, width, channels, low, high, cells[0], cells[1], weights[0], weights[1], line)
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
        cells: Memory, int32 (2, columns).
        weights: Memory, float32 (2, columns).
        lines: Memory, float32 (2, columns * channels + 4).
    """
    count = made_size[1]
    for row in range(made_size[0]):
        for j in range(count):
            points[2, j], points[3, j] = j + 0.5, row + 0.5
        if spans[0] > 0:
            displace_row(points, count, row, made_size, coefficients, spans)
        follow_points(points, count, last, matrices, frames)
        low, high = take_row(
            pixels,
            start,
            size,
            made,
            to,
            count,
            channels,
            interpolation,
            points,
            cells,
            weights,
            lines[0],
        )
        for k in range(count - (high - low)):
            j = k if k < low else k + high - low
            x, y = points[0, j], points[1, j]
            outside = -1 if abs(x) < FARTHEST and abs(y) < FARTHEST else last
            if outside == last and last > 0:  # perhaps it left a frame before
                x, y, outside = follow(points[2, j], points[3, j], last, matrices, frames, modes)
            at = to + j * channels
            if outside >= 0:
                for c in range(channels):
                    made[at + c] = values[outside]
            else:
                take_one(
                    pixels, start, size, channels, x, y, modes[last], values[last], interpolation, made, at
                )
        to += count * channels
