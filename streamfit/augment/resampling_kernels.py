"""The kernels of resizing: weights of a filter; pixels weighted along columns, then along rows."""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined, kernel, superword_kernel

AREA, BILINEAR, BICUBIC, LANCZOS3 = 0, 1, 2, 3  # where not 0, the radius of the filter in pixels
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)  # places of one kind need no check of their sign
_LEAST_TOTAL = 1e-4  # of weights, as of those of Lanczos where nearly all pixels are beyond the edge


@inlined
def filter_value(x: float, method: int) -> float:
    """Return the value of a filter at a distance in pixels, which is not negative."""
    if method == BILINEAR:
        return max(0.0, 1.0 - x)
    if method == BICUBIC:  # Keys (1981) with a = -0.5
        if x < 1:
            return (1.5 * x - 2.5) * x * x + 1
        return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0
    if x < 1e-6:
        return 1.0
    if x >= 3:
        return 0.0
    angle = math.pi * x
    return 3 * math.sin(angle) * math.sin(angle / 3) / (angle * angle)


@inlined
def filter_weights(
    low: float,
    high: float,
    length: int,
    count: int,
    method: int,
    antialias: int,
    firsts: Array,
    taps: Array,
    weights: Array,
) -> None:
    """Compute which pixels make up each pixel of a resized axis, and their weights, of sum 1.

    Pixels of the box alone are used: those beyond its edge weigh nothing.

    Args:
        low: Where the box begins.
        high: Where it ends.
        length: Pixels of the image along this axis.
        count: Pixels of the result.
        method: `AREA`, `BILINEAR`, `BICUBIC` or `LANCZOS3`.
        antialias: 1 to widen the filter by the factor that the axis shrinks by.
        firsts: Gets the first pixel of each, int64 (at least `count`,).
        taps: Gets how many there are, int64 (the same,).
        weights: Gets the weights, float32 (the same, most taps).
    """
    scale = (high - low) / count
    wide = max(scale, 1.0) if antialias == 1 else 1.0
    radius = scale / 2 if method == AREA else method * wide  # of a filter: 1, 2 or 3 pixels
    begin, end = max(math.floor(low), 0), min(math.ceil(high), length)
    for i in range(count):
        middle = low + (i + 0.5) * (high - low) / count
        first = int(max(math.floor(middle - radius + 0.5 * (method != AREA)), begin))
        last = int(min(math.ceil(middle + radius - 0.5 * (method != AREA)), end))
        first = min(first, end - 1)
        last = max(last, first + 1)
        total = 0.0
        for k in range(first, last):
            if method == AREA:
                weight = max(0.0, min(middle + radius, k + 1.0) - max(middle - radius, float(k)))
            else:
                weight = filter_value(abs(k + 0.5 - middle) / wide, method)
            weights[i, k - first] = weight
            total += weight
        if abs(total) < _LEAST_TOTAL:
            total = 1.0
        for k in range(last - first):
            weights[i, k] = weights[i, k] / total
        firsts[i], taps[i] = first, last - first


@inlined
def weigh_rows(
    pixels: Array, start: int, stride: int, count: int, taps: int, weights: Array, line: Array
) -> None:
    """Write the weighted sum of rows into a line.

    Args:
        pixels: The images.
        start: Where the first row begins.
        stride: Numbers from a row to the next one.
        count: How many numbers of each row to sum.
        taps: How many rows.
        weights: float32 (at least `taps`,).
        line: float32 (at least `count`,).
    """
    done = 0
    if taps % 2 == 1:
        row, weight = pixels[start : start + count], weights[0]
        for j in range(count):
            line[j] = weight * np.float32(row[j])
        done = 1
    for k in range(done, taps, 2):
        at = start + k * stride
        one, two = pixels[at : at + count], pixels[at + stride : at + stride + count]
        first, second = weights[k], weights[k + 1]
        if k == 0:
            for j in range(count):
                line[j] = first * np.float32(one[j]) + second * np.float32(two[j])
        else:
            for j in range(count):
                line[j] += first * np.float32(one[j]) + second * np.float32(two[j])


@inlined
def as_pairs(count: int, taps: Array, weights: Array) -> int:
    """Return 1 where each sum has two terms at most, and let a single pixel count twice by a half; or 0."""
    for i in range(count):
        if taps[i] > 2:
            return 0
    for i in range(count):
        if taps[i] == 1:
            weights[i, 0], weights[i, 1] = np.float32(0.5), np.float32(0.5)
    return 1


@inlined
def weigh_columns(
    line: Array,
    left: int,
    channels: int,
    pairs: int,
    firsts: Array,
    taps: Array,
    weights: Array,
    made: Array,
    to: int,
) -> None:
    """Write the weighted sums of the pixels of a line.

    Args:
        line: float32, from column `left` of the image on, with four numbers to spare.
        left: That column.
        channels: Numbers in a pixel.
        pairs: What `as_pairs` returned.
        firsts: The first column of each sum, int64 (sums,).
        taps: How many columns, int64 (the same,).
        weights: float32 (at least sums, most taps).
        made: Gets the sums, float32.
        to: Where the first one begins.
    """
    count = len(firsts)
    # Four numbers at once are one instruction. Of a pixel of three, the next one overwrites the fourth.
    fours = 0
    if channels == 3 or channels == 4:
        fours = count if channels == 4 else count - 1
    if pairs == 1:
        for i in range(fours):
            at = (firsts[i] - left) * channels
            p, q, r = np.uint64(at), np.uint64(at + (taps[i] - 1) * channels), np.uint64(to + i * channels)
            u, v = weights[i, 0], weights[i, 1]
            one, two = u * line[p] + v * line[q], u * line[p + ONE] + v * line[q + ONE]
            three, four = u * line[p + TWO] + v * line[q + TWO], u * line[p + THREE] + v * line[q + THREE]
            made[r], made[r + ONE], made[r + TWO], made[r + THREE] = one, two, three, four
    else:
        for i in range(fours):
            p, r = np.uint64((firsts[i] - left) * channels), np.uint64(to + i * channels)
            weight = weights[i, 0]
            one, two = weight * line[p], weight * line[p + ONE]
            three, four = weight * line[p + TWO], weight * line[p + THREE]
            for k in range(1, taps[i]):
                p += np.uint64(channels)
                weight = weights[i, k]
                one += weight * line[p]
                two += weight * line[p + ONE]
                three += weight * line[p + TWO]
                four += weight * line[p + THREE]
            made[r], made[r + ONE], made[r + TWO], made[r + THREE] = one, two, three, four
    for i in range(fours, count):
        at, other = (firsts[i] - left) * channels, (firsts[i] - left + taps[i] - 1) * channels
        for c in range(channels):
            total = np.float32(0)
            if pairs == 1:
                total = weights[i, 0] * line[at + c] + weights[i, 1] * line[other + c]
            else:
                for k in range(taps[i]):
                    total += weights[i, k] * line[at + k * channels + c]
            made[to + i * channels + c] = total


@superword_kernel
def resample_pixels(
    pixels: Array,
    starts: Array,
    sizes: Array,
    boxes: Array,
    made: Array,
    made_starts: Array,
    made_sizes: Array,
    channels: int,
    method: int,
    antialias: int,
    places: Array,
    weights: Array,
    lines: Array,
) -> None:
    """Resize a box of each image with a filter; uint8 is rounded to the nearest, halves up.

    Args:
        pixels: The images, uint8 or float32, flat.
        starts: Where each begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        boxes: Left, upper, right and lower edge, float64 (n, 4).
        made: The results, of the same dtype.
        made_starts: Where each begins, int64 (n,).
        made_sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        method: `AREA`, `BILINEAR`, `BICUBIC` or `LANCZOS3`.
        antialias: 1 to widen the filter where an image shrinks.
        places: Scratch, int64 (4, most pixels of a result's axis).
        weights: Scratch, float32 (2, the same, most taps).
        lines: Scratch, float32 (2, most columns times channels of an image or a result, and 4).
    """
    whole = made.itemsize == 1
    low, high = np.float32(0), np.float32(255)
    half = np.float32(0.5)
    pairs = 0
    for i in range(starts.shape[0]):
        height, width = sizes[i, 0], sizes[i, 1]
        rows, columns = made_sizes[i, 0], made_sizes[i, 1]
        same = i > 0
        if same:
            for k in range(2):
                same &= sizes[i, k] == sizes[i - 1, k] and made_sizes[i, k] == made_sizes[i - 1, k]
            for k in range(4):
                same &= boxes[i, k] == boxes[i - 1, k]
        if not same:
            left, upper, right, lower = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
            filter_weights(upper, lower, height, rows, method, antialias, places[0], places[1], weights[0])
            filter_weights(left, right, width, columns, method, antialias, places[2], places[3], weights[1])
            pairs = as_pairs(columns, places[3], weights[1])
        begin, end = width, 0
        for k in range(columns):
            begin = min(begin, places[2, k])
            end = max(end, places[2, k] + places[3, k])
        stride = width * channels
        line, result = lines[0], lines[1]
        firsts, taps, sums = places[2, :columns], places[3, :columns], columns * channels
        for row in range(rows):
            at = starts[i] + places[0, row] * stride + begin * channels
            weigh_rows(pixels, at, stride, (end - begin) * channels, places[1, row], weights[0, row], line)
            to = made_starts[i] + row * sums
            if whole:
                weigh_columns(line, begin, channels, pairs, firsts, taps, weights[1], result, 0)
                target = made[to : to + sums]
                for k in range(sums):
                    target[k] = min(max(result[k] + half, low), high)
            else:
                weigh_columns(line, begin, channels, pairs, firsts, taps, weights[1], made, to)


@kernel
def pick_pixels(
    pixels: Array,
    starts: Array,
    sizes: Array,
    boxes: Array,
    made: Array,
    made_starts: Array,
    made_sizes: Array,
    channels: int,
    columns: Array,
) -> None:
    """Resize a box of each image by the pixel that the centre of each pixel of the result is in.

    Args:
        pixels: The images, flat.
        starts: Where each begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        boxes: Left, upper, right and lower edge, float64 (n, 4).
        made: The results, of the same dtype.
        made_starts: Where each begins, int64 (n,).
        made_sizes: Height and width of each, int64 (n, 2).
        channels: Numbers in a pixel.
        columns: Scratch, int64 (most columns of a result,).
    """
    for i in range(starts.shape[0]):
        height, width = sizes[i, 0], sizes[i, 1]
        rows, count = made_sizes[i, 0], made_sizes[i, 1]
        left, upper, right, lower = boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]
        for k in range(count):
            x = math.floor(left + (k + 0.5) * (right - left) / count)
            columns[k] = min(max(x, 0), width - 1) * channels
        for row in range(rows):
            y = min(max(math.floor(upper + (row + 0.5) * (lower - upper) / rows), 0), height - 1)
            at, to = starts[i] + int(y) * width * channels, made_starts[i] + row * count * channels
            source = pixels[at : at + width * channels]
            target = made[to : to + count * channels]
            if channels == 3:
                for k in range(count):
                    target[3 * k] = source[columns[k]]
                    target[3 * k + 1] = source[columns[k] + 1]
                    target[3 * k + 2] = source[columns[k] + 2]
            else:
                for k in range(count):
                    for c in range(channels):
                        target[k * channels + c] = source[columns[k] + c]
