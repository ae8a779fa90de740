"""Kernels of warps by whole pixels: flips, crops, pads and quarter turns copy pixels."""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.augment.warp_points import CONSTANT, FARTHEST, folded_index
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
        return bool(abs(m[0]) == 1 and abs(m[4]) == 1)
    return bool(m[0] == 0 and m[4] == 0 and abs(m[1]) == 1 and abs(m[3]) == 1)


@inlined
def first_and_stride(factor: float, shift: float) -> tuple[int, int]:
    """Return the pixel that pixel 0 shows, and how far the next one is."""
    return (int(shift), 1) if factor > 0 else (int(shift) - 1, -1)


@inlined
def copy_numbers(pixels: Array, at: int, made: Array, to: int, count: int) -> None:
    """Copy neighbouring numbers."""
    for k in range(count):
        made[np.uint64(to + k)] = pixels[np.uint64(at + k)]


@inlined
def copy_pixels(pixels: Array, at: int, stride: int, made: Array, to: int, count: int, channels: int) -> None:
    """Copy pixels that are `stride` numbers apart to neighbouring places."""
    if stride == channels:
        copy_numbers(pixels, at, made, to, count * channels)
    elif channels == 1:
        for j in range(count):
            made[np.uint64(to + j)] = pixels[np.uint64(at + j * stride)]
    elif channels == 3 and count > 1:
        _copy_one(pixels, at, made, to, 3)
        for j in range(1, count - 1):  # with a number behind each, which the next pixel overwrites
            p, q = at + j * stride, to + 3 * j
            a, b = pixels[np.uint64(p)], pixels[np.uint64(p + 1)]
            c, d = pixels[np.uint64(p + 2)], pixels[np.uint64(p + 3)]
            made[np.uint64(q)] = a
            made[np.uint64(q + 1)] = b
            made[np.uint64(q + 2)] = c
            made[np.uint64(q + 3)] = d
        _copy_one(pixels, at + (count - 1) * stride, made, to + 3 * (count - 1), 3)
    else:
        for j in range(count):
            _copy_one(pixels, at + j * stride, made, to + j * channels, channels)


@inlined
def _copy_one(pixels: Array, at: int, made: Array, to: int, channels: int) -> None:
    for c in range(channels):
        made[np.uint64(to + c)] = pixels[np.uint64(at + c)]


@inlined
def fill_pixels(made: Array, to: int, count: int, value: float) -> None:
    """Write a value `count` times."""
    for k in range(count):
        made[np.uint64(to + k)] = value


@inlined
def move_run(
    pixels: Array,
    start: int,
    size: Array,
    made: Array,
    to: int,
    made_height: int,
    channels: int,
    first_row: int,
    first: int,
    low: int,
    high: int,
) -> tuple[int, int]:
    """Copy an image into a frame of its width, at once: all pixels move equally far.

    Pixels outside of columns `low` to `high` get what is of no use, between the rows.

    Returns:
        The first row that shows the image, and the one behind the last.
    """
    height, width = size[0], size[1]
    top = min(max(-first_row, 0), made_height)
    bottom = min(max(height - first_row, top), made_height)
    if bottom > top and high > low:
        at = start + ((first_row + top) * width + first + low) * channels
        count = ((bottom - top - 1) * width + high - low) * channels
        copy_numbers(pixels, at, made, to + (top * width + low) * channels, count)
    return top, bottom


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
    if (
        m[0] == 1
        and m[4] == 1
        and m[2] == 0
        and m[5] == 0
        and width == made_size[1]
        and height == made_size[0]
    ):
        copy_numbers(pixels, start, made, to, height * width * channels)
        return
    turned = m[0] == 0
    # Pixel (i, j) of the result is pixel first + step * place of the image, along rows and columns.
    first_k, step_k = first_and_stride(m[0] + m[1], m[2])
    first_r, step_r = first_and_stride(m[3] + m[4], m[5])
    if turned:
        first, step, length, stride = first_r, step_r, height, step_r * width * channels
    else:
        first, step, length, stride = first_k, step_k, width, step_k * channels
    count = made_size[1]
    # Columns low to high show pixels inside the image.
    if step > 0:
        low, high = -first, length - first
    else:
        low, high = first - length + 1, first + 1
    low = min(max(low, 0), count)
    high = min(max(high, low), count)
    each = width * channels if turned else channels
    top, bottom = 0, 0  # of rows that are there
    if not turned and step > 0 and step_r > 0 and count == width:
        top, bottom = move_run(
            pixels, start, size, made, to, made_size[0], channels, first_r, first, low, high
        )
    for i in range(made_size[0]):
        if turned:
            fixed = folded_index(first_k + step_k * i, width, mode)
            begin = start + fixed * channels
        else:
            fixed = folded_index(first_r + step_r * i, height, mode)
            begin = start + fixed * width * channels
        if fixed < 0:
            fill_pixels(made, to, count * channels, value)
        else:
            if not top <= i < bottom:
                at = begin + (first + step * low) * each
                copy_pixels(pixels, at, stride, made, to + low * channels, high - low, channels)
            if mode == CONSTANT:
                fill_pixels(made, to, low * channels, value)
                fill_pixels(made, to + high * channels, (count - high) * channels, value)
                to += count * channels
                continue
            for k in range(count - (high - low)):
                j = k if k < low else k + high - low
                index = folded_index(first + step * j, length, mode)
                _copy_one(pixels, begin + index * each, made, to + j * channels, channels)
        to += count * channels
