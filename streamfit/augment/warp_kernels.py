"""The kernels of warps: joining segments, and taking pixels."""

from __future__ import annotations

import math

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined, kernel

_CONSTANT, _NEAREST, _REFLECT, _MIRROR, _WRAP = 0, 1, 2, 3, 4
_SLACK = 1e-6  # of a pixel: what rounding may add to the corner of a crop


@kernel
def merge_segments(
    matrices: Array, sizes: Array, outer: Array, modes: Array, values: Array, counts: Array
) -> None:
    """Multiply the matrices of neighbouring segments where nothing in between can be outside a frame.

    Args:
        matrices: float64 (n, segments, 9), the segment of the last step first; merged in place.
        sizes: Height and width of the frame that each leads into, float64 (n, segments, 2).
        outer: Height and width of the frame that each begins in, float64 (n, segments, 2).
        modes: int64 (n, segments).
        values: float64 (n, segments).
        counts: Gets how many segments each image has left, int64 (n,).
    """
    for i in range(matrices.shape[0]):
        kept = 0
        for s in range(1, matrices.shape[1]):
            # Whether the corners of the result of segment `kept` lie in the frame that it leads into.
            inside = True
            height, width = outer[i, 0, 0], outer[i, 0, 1]
            if kept > 0:
                height, width = sizes[i, kept - 1, 0], sizes[i, kept - 1, 1]
            for corner in range(4):
                x = width if corner % 2 else 0.0
                y = height if corner >= 2 else 0.0
                m = matrices[i, kept]
                w = m[6] * x + m[7] * y + m[8]
                if w <= 0:
                    inside = False
                    break
                u = (m[0] * x + m[1] * y + m[2]) / w
                v = (m[3] * x + m[4] * y + m[5]) / w
                if (
                    u < -_SLACK
                    or v < -_SLACK
                    or u > sizes[i, kept, 1] + _SLACK
                    or v > sizes[i, kept, 0] + _SLACK
                ):
                    inside = False
                    break
            if inside:  # the matrix of the step before, times this one
                a, b = matrices[i, s].copy(), matrices[i, kept].copy()
                for row in range(3):
                    for column in range(3):
                        total = 0.0
                        for k in range(3):
                            total += a[3 * row + k] * b[3 * k + column]
                        matrices[i, kept, 3 * row + column] = total
            else:
                kept += 1
                for k in range(9):
                    matrices[i, kept, k] = matrices[i, s, k]
            sizes[i, kept, 0], sizes[i, kept, 1] = sizes[i, s, 0], sizes[i, s, 1]
            modes[i, kept], values[i, kept] = modes[i, s], values[i, s]
        counts[i] = kept + 1


@inlined
def folded(x: float, length: float, mode: int) -> float:
    """Return the point inside a frame that stands for a point outside of it."""
    if mode == _NEAREST:
        return min(max(x, 0.5), length - 0.5)
    if mode == _REFLECT:
        x = x - math.floor(x / (2 * length)) * 2 * length
        return x if x <= length else 2 * length - x
    if mode == _MIRROR:
        if length <= 1:
            return 0.5
        period = 2 * (length - 1)
        x = x - 0.5
        x = x - math.floor(x / period) * period
        return (x if x <= length - 1 else period - x) + 0.5
    return x - math.floor(x / length) * length  # wrap


@inlined
def folded_index(i: int, length: int, mode: int) -> int:
    """Return the pixel that stands for one outside the image; -1 for the fill value."""
    if 0 <= i < length:
        return i
    if mode == _CONSTANT:
        return -1
    if mode == _NEAREST:
        return 0 if i < 0 else length - 1
    if mode == _REFLECT:
        i = i % (2 * length)
        return i if i < length else 2 * length - 1 - i
    if mode == _MIRROR:
        if length == 1:
            return 0
        i = i % (2 * length - 2)
        return i if i < length else 2 * length - 2 - i
    return i % length


@kernel
def warp_pixels(
    pixels: Array,
    starts: Array,
    sizes: Array,
    made: Array,
    made_starts: Array,
    made_sizes: Array,
    channels: int,
    counts: Array,
    matrices: Array,
    frames: Array,
    modes: Array,
    values: Array,
    interpolation: int,
) -> None:
    """Take each pixel of the results from its point; uint8 is rounded to the nearest, halves up.

    Args:
        pixels: The images, uint8 or float32, flat.
        starts: Where each begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        made: The results, of the same dtype.
        made_starts: Where each begins, int64 (n,).
        made_sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        counts: Segments of each image; see `Warp` for this and what follows.
        matrices: float64 (n, segments, 9).
        frames: float64 (n, segments, 2).
        modes: int64 (n, segments).
        values: float64 (n, segments).
        interpolation: 0 for the nearest pixel, 1 for bilinear.
    """
    rounding = 0.5 if made.itemsize == 1 else 0.0
    for i in range(starts.shape[0]):
        height, width = sizes[i, 0], sizes[i, 1]
        last = counts[i] - 1
        mode, value = modes[i, last], values[i, last]
        to = made_starts[i]
        for row in range(made_sizes[i, 0]):
            for column in range(made_sizes[i, 1]):
                x, y = column + 0.5, row + 0.5
                outside = -1
                for s in range(last + 1):
                    m = matrices[i, s]
                    w = m[6] * x + m[7] * y + m[8]
                    u = (m[0] * x + m[1] * y + m[2]) / w
                    y = (m[3] * x + m[4] * y + m[5]) / w
                    x = u
                    if s < last and (
                        x < -_SLACK
                        or y < -_SLACK
                        or x > frames[i, s, 1] + _SLACK
                        or y > frames[i, s, 0] + _SLACK
                    ):
                        if modes[i, s] == _CONSTANT:
                            outside = s
                            break
                        x = folded(x, frames[i, s, 1], modes[i, s])
                        y = folded(y, frames[i, s, 0], modes[i, s])
                if outside >= 0 or not (abs(x) < 1e9 and abs(y) < 1e9):
                    for c in range(channels):
                        made[to + c] = values[i, outside] if outside >= 0 else value
                    to += channels
                    continue
                if interpolation == 0:
                    r = folded_index(math.floor(y), height, mode)
                    k = folded_index(math.floor(x), width, mode)
                    for c in range(channels):
                        if r < 0 or k < 0:
                            made[to + c] = value
                        else:
                            made[to + c] = pixels[starts[i] + (r * width + k) * channels + c]
                    to += channels
                    continue
                left, top = math.floor(x - 0.5), math.floor(y - 0.5)
                fx, fy = x - 0.5 - left, y - 0.5 - top
                r0 = folded_index(int(top), height, mode)
                r1 = folded_index(int(top) + 1, height, mode)
                k0 = folded_index(int(left), width, mode)
                k1 = folded_index(int(left) + 1, width, mode)
                for c in range(channels):
                    p00 = value if r0 < 0 or k0 < 0 else pixels[starts[i] + (r0 * width + k0) * channels + c]
                    p01 = value if r0 < 0 or k1 < 0 else pixels[starts[i] + (r0 * width + k1) * channels + c]
                    p10 = value if r1 < 0 or k0 < 0 else pixels[starts[i] + (r1 * width + k0) * channels + c]
                    p11 = value if r1 < 0 or k1 < 0 else pixels[starts[i] + (r1 * width + k1) * channels + c]
                    upper = p00 * (1 - fx) + p01 * fx
                    lower = p10 * (1 - fx) + p11 * fx
                    made[to + c] = upper * (1 - fy) + lower * fy + rounding
                to += channels
