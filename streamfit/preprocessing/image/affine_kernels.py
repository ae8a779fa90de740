"""Kernels of `ImageDataGenerator`: affine warps with the edges of SciPy, and whitening.

They differ from the warps of `streamfit.augment` in what is outside an image: SciPy moves a *point* outside
into the image (and leaves a point outside without any mixture to the fill value), and its ``'wrap'`` has a
period of one pixel less than the image.
"""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.cache_lines import load_lines
from streamfit.kernels.decorator import inlined, kernel

CONSTANT, NEAREST, REFLECT, WRAP = 0, 1, 2, 3
_ONE = np.float32(1)  # less a number of another float type it has that type


@inlined
def moved_inside(at: float, length: int, mode: int) -> float:
    """Return the coordinate that stands for one outside an axis, up to half a pixel beyond its ends."""
    if length <= 1:
        return 0.0
    if mode == REFLECT:
        at = at - math.floor(at / (2 * length)) * 2 * length
        return at if at < length else 2 * length - 1 - at
    period = length - 1
    if at < 0:
        return at + period * (math.floor(-at / period) + 1)
    return at - period * math.floor(at / period)


@inlined
def follow_row(ys: Array, xs: Array, matrix: Array, row: int, sizes: Array, mode: int) -> int:
    """Write the point of each pixel of a row, moved into the image; -1 stands for the fill value.

    Args:
        ys: The place of each along the rows' axis, float64 (width,).
        xs: Along the columns' axis.
        matrix: (6,).
        row: Which row of the result.
        sizes: See `warp_by_index`.
        mode: What is outside.

    Returns:
        1 where there is no -1, 0 where there may be.
    """
    height, width = sizes[0], sizes[1]
    bottom, right = height - 1.0, width - 1.0
    y, x, down, across = matrix[0] * row, matrix[3] * row, matrix[1], matrix[4]
    first, second = matrix[2], matrix[5]
    outside = 0.0
    for j in range(width):
        at = np.uint64(j)
        v, u = y + down * j + first, x + across * j + second
        ys[at], xs[at] = v, u
        outside += 0.0 if (v >= 0) & (v <= bottom) & (u >= 0) & (u <= right) else 1.0
    if outside == 0:
        return 1
    if mode == CONSTANT:
        for j in range(width):
            at = np.uint64(j)
            v, u = ys[at], xs[at]
            ys[at] = v if (v >= 0) & (v <= bottom) & (u >= 0) & (u <= right) else -1.0
    elif mode == NEAREST:
        for j in range(width):
            at = np.uint64(j)
            ys[at], xs[at] = min(max(ys[at], 0.0), bottom), min(max(xs[at], 0.0), right)
    else:
        for j in range(width):
            at = np.uint64(j)
            v, u = ys[at], xs[at]
            if v < 0 or v > bottom:
                ys[at] = min(max(moved_inside(v, height, mode), 0.0), bottom)
            if u < 0 or u > right:
                xs[at] = min(max(moved_inside(u, width, mode), 0.0), right)
    return 0 if mode == CONSTANT else 1


@inlined
def split_row(ys: Array, xs: Array, sizes: Array, whole: int, cells: Array, shares: Array) -> None:
    """Write the first of the four pixels around each point, -1 for the fill value, and shares of others.

    Args:
        ys: Points inside the image, float64 (width,).
        xs: See `follow_row`.
        sizes: See `warp_by_index`.
        whole: What `follow_row` has returned.
        cells: Gets where the pixel is, int32 (width,).
        shares: Gets the shares of the pixels below and of those to the right, float (2, width).
    """
    height, width, step = sizes[0], sizes[1], sizes[3]
    bottom, right = np.int32(max(height - 2, 0)), np.int32(max(width - 2, 0))
    line, pixel = np.int32(width * step), np.int32(step)
    below, aside = shares[0], shares[1]
    for j in range(width):
        at = np.uint64(j)
        y, x = ys[at], xs[at]
        top, left = np.int32(y), np.int32(x)
        top, left = top if top < bottom else bottom, left if left < right else right
        cells[at] = top * line + left * pixel
        below[at], aside[at] = y - top, x - left
    if whole == 0:
        for j in range(width):
            at = np.uint64(j)
            if ys[at] < 0:
                cells[at] = -1


@inlined
def nearest_row(ys: Array, xs: Array, sizes: Array, cells: Array) -> None:
    """Write the pixel nearest to each point, -1 for the fill value."""
    height, width, step = sizes[0], sizes[1], sizes[3]
    for j in range(width):
        at = np.uint64(j)
        y, x = ys[at], xs[at]
        if y >= 0:
            top, left = min(np.int32(y + 0.5), height - 1), min(np.int32(x + 0.5), width - 1)
            cells[at] = (top * width + left) * step
        else:
            cells[at] = -1


@inlined
def between(
    a: float, b: float, c: float, d: float, below: float, aside: float, above: float, beside: float
) -> float:
    """Return a mixture of two pixels and the two below them; with shares of 0 and 1 it is one of them."""
    return (a * beside + b * aside) * above + (c * beside + d * aside) * below


@inlined
def mix_colours(
    pixels: Array,
    result: Array,
    cells: Array,
    shares: Array,
    below: int,
    aside: int,
    to: int,
    way: int,
) -> None:
    """Write a row of pixels of three channels that lie together; `mix_points` explains the arguments."""
    one, two = np.uint64(1), np.uint64(2)
    for j in range(len(cells)):
        at, p, q = np.uint64(j), np.int64(cells[np.uint64(j)]), to + j * way
        a, b, c, d = np.uint64(p), np.uint64(p + aside), np.uint64(p + below), np.uint64(p + below + aside)
        v, u = shares[0, at], shares[1, at]
        s, t = _ONE - v, _ONE - u
        red = between(pixels[a], pixels[b], pixels[c], pixels[d], v, u, s, t)
        green = between(pixels[a + one], pixels[b + one], pixels[c + one], pixels[d + one], v, u, s, t)
        blue = between(pixels[a + two], pixels[b + two], pixels[c + two], pixels[d + two], v, u, s, t)
        result[np.uint64(q)], result[np.uint64(q + 1)], result[np.uint64(q + 2)] = red, green, blue


@inlined
def mix_greys(
    pixels: Array,
    result: Array,
    cells: Array,
    shares: Array,
    below: int,
    aside: int,
    to: int,
    way: int,
) -> None:
    """Write a row of pixels of one channel; `mix_points` explains the arguments."""
    for j in range(len(cells)):
        at, p = np.uint64(j), np.int64(cells[np.uint64(j)])
        a, b, c, d = np.uint64(p), np.uint64(p + aside), np.uint64(p + below), np.uint64(p + below + aside)
        v, u = shares[0, at], shares[1, at]
        s, t = _ONE - v, _ONE - u
        result[np.uint64(to + j * way)] = between(pixels[a], pixels[b], pixels[c], pixels[d], v, u, s, t)


@inlined
def mix_points(
    pixels: Array,
    result: Array,
    cells: Array,
    shares: Array,
    channels: int,
    apart: int,
    below: int,
    aside: int,
    order: int,
    fill: float,
    to: int,
    way: int,
) -> None:
    """Write a row of pixels of any kind.

    Args:
        pixels: An image, flat.
        result: What to write to.
        cells: See `split_row`.
        shares: See `split_row`.
        channels: Numbers in a pixel.
        apart: Distance of channels.
        below: Distance of the pixel below another.
        aside: Distance of the pixel right of another.
        order: 0 or 1.
        fill: The fill value.
        to: Where the first pixel goes.
        way: From there to the next.
    """
    for j in range(len(cells)):
        at = np.uint64(j)
        p, q = np.int64(cells[at]), to + j * way
        for channel in range(channels):
            k = channel * apart
            if p < 0:
                result[np.uint64(q + k)] = fill
            elif order == 0:
                result[np.uint64(q + k)] = pixels[np.uint64(p + k)]
            else:
                result[np.uint64(q + k)] = between(
                    pixels[np.uint64(p + k)],
                    pixels[np.uint64(p + aside + k)],
                    pixels[np.uint64(p + below + k)],
                    pixels[np.uint64(p + below + aside + k)],
                    shares[0, at],
                    shares[1, at],
                    _ONE - shares[0, at],
                    _ONE - shares[1, at],
                )


@kernel
def warp_by_index(
    images: Array,
    made: Array,
    matrices: Array,
    flips: Array,
    sizes: Array,
    mode: int,
    order: int,
    value: Array,
    points: Array,
    cells: Array,
    shares: Array,
) -> None:
    """Take each pixel of the results from its point: the nearest pixel, or a mixture of four.

    Args:
        images: The images, float (n, height * width * channels).
        made: The results, of the same shape and dtype.
        matrices: Of each image: row = m[0] * i + m[1] * j + m[2], column = m[3] * i + m[4] * j + m[5], where
            (i, j) is the place of a pixel of the result in front of its flips; float64 (n, 6).
        flips: Whether each result is mirrored left and right, and above and below; int64 (n, 2).
        sizes: Height, width, channels, distance of neighbouring pixels, distance of channels; int64 (5,).
        mode: One of the four above.
        order: 0 or 1.
        value: The fill value, of the dtype of the images, (1,).
        points: Memory for a row, float64 (2, width).
        cells: Memory for a row, int32 (width,).
        shares: Memory for a row, of the dtype of the images, (2, width).
    """
    height, width, channels, step, apart = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    fill, ys, xs = value[0], points[0], points[1]
    below = width * step if height > 1 else 0
    aside = step if width > 1 else 0
    for n in range(images.shape[0]):
        pixels, result = images[n], made[n]
        load_lines(pixels, 0, images.shape[1], shares[0])
        for i in range(height):
            whole = follow_row(ys, xs, matrices[n], i, sizes, mode)
            if order == 0:
                nearest_row(ys, xs, sizes, cells)
            else:
                split_row(ys, xs, sizes, whole, cells, shares)
            to, way = (height - 1 - i if flips[n, 1] else i) * width * step, step
            if flips[n, 0]:
                to, way = to + (width - 1) * step, -step
            if order == 0 or channels not in (1, 3) or apart != 1 or whole == 0:
                mix_points(pixels, result, cells, shares, channels, apart, below, aside, order, fill, to, way)
            elif channels == 3:
                mix_colours(pixels, result, cells, shares, below, aside, to, way)
            else:
                mix_greys(pixels, result, cells, shares, below, aside, to, way)


@kernel
def whiten_images(images: Array, components: Array, sums: Array, made: Array) -> None:
    """Multiply each image with a matrix; its bits do not depend on the other images.

    Args:
        images: float (n, length).
        components: float (length, length).
        sums: Memory, float64 (n, length).
        made: The results, float (n, length).
    """
    count, length = images.shape
    for i in range(count):
        for j in range(length):
            sums[i, j] = 0.0
    for k in range(length):
        for i in range(count):
            pixel = images[i, k]
            for j in range(length):
                sums[i, j] += pixel * components[k, j]
    for i in range(count):
        for j in range(length):
            made[i, j] = sums[i, j]
