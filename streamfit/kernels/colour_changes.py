"""Changes of colours on planes: one channel behind the other, float32 (channels, length).

All of them are loops that become vector code, the turn of the hue included. How images become planes, and
where statistics come from, is the matter of `streamfit.augment.colour_kernels`.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined, kernel
from streamfit.kernels.exponentials import wide_exp, wide_log

# A change is a code and a row of numbers: the lowest and highest value that it may give, black and white,
# two parameters, then a factor and an offset for each channel.
NONE, AFFINE, GAMMA, POSTERIZE, SOLARIZE, TABLE = 0, 1, 2, 3, 4, 5
SATURATION, SATURATION_HSV, HUE = 6, 7, 8  # those that mix channels
CONTRAST, CONTRAST_EACH, AUTO_CONTRAST, EQUALIZE, EQUALIZE_EXACT = (
    9,
    10,
    11,
    12,
    13,
)  # by statistics
LOWEST, HIGHEST, BLACK, WHITE, FIRST, SECOND = 0, 1, 2, 3, 4, 5
HEAD = 6  # numbers in front of the factors
RED, GREEN, BLUE = 0.299, 0.587, 0.114  # luma of ITU-R BT.601


@inlined
def mixes(code: int) -> bool:
    """Return whether a change needs all channels of a pixel."""
    return SATURATION <= code <= HUE


@inlined
def bounded(value: np.float32, low: np.float32, high: np.float32) -> np.float32:
    """Return the value, or the nearest bound."""
    value = low if value < low else value
    return high if value > high else value


@kernel
def change_affine(numbers: Array, planes: Array, length: int) -> None:
    """Multiply by a factor and add an offset, each of the channel."""
    channels = planes.shape[0]
    low, high = np.float32(numbers[LOWEST]), np.float32(numbers[HIGHEST])
    for c in range(channels):
        factor, offset = np.float32(numbers[HEAD + c]), np.float32(numbers[HEAD + channels + c])
        for j in range(length):
            planes[c, j] = bounded(planes[c, j] * factor + offset, low, high)


@kernel
def change_point(code: int, numbers: Array, planes: Array, length: int) -> None:
    """Do a change of each number by itself, other than affine ones and tables."""
    channels = planes.shape[0]
    low, high = np.float32(numbers[BLACK]), np.float32(numbers[WHITE])
    first, second = numbers[FIRST], np.float32(numbers[SECOND])
    to_unit, from_unit = np.float32(1) / (high - low), high - low
    if code == GAMMA:
        for c in range(channels):
            for j in range(length):
                unit = bounded((planes[c, j] - low) * to_unit, np.float32(0), np.float32(1))
                power = np.float32(wide_exp(first * wide_log(np.float64(unit))))
                planes[c, j] = bounded(low + from_unit * (second * power), low, high)
    elif code == POSTERIZE:
        width = np.float32(first)
        to_level, from_level = to_unit * np.float32(255), from_unit / np.float32(255)
        for c in range(channels):
            for j in range(length):
                level = np.floor((planes[c, j] - low) * to_level + np.float32(0.5))
                planes[c, j] = low + np.floor(level / width) * width * from_level
    elif code == SOLARIZE:
        threshold, total = np.float32(first), low + high
        for c in range(channels):
            for j in range(length):
                value = planes[c, j]
                planes[c, j] = total - value if value >= threshold else value


@kernel
def change_by_table(numbers: Array, table: Array, planes: Array, length: int) -> None:
    """Look up the nearest of 256 levels between black and white."""
    low = np.float32(numbers[BLACK])
    to_level = np.float32(255) / np.float32(numbers[WHITE] - numbers[BLACK])
    for c in range(planes.shape[0]):
        for j in range(length):
            level = bounded((planes[c, j] - low) * to_level, np.float32(0), np.float32(255))
            planes[c, j] = table[c, np.uint8(level + np.float32(0.5))]


@kernel
def change_saturation(code: int, numbers: Array, planes: Array, length: int) -> None:
    """Move red, green and blue away from their luma, or scale the saturation of HSV."""
    low, high = np.float32(numbers[BLACK]), np.float32(numbers[WHITE])
    factor = np.float32(numbers[FIRST])
    one, tiny = np.float32(1), np.float32(1e-12)
    wr, wg, wb = np.float32(RED), np.float32(GREEN), np.float32(BLUE)
    if code == SATURATION:
        for j in range(length):
            r, g, b = planes[0, j], planes[1, j], planes[2, j]
            rest = (r * wr + g * wg + b * wb) * (one - factor)
            planes[0, j] = bounded(r * factor + rest, low, high)
            planes[1, j] = bounded(g * factor + rest, low, high)
            planes[2, j] = bounded(b * factor + rest, low, high)
    else:
        for j in range(length):
            r, g, b = planes[0, j], planes[1, j], planes[2, j]
            top, bottom = max(max(r, g), b), min(min(r, g), b)
            most = (top - low) / max(top - bottom, tiny)  # where the saturation becomes 1
            by = most if most < factor else factor
            planes[0, j] = bounded(top - (top - r) * by, low, high)
            planes[1, j] = bounded(top - (top - g) * by, low, high)
            planes[2, j] = bounded(top - (top - b) * by, low, high)


@kernel
def change_hue(numbers: Array, planes: Array, length: int) -> None:
    """Turn the hue of HSV: its distance on the hexagon, without a branch for each side of it."""
    turn = np.float32(numbers[FIRST] * 6.0)
    zero, one, two, four, six = np.float32(0), np.float32(1), np.float32(2), np.float32(4), np.float32(6)
    three, five, sixth, tiny = np.float32(3), np.float32(5), np.float32(1 / 6), np.float32(1e-12)
    for j in range(length):
        r, g, b = planes[0, j], planes[1, j], planes[2, j]
        top, bottom = max(max(r, g), b), min(min(r, g), b)
        spread = top - bottom
        per = one / max(spread, tiny)
        side = (r - g) * per + four
        side = (b - r) * per + two if top == g else side
        side = (g - b) * per if top == r else side
        side = side + turn
        k = side + five
        k = k - six * np.floor(k * sixth)
        planes[0, j] = top - spread * max(zero, min(one, min(k, four - k)))
        k = side + three
        k = k - six * np.floor(k * sixth)
        planes[1, j] = top - spread * max(zero, min(one, min(k, four - k)))
        k = side + one
        k = k - six * np.floor(k * sixth)
        planes[2, j] = top - spread * max(zero, min(one, min(k, four - k)))


@kernel
def change(
    codes: Array, numbers: Array, tables: Array, start: int, end: int, planes: Array, length: int
) -> None:
    """Do the changes from `start` on and before `end`; none of them needs statistics any more."""
    for s in range(start, end):
        code = codes[s]
        if code == AFFINE:
            change_affine(numbers[s], planes, length)
        elif code == TABLE:
            change_by_table(numbers[s], tables[s], planes, length)
        elif code == HUE:
            change_hue(numbers[s], planes, length)
        elif mixes(code):
            change_saturation(code, numbers[s], planes, length)
        elif code != NONE:
            change_point(code, numbers[s], planes, length)
