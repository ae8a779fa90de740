"""Kernels that visit the elements of an array with a step for each axis, and their calls.

The same kernels serve broadcasting (steps of 0), transposing (steps in another order) and slicing (a
start and longer steps). The last axis is an inner loop; `next_row` counts through the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.kernels.decorator import inlined


@inlined
def next_row(place: int, lengths: Array, steps: Array, position: Array) -> int:
    """Return the place one row further; after the last row, the start again."""
    axis = lengths.shape[0] - 2
    while axis >= 0:
        position[axis] += 1
        place += steps[axis]
        if position[axis] < lengths[axis]:
            break
        place -= steps[axis] * lengths[axis]
        position[axis] = 0
        axis -= 1
    return place


@kernel
def gather_strided(x: Array, y: Array, start: int, lengths: Array, steps: Array, position: Array) -> None:
    """Fill the rows of y from the visited places of the vector x."""
    step, count, place = steps[steps.shape[0] - 1], y.shape[1], start
    for i in range(y.shape[0]):
        if step == 1:
            run = x[place : place + count]
            for j in range(count):
                y[i, j] = run[j]
        else:
            for j in range(count):
                y[i, j] = x[place + j * step]
        place = next_row(place, lengths, steps, position)


@kernel
def scatter_strided(y: Array, x: Array, start: int, lengths: Array, steps: Array, position: Array) -> None:
    """Write the rows of y to the visited places of the vector x."""
    step, count, place = steps[steps.shape[0] - 1], y.shape[1], start
    for i in range(y.shape[0]):
        for j in range(count):
            x[place + j * step] = y[i, j]
        place = next_row(place, lengths, steps, position)


def element_steps(shape: Sequence[int]) -> list[int]:
    """Return how many elements apart the neighbours along each axis are in a C-contiguous array.

    Example:
        >>> element_steps((2, 3, 4))
        [12, 4, 1]
    """
    steps = [1]
    for length in reversed(shape[1:]):
        steps.append(steps[-1] * length)
    return steps[::-1] if len(shape) else []


def _merged_axes(start: int, shape: Sequence[int], steps: Sequence[int]) -> tuple[int, Array, Array, Array]:
    """Return start, lengths, steps and position.

    Axes that one step can cross are merged, so that the inner loop is as long as possible.
    """
    merged: list[list[int]] = []
    for length, step in zip(shape, steps, strict=True):
        if merged and merged[-1][1] == step * length:
            merged[-1] = [merged[-1][0] * length, step]
        elif length != 1:
            merged.append([length, step])
    table = np.array(merged or [[1, 1]], dtype=np.int64).T
    lengths, steps_array = np.ascontiguousarray(table[0]), np.ascontiguousarray(table[1])
    return start, lengths, steps_array, np.zeros(len(lengths), dtype=np.int64)


def gather_calls(x: Array, y: Array, start: int, steps: Sequence[int]) -> list[Call]:
    """Return the call that fills y with ``x.flat[start + sum(index * steps)]``."""
    if not y.size:
        return []
    axes = _merged_axes(start, y.shape, steps)
    return [(gather_strided, (x.reshape(-1), y.reshape(-1, int(axes[1][-1])), *axes))]


def scatter_calls(y: Array, x: Array, start: int, steps: Sequence[int]) -> list[Call]:
    """Return the call that writes y to ``x.flat[start + sum(index * steps)]``."""
    if not y.size:
        return []
    axes = _merged_axes(start, y.shape, steps)
    return [(scatter_strided, (y.reshape(-1, int(axes[1][-1])), x.reshape(-1), *axes))]
