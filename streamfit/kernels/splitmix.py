"""The numbers of a SplitMix64 sequence (Steele, Lea and Flood, 2014), each by its place."""

from __future__ import annotations

import numpy as np

from streamfit.kernels.decorator import inlined

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


@inlined
def splitmix(start: np.uint64, place: int) -> np.uint64:
    """Return the word at a place, from 0 on, of the sequence that begins behind `start`."""
    value = start + _GOLDEN * np.uint64(place + 1)
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)
