"""The kernels of random pixels: noise, and boxes that are erased. Each word of random bits has its place."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel
from streamfit.kernels.splitmix import splitmix

_16, _40 = np.uint64(16), np.uint64(40)


@kernel
def add_noise(
    pixels: Array,
    starts: Array,
    lengths: Array,
    scales: Array,
    keys: Array,
    quantiles: Array,
    limits: Array,
    noise: Array,
) -> None:
    """Add a random number of a distribution to each number of the images; uint8 is rounded.

    Args:
        pixels: uint8 or float32, flat; changed.
        starts: Where each image begins, int64 (n,).
        lengths: Its numbers, int64 (n,).
        scales: What the random numbers are multiplied by, float32 (n,); 0 leaves the image.
        keys: uint64 (n,).
        quantiles: 65536 equally likely numbers, float32.
        limits: The lowest and highest result, float32 (2,).
        noise: Memory for some random numbers, float32 (4 * any,).
    """
    low, high = limits[0], limits[1]
    rounding = np.float32(0.5 if pixels.itemsize == 1 else 0.0)
    block = noise.shape[0]
    for i in range(starts.shape[0]):
        if scales[i] == 0:
            continue
        scale = scales[i]
        for start in range(0, lengths[i], block):
            count = min(block, lengths[i] - start)
            for w in range((count + 3) // 4):
                word = splitmix(keys[i], start // 4 + w)
                for k in range(4):
                    noise[4 * w + k] = quantiles[np.uint16(word)]
                    word = word >> _16
            some = pixels[starts[i] + start : starts[i] + start + count]
            for j in range(count):
                value = np.float32(some[j]) + noise[j] * scale
                value = low if value < low else value
                value = high if value > high else value
                some[j] = value + rounding


@kernel
def sprinkle(
    pixels: Array, starts: Array, lengths: Array, channels: int, shares: Array, keys: Array, colours: Array
) -> None:
    """Make some pixels black and as many white.

    Args:
        pixels: uint8 or float32, flat; changed.
        starts: Where each image begins, int64 (n,).
        lengths: Its pixels, int64 (n,).
        channels: Numbers in a pixel.
        shares: Which share of the pixels, in units of 2 ** -24; int64 (n,).
        keys: uint64 (n,).
        colours: Black and white, float32 (2,).
    """
    for i in range(starts.shape[0]):
        if shares[i] == 0:
            continue
        some = pixels[starts[i] : starts[i] + lengths[i] * channels]
        for j in range(lengths[i]):
            word = splitmix(keys[i], j)
            if np.int64(word >> _40) < shares[i]:
                colour = colours[np.int64(word & np.uint64(1))]
                for c in range(channels):
                    some[channels * j + c] = colour


@kernel
def erase_boxes(
    pixels: Array,
    starts: Array,
    sizes: Array,
    channels: int,
    boxes: Array,
    colours: Array,
    keys: Array,
    limits: Array,
) -> None:
    """Fill a box of each image.

    Args:
        pixels: uint8 or float32, flat; changed.
        starts: Where each image begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        boxes: First row, first column, and those behind the last; int64 (n, 4). An empty one changes nothing.
        colours: float32 (n, channels).
        keys: Where they are not empty, the box is filled with random numbers instead; uint64 (n,) or (0,).
        limits: The lowest random number, and how many numbers up to the highest, float32 (2,).
    """
    for i in range(starts.shape[0]):
        place, count = 0, max(0, boxes[i, 3] - boxes[i, 1])
        for row in range(boxes[i, 0], boxes[i, 2]):
            first = starts[i] + (row * sizes[i, 1] + boxes[i, 1]) * channels
            some = pixels[first : first + count * channels]
            if keys.shape[0] == 0:
                for c in range(channels):
                    colour = colours[i, c]
                    for j in range(count):
                        some[j * channels + c] = colour
            else:
                for j in range(count * channels):
                    unit = np.float32(splitmix(keys[i], place + j) >> _40) * np.float32(2.0**-24)
                    some[j] = limits[0] + unit * limits[1]
                place += count * channels
