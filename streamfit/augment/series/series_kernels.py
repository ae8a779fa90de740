"""The kernels of transforms of series: noise, curves, steps taken from others."""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel

_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@kernel
def add_noise(values: Array, starts: Array, sizes: Array, words: Array, scales: Array) -> None:
    """Add normally distributed numbers, one for each word (Box and Muller, 1958).

    Args:
        values: float32, flat; written in place.
        starts: Where each series begins, int64 (n,).
        sizes: How many numbers each has, int64 (n,).
        words: Random words, uint64 (n, at least the largest size).
        scales: The standard deviation for each, float64 (n,).
    """
    for i in range(starts.shape[0]):
        start, scale = starts[i], scales[i]
        for j in range(sizes[i]):
            word = words[i, j]
            first = (float(word >> _32) + 0.5) / 4294967296.0
            second = float(word & _LOW) / 4294967296.0
            normal = math.sqrt(-2.0 * math.log(first)) * math.cos(2.0 * math.pi * second)
            values[start + j] += scale * normal


@kernel
def multiply_curves(values: Array, starts: Array, basis: Array, knots: Array) -> None:
    """Multiply series of one length by smooth curves.

    Args:
        values: float32, flat; written in place.
        starts: Where each series begins, int64 (n,).
        basis: What each knot adds to each step, float64 (steps, knots).
        knots: The values at the knots, float64 (n, knots, channels).
    """
    channels = knots.shape[2]
    for i in range(starts.shape[0]):
        for t in range(basis.shape[0]):
            for c in range(channels):
                factor = 0.0
                for k in range(basis.shape[1]):
                    factor += basis[t, k] * knots[i, k, c]
                values[starts[i] + t * channels + c] *= factor


@kernel
def take_between(
    values: Array, starts: Array, steps: Array, positions: Array, channels: int, out: Array, begins: Array
) -> None:
    """Take each step of the results from between two steps of the series.

    Args:
        values: float32, flat.
        starts: Where each series begins, int64 (n,).
        steps: How many steps each has, int64 (n,).
        positions: Where each step is taken, between 0 and the last step, float64 (steps of all results,).
        channels: Numbers in a step.
        out: The results, float32, flat.
        begins: The first position of each, and behind them their number, int64 (n + 1,).
    """
    for i in range(starts.shape[0]):
        last = steps[i] - 1
        for at in range(begins[i], begins[i + 1]):
            position = positions[at]
            low = min(int(position), last)
            high = min(low + 1, last)
            share = position - low
            for c in range(channels):
                one = values[starts[i] + low * channels + c]
                other = values[starts[i] + high * channels + c]
                out[at * channels + c] = one + (other - one) * share


@kernel
def take_steps(
    values: Array,
    starts: Array,
    steps: Array,
    places: Array,
    channels: int,
    fill: Array,
    out: Array,
    begins: Array,
) -> None:
    """Copy each step of the results from a step of the series, or fill it.

    Args:
        values: float32, flat.
        starts: Where each series begins, int64 (n,).
        steps: How many steps each has, int64 (n,).
        places: Which step; one that is not there is filled. int64 (steps of all results,).
        channels: Numbers in a step.
        fill: What to fill with, float32 (1,).
        out: The results, float32, flat.
        begins: The first place of each, and behind them their number, int64 (n + 1,).
    """
    for i in range(starts.shape[0]):
        for at in range(begins[i], begins[i + 1]):
            place = places[at]
            inside = 0 <= place < steps[i]
            for c in range(channels):
                out[at * channels + c] = values[starts[i] + place * channels + c] if inside else fill[0]
