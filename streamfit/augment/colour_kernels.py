"""How images are recoloured: tables of 256 entries, and strips of pixels in float32.

All changes act on *planes*, float32 (channels, length). For uint8 the 256 possible values of each channel are
such planes: changes that treat each channel alone turn them into a table, whatever the size of the image.
From the first change that mixes channels on, the planes are strips of pixels, short enough for the first
cache. Statistics come from a histogram as long as the table goes, else from a pass over the strips.
"""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.colour_changes import (
    AFFINE,
    BLACK,
    BLUE,
    CONTRAST,
    CONTRAST_EACH,
    EQUALIZE,
    EQUALIZE_EXACT,
    FIRST,
    GREEN,
    HEAD,
    HIGHEST,
    LOWEST,
    NONE,
    RED,
    TABLE,
    WHITE,
    bounded,
    change,
    mixes,
)
from streamfit.kernels.decorator import kernel

STRIP = 1024  # pixels


@kernel
def fill_strip(pixels: Array, at: int, planes: Array, length: int) -> None:
    """Copy pixels to planes."""
    given = pixels[at : at + length * planes.shape[0]]
    channels = planes.shape[0]
    if channels == 3:
        for j in range(length):
            planes[0, j] = given[3 * j]
            planes[1, j] = given[3 * j + 1]
            planes[2, j] = given[3 * j + 2]
    else:
        for c in range(channels):
            for j in range(length):
                planes[c, j] = given[j * channels + c]


@kernel
def look_up(pixels: Array, at: int, table: Array, planes: Array, length: int) -> None:
    """Copy the entries of a table that stand for uint8 pixels to planes."""
    given = pixels[at : at + length * planes.shape[0]]
    channels = planes.shape[0]
    if channels == 3:
        for j in range(length):
            planes[0, j] = table[0, np.uint8(given[3 * j])]
            planes[1, j] = table[1, np.uint8(given[3 * j + 1])]
            planes[2, j] = table[2, np.uint8(given[3 * j + 2])]
    else:
        for c in range(channels):
            for j in range(length):
                planes[c, j] = table[c, np.uint8(given[j * channels + c])]


@kernel
def store_strip(planes: Array, made: Array, at: int, length: int) -> None:
    """Write planes as pixels; uint8 is rounded to the nearest, halves up."""
    result = made[at : at + length * planes.shape[0]]
    channels = planes.shape[0]
    if made.itemsize == 1:
        for c in range(channels):
            for j in range(length):
                planes[c, j] = bounded(planes[c, j] + np.float32(0.5), np.float32(0), np.float32(255))
    if channels == 3:
        for j in range(length):
            result[3 * j] = planes[0, j]
            result[3 * j + 1] = planes[1, j]
            result[3 * j + 2] = planes[2, j]
    else:
        for c in range(channels):
            for j in range(length):
                result[j * channels + c] = planes[c, j]


@kernel
def count_values(pixels: Array, at: int, length: int, counts: Array) -> None:
    """Count how often each uint8 value is in each channel.

    Args:
        pixels: The images.
        at: Where the image begins.
        length: Its pixels.
        counts: int64 (channels, 256).
    """
    given = pixels[at : at + length * counts.shape[0]]
    channels = counts.shape[0]
    counts[:] = 0
    if channels == 3:
        for j in range(length):
            counts[0, np.uint8(given[3 * j])] += 1
            counts[1, np.uint8(given[3 * j + 1])] += 1
            counts[2, np.uint8(given[3 * j + 2])] += 1
    else:
        for j in range(length):
            for c in range(channels):
                counts[c, np.uint8(given[j * channels + c])] += 1


@kernel
def gather(
    planes: Array,
    length: int,
    weights: Array,
    weighted: int,
    binned: int,
    totals: Array,
    bins: Array,
    numbers: Array,
) -> None:
    """Add planes to statistics.

    Args:
        planes: float32 (channels, length).
        length: How many of each plane.
        weights: How often each counts, int64 (channels, 256).
        weighted: 0 where each counts once, 1 where `weights` hold.
        binned: 1 where `bins` are wanted.
        totals: Sum, least and greatest value, and number of each channel; float64 (channels, 4).
        bins: How often the nearest of 256 levels is each; int64 (channels, 256).
        numbers: Those of the change that needs the statistics.
    """
    low = np.float32(numbers[BLACK])
    to_level = np.float32(255) / np.float32(numbers[WHITE] - numbers[BLACK])
    for c in range(planes.shape[0]):
        total, least, greatest, count = totals[c, 0], np.float32(totals[c, 1]), np.float32(totals[c, 2]), 0
        if weighted:
            for j in range(length):
                if weights[c, j] > 0:
                    value = planes[c, j]
                    total += np.float64(value) * weights[c, j]
                    least, greatest = min(least, value), max(greatest, value)
                    count += weights[c, j]
                    level = bounded((value - low) * to_level, np.float32(0), np.float32(255))
                    bins[c, np.uint8(level + np.float32(0.5))] += weights[c, j]
        else:
            count = length
            for j in range(length):
                value = planes[c, j]
                total += np.float64(value)
                least, greatest = min(least, value), max(greatest, value)
            if binned:
                for j in range(length):
                    level = bounded((planes[c, j] - low) * to_level, np.float32(0), np.float32(255))
                    bins[c, np.uint8(level + np.float32(0.5))] += 1
        totals[c, 0], totals[c, 1], totals[c, 2] = total, least, greatest
        totals[c, 3] += count


@kernel
def settle_equalize(exactly: int, numbers: Array, bins: Array, table: Array) -> None:
    """Make the table of an equalized histogram: as Pillow has it, or by the distribution."""
    low, scale = numbers[BLACK], (numbers[WHITE] - numbers[BLACK]) / 255.0
    for c in range(bins.shape[0]):
        count, first, last, used = 0, 0, 0, 0
        for v in range(256):
            if bins[c, v] > 0:
                first = bins[c, v] if used == 0 else first
                last, used = bins[c, v], used + 1
            count += bins[c, v]
        step = (count - last) // 255
        below = step // 2
        for v in range(256):
            level = np.float64(v)
            if exactly:
                below += bins[c, v]
                if used > 1:
                    level = max(0.0, np.rint((below - step // 2 - first) * 255.0 / (count - first)))
            else:
                if step > 0:
                    level = np.float64(min(255, below // step))
                below += bins[c, v]
            table[c, v] = low + level * scale


@kernel
def settle(codes: Array, numbers: Array, tables: Array, s: int, totals: Array, bins: Array) -> None:
    """Turn a change that needs statistics into one that needs none."""
    channels = totals.shape[0]
    code = codes[s]
    if code >= EQUALIZE:
        settle_equalize(1 if code == EQUALIZE_EXACT else 0, numbers[s], bins, tables[s])
        codes[s] = TABLE
        return
    grey = 0.0
    for c in range(channels):
        grey += totals[c, 0] / totals[c, 3] / channels
    if channels == 3:
        grey = (RED * totals[0, 0] + GREEN * totals[1, 0] + BLUE * totals[2, 0]) / totals[0, 3]
    factor = numbers[s, FIRST]
    for c in range(channels):
        if code == CONTRAST:
            offset = grey * (1 - factor)
        elif code == CONTRAST_EACH:
            offset = totals[c, 0] / totals[c, 3] * (1 - factor)
        else:
            factor, offset = 1.0, 0.0
            if totals[c, 2] > totals[c, 1]:
                factor = (numbers[s, WHITE] - numbers[s, BLACK]) / (totals[c, 2] - totals[c, 1])
                offset = numbers[s, BLACK] - totals[c, 1] * factor
        numbers[s, HEAD + c], numbers[s, HEAD + channels + c] = factor, offset
    codes[s] = AFFINE


@kernel
def begin_statistics(totals: Array, bins: Array) -> None:
    """Begin with nothing."""
    bins[:] = 0
    for c in range(totals.shape[0]):
        totals[c, 0], totals[c, 1], totals[c, 2], totals[c, 3] = 0.0, math.inf, -math.inf, 0.0


@kernel
def repeat_factors(numbers: Array, pattern: Array) -> None:
    """Write the factors and the offsets of an affine change as those of pixels in a row.

    Args:
        numbers: Those of the change.
        pattern: float32 (2, channels * any).
    """
    channels = (numbers.shape[0] - HEAD) // 2
    for c in range(channels):
        factor, offset = np.float32(numbers[HEAD + c]), np.float32(numbers[HEAD + channels + c])
        for j in range(pattern.shape[1] // channels):
            pattern[0, j * channels + c] = factor
            pattern[1, j * channels + c] = offset


@kernel
def affine_image(
    pixels: Array, at: int, made: Array, to: int, length: int, numbers: Array, pattern: Array
) -> None:
    """Do one affine change of a whole image, without planes.

    Args:
        pixels: The images.
        at: Where the image begins.
        made: The results; other memory.
        to: Where the result begins.
        length: Pixels times channels.
        numbers: Those of the change.
        pattern: What `repeat_factors` has made of them.
    """
    period = pattern.shape[1]
    low, high = np.float32(numbers[LOWEST]), np.float32(numbers[HIGHEST])
    for start in range(0, length, period):
        count = min(period, length - start)
        # The compiler knows that indices of a slice are not negative.
        given, result = pixels[at + start : at + start + count], made[to + start : to + start + count]
        if made.itemsize == 1:
            for j in range(count):
                value = np.float32(given[j]) * pattern[0, j] + pattern[1, j]
                value = bounded(value, low, high) + np.float32(0.5)
                result[j] = np.uint8(bounded(value, np.float32(0), np.float32(255)))
        else:
            for j in range(count):
                value = np.float32(given[j]) * pattern[0, j] + pattern[1, j]
                result[j] = bounded(value, low, high)


@kernel
def affine_images(
    pixels: Array,
    starts: Array,
    sizes: Array,
    made: Array,
    made_starts: Array,
    numbers: Array,
    pattern: Array,
) -> None:
    """Do one affine change of all images, with the bits of `recolour_images`.

    Args:
        pixels: The images, uint8 or float32, flat.
        starts: Where each begins, int64 (n,).
        sizes: Height and width of each, int64 (n, 2).
        made: The results, uint8 or float32, flat; other memory.
        made_starts: Where each begins, int64 (n,).
        numbers: Those of the change, float64 (n, HEAD + 2 * channels).
        pattern: Memory; see `affine_image`.
    """
    width = numbers.shape[1]
    for i in range(starts.shape[0]):
        alike = i > 0
        for k in range(width):
            alike = alike and numbers[i, k] == numbers[i - 1, k]
        if not alike:
            repeat_factors(numbers[i], pattern)
        length = sizes[i, 0] * sizes[i, 1] * ((width - HEAD) // 2)
        affine_image(pixels, starts[i], made, made_starts[i], length, numbers[i], pattern)


@kernel
def recolour_by_table(
    pixels: Array,
    at: int,
    length: int,
    codes: Array,
    numbers: Array,
    tables: Array,
    table: Array,
    counts: Array,
    bins: Array,
    totals: Array,
    split: Array,
) -> None:
    """Make the table of the changes in front of the first that mixes channels.

    Args:
        pixels: uint8 images.
        at: Where the image begins.
        length: Its pixels.
        codes: Of the changes of this image, int64 (steps,).
        numbers: Of the changes of this image, float64 (steps, HEAD + 2 * channels).
        tables: Memory for equalized histograms, float32 (steps, channels, 256).
        table: Gets the table, float32 (channels, 256).
        counts: Memory for a histogram, int64 (channels, 256).
        bins: Memory for another one, int64 (channels, 256).
        totals: Memory for statistics, float64 (channels, 4).
        split: Gets how many changes are in the table, and how many of them do something; int64 (2,).
    """
    # Not written 256: functions that are called with a constant are compiled once more for it.
    levels, end = table.shape[1], codes.shape[0]
    for c in range(table.shape[0]):
        for v in range(levels):
            table[c, v] = v
    counted = False
    done = 0
    for s in range(codes.shape[0]):
        if mixes(codes[s]):
            end = s
            break
        if codes[s] >= CONTRAST:
            if not counted:
                count_values(pixels, at, length, counts)
                counted = True
            begin_statistics(totals, bins)
            gather(table, levels, counts, 1, 1, totals, bins, numbers[s])
            settle(codes, numbers, tables, s, totals, bins)
        change(codes, numbers, tables, s, s + 1, table, levels)
        if codes[s] != NONE:
            done += 1
    split[0], split[1] = end, done


@kernel
def recolour_images(
    pixels: Array,
    starts: Array,
    lengths: Array,
    made: Array,
    made_starts: Array,
    in_place: int,
    codes: Array,
    numbers: Array,
    tables: Array,
    table: Array,
    counts: Array,
    bins: Array,
    totals: Array,
    planes: Array,
    pattern: Array,
    split: Array,
) -> None:
    """Do all changes of all images.

    Args:
        pixels: The images, uint8 or float32, flat.
        starts: Where each begins, int64 (n,).
        lengths: How many pixels each has, int64 (n,).
        made: The results, uint8 or float32, flat.
        made_starts: Where each begins, int64 (n,).
        in_place: 1 where `made` is `pixels`.
        codes: Of the changes, int64 (n, steps); changed.
        numbers: Of the changes, float64 (n, steps, HEAD + 2 * channels); changed.
        tables: Memory; see `recolour_by_table` for this and what follows.
        table: Memory.
        counts: Memory.
        bins: Memory.
        totals: Memory.
        planes: Memory for a strip, float32 (channels, STRIP).
        pattern: Memory; see `affine_image`.
        split: Memory, int64 (2,).
    """
    channels, steps = planes.shape[0], codes.shape[1]
    for i in range(starts.shape[0]):
        at, to, length = starts[i], made_starts[i], lengths[i]
        active, last = 0, 0
        for s in range(steps):
            if codes[i, s] != NONE:
                active, last = active + 1, s
        if active == 0 or length == 0:
            if not in_place:
                for j in range(length * channels):
                    made[to + j] = pixels[at + j]
            continue
        if active == 1 and codes[i, last] == AFFINE and not in_place:
            repeat_factors(numbers[i, last], pattern)
            affine_image(pixels, at, made, to, length * channels, numbers[i, last], pattern)
            continue
        split[0], split[1] = 0, 0
        if pixels.itemsize == 1:
            recolour_by_table(
                pixels, at, length, codes[i], numbers[i], tables, table, counts, bins, totals, split
            )
        for s in range(split[0], steps + 1):
            # Behind the last change the strips are stored, in front of others statistics may be needed.
            if s < steps and codes[i, s] < CONTRAST:
                continue
            begin_statistics(totals, bins)
            for start in range(0, length, STRIP):
                count = min(STRIP, length - start)
                if split[1] > 0:
                    look_up(pixels, at + start * channels, table, planes, count)
                else:
                    fill_strip(pixels, at + start * channels, planes, count)
                change(codes[i], numbers[i], tables, split[0], s, planes, count)
                if s == steps:
                    store_strip(planes, made, to + start * channels, count)
                else:
                    binned = 1 if codes[i, s] >= EQUALIZE else 0
                    gather(planes, count, counts, 0, binned, totals, bins, numbers[i, s])
            if s < steps:
                settle(codes[i], numbers[i], tables, s, totals, bins)
