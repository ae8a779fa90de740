"""The kernels of filters over the neighbours of a pixel: blur, and the smooth image of sharpness."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined, kernel


@inlined
def mirrored(i: int, length: int) -> int:
    """Return the pixel for one outside the image, mirrored at the last one: ``c b | a b c | b a``."""
    if length == 1:
        return 0
    i = i % (2 * length - 2)
    return i if i < length else 2 * length - 2 - i


@kernel
def blur_images(
    pixels: Array,
    starts: Array,
    sizes: Array,
    channels: int,
    made: Array,
    radii: Array,
    rows: Array,
    columns: Array,
    line: Array,
    sums: Array,
) -> None:
    """Sum each pixel and its neighbours above, below, left and right, with weights.

    Args:
        pixels: uint8 or float32, flat.
        starts: Where each image begins, in `made` too; int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        made: Gets the results, of the same dtype; uint8 is rounded.
        radii: How many neighbours on each side; int64 (n,). 0 is a copy.
        rows: Weights from above to below, that of the pixel in the middle; float32 (n, 2 * most + 1).
        columns: Weights from left to right, the same way.
        line: Memory for a row with its margins, float32 ((width + 2 * most) * channels,).
        sums: Memory for a row, float32 (width * channels,).
    """
    middle = rows.shape[1] // 2
    rounding = np.float32(0.5 if made.itemsize == 1 else 0.0)
    for i in range(starts.shape[0]):
        height, width, radius = sizes[i, 0], sizes[i, 1], radii[i]
        length = width * channels
        margin = radius * channels
        for r in range(height):
            result = made[starts[i] + r * length : starts[i] + (r + 1) * length]
            if radius == 0:
                result[:] = pixels[starts[i] + r * length : starts[i] + (r + 1) * length]
                continue
            inner = line[margin : margin + length]
            inner[:] = 0
            for k in range(-radius, radius + 1):
                weight = rows[i, middle + k]
                first = starts[i] + mirrored(r + k, height) * length
                given = pixels[first : first + length]
                for j in range(length):
                    inner[j] += weight * np.float32(given[j])
            for k in range(1, radius + 1):
                for c in range(channels):
                    line[margin - k * channels + c] = inner[mirrored(-k, width) * channels + c]
                    outside = mirrored(width - 1 + k, width)
                    line[margin + length + (k - 1) * channels + c] = inner[outside * channels + c]
            for j in range(length):
                sums[j] = rounding
            for k in range(-radius, radius + 1):
                weight = columns[i, middle + k]
                given = line[margin + k * channels : margin + k * channels + length]
                for j in range(length):
                    sums[j] += weight * given[j]
            for j in range(length):
                result[j] = sums[j]


@kernel
def sharpen_images(
    pixels: Array, starts: Array, sizes: Array, channels: int, made: Array, factors: Array, limits: Array
) -> None:
    """Move each pixel away from the mean of its neighbours, in which it counts five times.

    Args:
        pixels: uint8 or float32, flat.
        starts: Where each image begins, in `made` too; int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        made: Gets the results, of the same dtype; uint8 is rounded. Pixels at the edges are copied.
        factors: 0 for the mean, 1 for the pixel; float32 (n,).
        limits: The lowest and highest result, float32 (2,).
    """
    low, high = limits[0], limits[1]
    rounding = np.float32(0.5 if made.itemsize == 1 else 0.0)
    thirteenth, four = np.float32(1 / 13), np.float32(4)
    for i in range(starts.shape[0]):
        height, width, factor = sizes[i, 0], sizes[i, 1], factors[i]
        length = width * channels
        for r in range(height):
            first = starts[i] + r * length
            result, here = made[first : first + length], pixels[first : first + length]
            if r == 0 or r == height - 1 or width < 3 or factor == 1:
                result[:] = here
                continue
            above, below = pixels[first - length : first], pixels[first + length : first + 2 * length]
            right = 2 * channels
            for j in range(length - right):
                value = np.float32(here[j + channels])
                mean = value * four
                mean += np.float32(above[j]) + np.float32(above[j + channels]) + np.float32(above[j + right])
                mean += np.float32(here[j]) + value + np.float32(here[j + right])
                mean += np.float32(below[j]) + np.float32(below[j + channels]) + np.float32(below[j + right])
                mean *= thirteenth
                value = mean + factor * (value - mean)
                value = low if value < low else value
                value = high if value > high else value
                result[j + channels] = value + rounding
            for c in range(channels):
                result[c] = here[c]
                result[length - 1 - c] = here[length - 1 - c]
