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

    Neighbours at the same distance have the same weight.

    Args:
        pixels: uint8 or float32, flat.
        starts: Where each image begins, in `made` too; int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        made: Gets the results, of the same dtype; uint8 is rounded.
        radii: How many neighbours on each side; int64 (n,). 0 is a copy.
        rows: Weight of the pixel and of those above and below it, by their distance; float32 (n, most + 1).
        columns: The same for pixels to the left and right.
        line: Memory for a row with its margins, float32 ((width + 2 * most) * channels,).
        sums: Memory for a row, float32 (width * channels,).
    """
    rounding = np.float32(0.5 if made.itemsize == 1 else 0.0)
    for i in range(starts.shape[0]):
        height, width, radius = sizes[i, 0], sizes[i, 1], radii[i]
        length = width * channels
        margin = radius * channels
        for r in range(height):
            result = made[starts[i] + r * length : starts[i] + (r + 1) * length]
            if radius == 0:
                given = pixels[starts[i] + r * length : starts[i] + (r + 1) * length]
                for j in range(length):
                    result[j] = given[j]
                continue
            inner = line[margin : margin + length]
            given, weight = pixels[starts[i] + r * length : starts[i] + (r + 1) * length], rows[i, 0]
            for j in range(length):
                inner[j] = weight * np.float32(given[j])
            for k in range(1, radius + 1):
                weight = rows[i, k]
                first = starts[i] + mirrored(r - k, height) * length
                above = pixels[first : first + length]
                first = starts[i] + mirrored(r + k, height) * length
                below = pixels[first : first + length]
                for j in range(length):
                    inner[j] += weight * (np.float32(above[j]) + np.float32(below[j]))
            for k in range(1, radius + 1):
                for c in range(channels):
                    line[margin - k * channels + c] = inner[mirrored(-k, width) * channels + c]
                    outside = mirrored(width - 1 + k, width)
                    line[margin + length + (k - 1) * channels + c] = inner[outside * channels + c]
            weight = columns[i, 0]
            for j in range(length):
                sums[j] = weight * inner[j] + rounding
            for k in range(1, radius + 1):
                weight = columns[i, k]
                left = line[margin - k * channels : margin - k * channels + length]
                right = line[margin + k * channels : margin + k * channels + length]
                for j in range(length):
                    sums[j] += weight * (left[j] + right[j])
            for j in range(length):
                result[j] = sums[j]


@kernel
def sharpen_images(
    pixels: Array,
    starts: Array,
    sizes: Array,
    channels: int,
    factors: Array,
    limits: Array,
    above: Array,
    sums: Array,
) -> None:
    """Move each pixel away from the mean of its neighbours, in which it counts five times.

    Args:
        pixels: uint8 or float32, flat; changed, and uint8 is rounded. Pixels at the edges stay.
        starts: Where each image begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        factors: 0 for the mean, 1 for the pixel; float32 (n,).
        limits: The lowest and highest result, float32 (2,).
        above: Memory for a row, float32 (width * channels,).
        sums: Memory for another one.
    """
    low, high = limits[0], limits[1]
    rounding = np.float32(0.5 if pixels.itemsize == 1 else 0.0)
    thirteenth, four = np.float32(1 / 13), np.float32(4)
    for i in range(starts.shape[0]):
        height, width, factor = sizes[i, 0], sizes[i, 1], factors[i]
        if height < 3 or width < 3 or factor == 1:
            continue
        length = width * channels
        here = pixels[starts[i] : starts[i] + length]
        for j in range(length):
            above[j] = np.float32(here[j])
        for r in range(1, height - 1):
            first = starts[i] + r * length
            here, below = pixels[first : first + length], pixels[first + length : first + 2 * length]
            for j in range(length):
                value = np.float32(here[j])
                sums[j] = above[j] + value + np.float32(below[j])
                above[j] = value
            inner = here[channels : length - channels]
            middle, right = sums[channels : length - channels], sums[2 * channels : length]
            for j in range(length - 2 * channels):
                value = np.float32(inner[j])
                mean = (sums[j] + middle[j] + right[j] + four * value) * thirteenth
                value = mean + factor * (value - mean)
                value = low if value < low else value
                value = high if value > high else value
                inner[j] = value + rounding
