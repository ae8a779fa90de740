"""The order of a shuffle, computed one position at a time with Python's whole numbers."""

from __future__ import annotations

import math

from streamfit._base.keys import derive

_LOW = (1 << 32) - 1


def _hash(value: int) -> int:
    value ^= value >> 16
    value = value * 0x7FEB352D & _LOW
    value ^= value >> 15
    value = value * 0x846CA68B & _LOW
    return value ^ value >> 16


def _once(position: int, width: int, height: int, keys: list[int]) -> int:
    right, left = divmod(position, width)
    for index, key in enumerate(keys):
        if index % 2 == 0:
            left = (left + (_hash(right ^ key) * width >> 32)) % width
        else:
            right = (right + (_hash(left ^ key) * height >> 32)) % height
    return right * width + left


def shuffled(n: int, key: int, position: int, rounds: int = 8) -> int:
    """Return the id at one position of [0, n)."""
    width = math.isqrt(n - 1) + 1
    height = -(-n // width)
    keys = [derive(key, index) & _LOW for index in range(rounds)]
    position = _once(position, width, height, keys)
    while position >= n:
        position = _once(position, width, height, keys)
    return position
