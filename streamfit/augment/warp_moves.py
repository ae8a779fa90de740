"""Kernels of warps by whole pixels: flips, crops, pads and quarter turns copy pixels."""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.warp_points import FARTHEST, folded_index
from streamfit.kernels.decorator import inlined


@inlined
def moves_whole_pixels(m: Array) -> bool:
    """Return whether a matrix leads from each centre of a pixel to the centre of a pixel, (9,)."""
    if m[6] != 0 or m[7] != 0 or m[8] != 1:
        return False
    if m[2] != math.floor(m[2]) or m[5] != math.floor(m[5]):
        return False
    if not (abs(m[2]) < FARTHEST and abs(m[5]) < FARTHEST):
        return False
    if m[1] == 0 and m[3] == 0:
        return abs(m[0]) == 1 and abs(m[4]) == 1
    return m[0] == 0 and m[4] == 0 and abs(m[1]) == 1 and abs(m[3]) == 1


@inlined
def first_and_stride(factor: float, shift: float) -> tuple[int, int]:
    """Return the pixel that pixel 0 shows, and how far the next one is."""
    return (int(shift), 1) if factor > 0 else (int(shift) - 1, -1)


@inlined
def copy_pixels(pixels: Array, at: int, stride: int, made: Array, to: int, count: int, channels: int) -> None:
    """Copy pixels that are `stride` numbers apart to neighbouring places."""
    if stride == channels:
        for k in range(count * channels):
            made[np.uint64(to + k)] = pixels[np.uint64(at + k)]
    elif channels == 3:
        for j in range(count):
            p, q = at + j * stride, to + 3 * j
            made[np.uint64(q)] = pixels[np.uint64(p)]
            made[np.uint64(q + 1)] = pixels[np.uint64(p + 1)]
            made[np.uint64(q + 2)] = pixels[np.uint64(p + 2)]
    elif channels == 1:
        for j in range(count):
            made[np.uint64(to + j)] = pixels[np.uint64(at + j * stride)]
    else:
        for j in range(count):
            for c in range(channels):
                made[np.uint64(to + j * channels + c)] = pixels[np.uint64(at + j * stride + c)]


@inlined
def fill_pixels(made: Array, to: int, count: int, value: float) -> None:
    """Write a value `count` times."""
    for k in range(count):
        made[np.uint64(to + k)] = value


@inlined
def move(
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
) -> None:
    """Copy the pixels of one image, row by row, by a matrix that `moves_whole_pixels`."""
    height, width = size[0], size[1]
    turned = m[0] == 0
    # Pixel (i, j) of the result is pixel first + step * place of the image, along rows and columns.
    if turned:
        first_k, step_k = first_and_stride(m[1], m[2])
        first_r, step_r = first_and_stride(m[3], m[5])
        first, step, length = first_r, step_r, height
        stride = step_r * width * channels
    else:
        first_k, step_k = first_and_stride(m[0], m[2])
        first_r, step_r = first_and_stride(m[4], m[5])
        first, step, length = first_k, step_k, width
        stride = step_k * channels
    count = made_size[1]
    # Columns low to high show pixels inside the image.
    if step > 0:
        low, high = -first, length - first
    else:
        low, high = first - length + 1, first + 1
    low = min(max(low, 0), count)
    high = min(max(high, low), count)
    for i in range(made_size[0]):
        if turned:
            fixed = folded_index(first_k + step_k * i, width, mode)
            begin = start + fixed * channels
            each = width * channels
        else:
            fixed = folded_index(first_r + step_r * i, height, mode)
            begin = start + fixed * width * channels
            each = channels
        if fixed < 0:
            fill_pixels(made, to, count * channels, value)
        else:
            copy_pixels(
                pixels,
                begin + (first + step * low) * each,
                stride,
                made,
                to + low * channels,
                high - low,
                channels,
            )
            for j in range(low):
                _border(
                    pixels,
                    begin,
                    each,
                    folded_index(first + step * j, length, mode),
                    made,
                    to + j * channels,
                    channels,
                    value,
                )
            for j in range(high, count):
                _border(
                    pixels,
                    begin,
                    each,
                    folded_index(first + step * j, length, mode),
                    made,
                    to + j * channels,
                    channels,
                    value,
                )
        to += count * channels


@inlined
def _border(
    pixels: Array, begin: int, each: int, index: int, made: Array, to: int, channels: int, value: float
) -> None:
    for c in range(channels):
        if index < 0:
            made[np.uint64(to + c)] = value
        else:
            made[np.uint64(to + c)] = pixels[np.uint64(begin + index * each + c)]
