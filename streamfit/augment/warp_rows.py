"""Kernels of warps in general, a row at a time.

The points of a row are computed first, in loops without branches. Then `warp_runs` takes the pixels that
have neighbours, or what stands for them, and the few others are taken one by one.
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
    share,
)
from streamfit.augment.warp_runs import is_inside, take_row
from streamfit.kernels.decorator import inlined

_SECOND_CACHE = 1 << 20  # bytes, at most


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
def straight_row(xs: Array, ys: Array, count: int, row: int, m: Array) -> None:
    """Write where an affine matrix leads the centres of the pixels of a row, as `follow_row` does."""
    a, b, c, d, e, f = m[0], m[1], m[2], m[3], m[4], m[5]
    y = row + 0.5
    for j in range(count):
        x = j + 0.5
        xs[j], ys[j] = along(a, b, c, x, y), along(d, e, f, x, y)


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
def fills_alike(last: int, modes: Array, values: Array) -> bool:
    """Return whether all that is outside of any frame has one value."""
    alike = True
    for s in range(last + 1):
        alike = alike and modes[s] == CONSTANT and values[s] == values[last]
    return alike


@inlined
def begin_points(points: Array, count: int, row: int, size: Array, coefficients: Array, spans: Array) -> None:
    """Write the displaced centres of the pixels of a row into rows 2 and 3 of `points`."""
    for j in range(count):
        points[2, j], points[3, j] = j + 0.5, row + 0.5
    if spans[0] > 0:
        displace_row(points, count, row, size, coefficients, spans)


@inlined
def take_outside(
    pixels: Array,
    start: int,
    size: Array,
    made: Array,
    to: int,
    count: int,
    channels: int,
    low: int,
    high: int,
    last: int,
    matrices: Array,
    frames: Array,
    modes: Array,
    values: Array,
    plain: bool,
    interpolation: int,
    points: Array,
) -> None:
    """Take the pixels of a row before column `low` and from column `high` on, one by one.

    Args:
        pixels: See `warp_rows` for this and what is not said.
        start: Where the image begins.
        size: Its height and width.
        made: The results.
        to: Where the row begins.
        count: How many columns it has.
        channels: Numbers in a pixel.
        low: The first column that is there already.
        high: The column behind the last one.
        last: The last segment.
        matrices: Of the segments.
        frames: Their frames.
        modes: What is outside these.
        values: The fill values.
        plain: Whether all that is outside of anything has one value.
        interpolation: 0 for the nearest pixel, 1 for bilinear.
        points: The points, float64 (4, columns).
    """
    height, width = float(size[0]), float(size[1])
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
            take_one(pixels, start, size, channels, x, y, modes[last], values[last], interpolation, made, at)


@inlined
def load_image(pixels: Array, start: int, length: int, line: Array) -> None:
    """Read a number of each cache line of an image, so that it is in the second cache.

    Rows of a turned image lie across many of its rows, which no processor foresees; to wait for memory at
    each of them takes longer than all arithmetic. Read in order, lines come ahead of their use. Images that
    are too large for the second cache are left out.

    Args:
        pixels: The images.
        start: Where this one begins.
        length: Its numbers.
        line: Gets a number that is of no use, so that the compiler leaves this loop in; float32 (any,).
    """
    if length * pixels.itemsize > _SECOND_CACHE:
        return
    some = pixels[start : start + length]
    greatest = np.float32(0)
    for k in range(0, length, 64 // pixels.itemsize):
        greatest = max(greatest, np.float32(some[k]))
    line[0] = greatest


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
    """Warp one image by following each point; the arguments are those of `warp_pixels`, of one image."""
    count = made_size[1]
    plain = fills_alike(last, modes, values)
    load_image(pixels, start, size[0] * size[1] * channels, lines[0])
    straight = last == 0 and spans[0] == 0 and is_affine(matrices[0])
    for row in range(made_size[0]):
        if straight:
            straight_row(points[0], points[1], count, row, matrices[0])
        else:
            begin_points(points, count, row, made_size, coefficients, spans)
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
            straight,
            points,
            cells,
            weights,
            lines[0],
        )
        take_outside(
            pixels,
            start,
            size,
            made,
            to,
            count,
            channels,
            low,
            high,
            last,
            matrices,
            frames,
            modes,
            values,
            plain,
            interpolation,
            points,
        )
        to += count * channels
