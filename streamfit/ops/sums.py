"""Kernels that add up along axes, and their reverse, which spreads a gradient.

Sums of float32 are accumulated in float64 and rounded once. Every sum runs in the order of memory (or in
the fixed order that the compiler makes of it), so equal inputs give equal bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import copy_into
from streamfit.ops.core import workspace

NO_DIVISOR = np.empty(0, dtype=np.float64)
"""The divisor for kernels that shall not divide."""


@kernel
def sum_rows(x: Array, y: Array, totals: Array, divisor: Array) -> None:
    """Add up each row of x (outer, middle); divide by divisor[0] if there is one."""
    for i in range(x.shape[0]):
        total = totals.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        if divisor.shape[0]:
            y[i] = total / divisor[0]
        else:
            y[i] = total


@kernel
def sum_middle(x: Array, y: Array, totals: Array, divisor: Array) -> None:
    """Add up x (outer, middle, inner) over its middle axis; divide by divisor[0] if there is one."""
    for i in range(x.shape[0]):
        for k in range(x.shape[2]):
            totals[k] = 0
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                totals[k] += x[i, j, k]
        for k in range(x.shape[2]):
            if divisor.shape[0]:
                y[i, k] = totals[k] / divisor[0]
            else:
                y[i, k] = totals[k]


@kernel
def spread_rows(gy: Array, gx: Array, divisor: Array) -> None:
    """Give each element of a row the row's gradient, divided by divisor[0] if there is one."""
    for i in range(gx.shape[0]):
        share = gy[i]
        if divisor.shape[0]:
            share = gx.dtype.type(gy[i] / divisor[0])
        for j in range(gx.shape[1]):
            gx[i, j] = share


@kernel
def spread_middle(gy: Array, gx: Array, divisor: Array) -> None:
    """Give gx (outer, middle, inner) the gradient of its sum over the middle axis."""
    scale = gx.dtype.type(1)
    if divisor.shape[0]:
        scale = gx.dtype.type(1 / divisor[0])
    for i in range(gx.shape[0]):
        for j in range(gx.shape[1]):
            for k in range(gx.shape[2]):
                gx[i, j, k] = gy[i, k] * scale


def fold(shape: Sequence[int], first: int, last: int) -> tuple[int, int, int]:
    """Return the lengths before, inside and after the axes ``first`` to ``last`` (exclusive).

    Example:
        >>> fold((2, 3, 4, 5), 1, 3)
        (2, 12, 5)
    """
    return prod(shape[:first]), prod(shape[first:last]), prod(shape[last:])


def sum_calls(x: Array, first: int, last: int, y: Array, divisor: Array = NO_DIVISOR) -> list[Call]:
    """Return the call that adds up x over the axes from `first` to `last` (exclusive) into y."""
    outer, middle, inner = fold(x.shape, first, last)
    totals = workspace((inner,), np.float64 if x.dtype.kind == "f" else np.int64)
    if inner == 1:
        return [(sum_rows, (x.reshape(outer, middle), y.reshape(outer), totals, divisor))]
    return [(sum_middle, (x.reshape(outer, middle, inner), y.reshape(outer, inner), totals, divisor))]


def spread_calls(gy: Array, gx: Array, first: int, last: int, divisor: Array = NO_DIVISOR) -> list[Call]:
    """Return the call that differentiates `sum_calls`."""
    outer, middle, inner = fold(gx.shape, first, last)
    if inner == 1:
        return [(spread_rows, (gy.reshape(outer), gx.reshape(outer, middle), divisor))]
    return [(spread_middle, (gy.reshape(outer, inner), gx.reshape(outer, middle, inner), divisor))]


def runs(axes: Sequence[int]) -> list[tuple[int, int]]:
    """Split sorted axes into runs of neighbours, as (first, last exclusive).

    Example:
        >>> runs([0, 2, 3])
        [(0, 1), (2, 4)]
    """
    found: list[tuple[int, int]] = []
    for axis in axes:
        if found and found[-1][1] == axis:
            found[-1] = (found[-1][0], axis + 1)
        else:
            found.append((axis, axis + 1))
    return found


def sum_onto(full: Array, part: Array) -> list[Call]:
    """Return the calls that add up `full` over the axes along which `part` was broadcast.

    Args:
        full: A gradient of the broadcast shape.
        part: The gradient to fill; its shape broadcasts to that of `full`.
    """
    shape = (1,) * (full.ndim - part.ndim) + part.shape
    axes = [i for i, length in enumerate(full.shape) if shape[i] == 1 and length != 1]
    calls: list[Call] = []
    current = full
    for first, last in reversed(runs(axes)):
        kept = tuple(1 if first <= i < last else length for i, length in enumerate(current.shape))
        is_last = kept == shape
        target = part.reshape(shape) if is_last else workspace(kept, np.float64)
        calls += sum_calls(current, first, last, target)
        current = target
    return calls or [(copy_into, (full.reshape(-1), part.reshape(-1)))]
