"""Arithmetic that all kernels of warps share, so that each way to take a pixel gives the same bits."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import exact, inlined

CONSTANT, NEAREST, REFLECT, MIRROR, WRAP = 0, 1, 2, 3, 4  # places in `FILL_MODES`
SLACK = 1e-6  # of a pixel: what rounding may add to the corner of a crop
FARTHEST = 1e9  # pixels further away than this are outside in every mode: their numbers fit 32 bits


@exact
def along(a: float, b: float, c: float, x: float, y: float) -> float:
    """Return one row of a matrix times (x, y, 1)."""
    return a * x + (b * y + c)


@exact
def between(one: np.float32, other: np.float32, fraction: np.float32) -> np.float32:
    """Return the number between two others; equal ones give the same number."""
    return one + (other - one) * fraction


@exact
def share(x: float, left: int | np.int32) -> np.float32:
    """Return the share of the pixel behind pixel `left` at a point: 0 at the centre of `left`."""
    return np.float32(x - 0.5 - left)


@exact
def folded(x: float, length: float, mode: int) -> float:
    """Return the point inside a frame that stands for a point outside of it."""
    if mode == NEAREST:
        return min(max(x, 0.5), length - 0.5)
    if mode == REFLECT:
        x = x - np.floor(x / (2 * length)) * 2 * length
        return x if x <= length else 2 * length - x
    if mode == MIRROR:
        if length <= 1:
            return 0.5
        period = 2 * (length - 1)
        x = x - 0.5
        x = x - np.floor(x / period) * period
        return (x if x <= length - 1 else period - x) + 0.5
    return float(x - np.floor(x / length) * length)  # wrap


@inlined
def folded_index(i: int, length: int, mode: int) -> int:
    """Return the pixel that stands for one outside the image; -1 for the fill value."""
    if 0 <= i < length:
        return i
    if mode == CONSTANT:
        return -1
    if mode == NEAREST:
        return 0 if i < 0 else length - 1
    if mode == WRAP:
        return i % length
    if mode == MIRROR and length == 1:
        return 0
    repeated = 0 if mode == REFLECT else 1  # pixels at the edge that the reflection leaves out
    if i < -length or i >= 2 * length - repeated:
        i = i % (2 * (length - repeated))
    if i < 0:
        i = repeated - 1 - i
    return i if i < length else 2 * length - 1 - repeated - i


@inlined
def put(made: Array, to: int, number: np.float32) -> None:
    """Write one number; uint8 is rounded to the nearest, halves up."""
    if made.itemsize == 1:
        made[np.uint64(to)] = np.uint8(number + np.float32(0.5))
    else:
        made[np.uint64(to)] = number


@inlined
def put_row(line: Array, low: int, high: int, made: Array, to: int) -> None:
    """Write numbers `low` to `high` of a row that begins at `to`."""
    for k in range(low, high):
        put(made, to + k, line[np.uint64(k)])
