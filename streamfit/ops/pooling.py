"""Pooling over one, two or three spatial axes, channels last: the largest or the mean of each window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.kernels.patches import BEFORE, SIZE, STRIDE
from streamfit.ops.casting import floating, operand
from streamfit.ops.core import Op, Operand, Value, apply, workspace
from streamfit.ops.public_calls import recorded
from streamfit.ops.sliding_window import (
    AXES,
    Lengths,
    SlidingWindow,
    channels_last,
    elements,
    lengths_of,
    padding_of,
    spatial,
)

_FEW_ELEMENTS = 256
"""Windows of up to so many elements keep the place of the largest in one byte."""


@kernel
def max_of_window(x: Array, y: Array, places: Array, d: int, h: int, w: int, geometry: Array) -> None:
    """Find the largest elements of one window, the first of equal ones; a NaN counts as largest.

    Args:
        x: One sample, shape (depth, height, width, channels).
        y: To be filled, shape (channels,).
        places: To be filled: the number of the element inside the window, shape (channels,).
        d: Where the window begins; may be negative.
        h: Likewise.
        w: Likewise.
        geometry: The window, see `kernels/patches.py`.
    """
    number, begun = 0, False
    for i in range(d, d + geometry[SIZE, 0]):
        for j in range(h, h + geometry[SIZE, 1]):
            for k in range(w, w + geometry[SIZE, 2]):
                inside = 0 <= i < x.shape[0] and 0 <= j < x.shape[1] and 0 <= k < x.shape[2]
                place = places.dtype.type(number)
                if inside and begun:
                    source = x[i, j, k]
                    for c in range(source.shape[0]):
                        v, best = source[c], y[c]
                        better = (v > best) | ((v != v) & (best == best))
                        y[c] = v if better else best
                        places[c] = place if better else places[c]
                elif inside:
                    source = x[i, j, k]
                    for c in range(source.shape[0]):
                        y[c] = source[c]
                        places[c] = place
                    begun = True
                number += 1


@kernel
def spread_to_places(gy: Array, places: Array, gx: Array, d: int, h: int, w: int, geometry: Array) -> None:
    """Add the gradient of one window's largest elements to where they are; see `max_of_window`."""
    number, zero = 0, gx.dtype.type(0)
    for i in range(d, d + geometry[SIZE, 0]):
        for j in range(h, h + geometry[SIZE, 1]):
            for k in range(w, w + geometry[SIZE, 2]):
                if 0 <= i < gx.shape[0] and 0 <= j < gx.shape[1] and 0 <= k < gx.shape[2]:
                    target, place = gx[i, j, k], places.dtype.type(number)
                    for c in range(target.shape[0]):
                        target[c] += gy[c] if places[c] == place else zero
                number += 1


@kernel
def mean_of_window(x: Array, y: Array, totals: Array, d: int, h: int, w: int, geometry: Array) -> None:
    """Average those elements of one window that lie inside x; see `max_of_window`; totals are float64."""
    count = 0
    for c in range(totals.shape[0]):
        totals[c] = 0
    for i in range(max(0, d), min(d + geometry[SIZE, 0], x.shape[0])):
        for j in range(max(0, h), min(h + geometry[SIZE, 1], x.shape[1])):
            for k in range(max(0, w), min(w + geometry[SIZE, 2], x.shape[2])):
                source = x[i, j, k]
                for c in range(source.shape[0]):
                    totals[c] += source[c]
                count += 1
    for c in range(totals.shape[0]):
        y[c] = totals[c] / count


@kernel
def spread_evenly(gy: Array, gx: Array, d: int, h: int, w: int, geometry: Array) -> None:
    """Share the gradient of one window's means among its elements; see `mean_of_window`."""
    first_i, first_j, first_k = max(0, d), max(0, h), max(0, w)
    behind_i = min(d + geometry[SIZE, 0], gx.shape[0])
    behind_j = min(h + geometry[SIZE, 1], gx.shape[1])
    behind_k = min(w + geometry[SIZE, 2], gx.shape[2])
    count = gx.dtype.type((behind_i - first_i) * (behind_j - first_j) * (behind_k - first_k))
    for i in range(first_i, behind_i):
        for j in range(first_j, behind_j):
            for k in range(first_k, behind_k):
                target = gx[i, j, k]
                for c in range(target.shape[0]):
                    target[c] += gy[c] / count


@kernel
def clear(x: Array) -> None:
    """Set one sample to zero."""
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[2]):
                for c in range(x.shape[3]):
                    x[i, j, k, c] = zero


@kernel
def max_pool_forward(x: Array, y: Array, places: Array, geometry: Array) -> None:
    """Find the largest elements of all windows of x (batch, depth, height, width, channels)."""
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            d = i * geometry[STRIDE, 0] - geometry[BEFORE, 0]
            for j in range(y.shape[2]):
                h = j * geometry[STRIDE, 1] - geometry[BEFORE, 1]
                for k in range(y.shape[3]):
                    w = k * geometry[STRIDE, 2] - geometry[BEFORE, 2]
                    max_of_window(x[n], y[n, i, j, k], places[n, i, j, k], d, h, w, geometry)


@kernel
def max_pool_backward(gy: Array, places: Array, gx: Array, geometry: Array) -> None:
    """Differentiate `max_pool_forward`."""
    for n in range(gy.shape[0]):
        clear(gx[n])
        for i in range(gy.shape[1]):
            d = i * geometry[STRIDE, 0] - geometry[BEFORE, 0]
            for j in range(gy.shape[2]):
                h = j * geometry[STRIDE, 1] - geometry[BEFORE, 1]
                for k in range(gy.shape[3]):
                    w = k * geometry[STRIDE, 2] - geometry[BEFORE, 2]
                    spread_to_places(gy[n, i, j, k], places[n, i, j, k], gx[n], d, h, w, geometry)


@kernel
def average_pool_forward(x: Array, y: Array, totals: Array, geometry: Array) -> None:
    """Average all windows of x (batch, depth, height, width, channels)."""
    for n in range(y.shape[0]):
        for i in range(y.shape[1]):
            d = i * geometry[STRIDE, 0] - geometry[BEFORE, 0]
            for j in range(y.shape[2]):
                h = j * geometry[STRIDE, 1] - geometry[BEFORE, 1]
                for k in range(y.shape[3]):
                    w = k * geometry[STRIDE, 2] - geometry[BEFORE, 2]
                    mean_of_window(x[n], y[n, i, j, k], totals, d, h, w, geometry)


@kernel
def average_pool_backward(gy: Array, gx: Array, geometry: Array) -> None:
    """Differentiate `average_pool_forward`."""
    for n in range(gy.shape[0]):
        clear(gx[n])
        for i in range(gy.shape[1]):
            d = i * geometry[STRIDE, 0] - geometry[BEFORE, 0]
            for j in range(gy.shape[2]):
                h = j * geometry[STRIDE, 1] - geometry[BEFORE, 1]
                for k in range(gy.shape[3]):
                    w = k * geometry[STRIDE, 2] - geometry[BEFORE, 2]
                    spread_evenly(gy[n, i, j, k], gx[n], d, h, w, geometry)


class _Pool(Op):
    """Reduce each window of each channel to one number.

    Args:
        window: The window.
        who: How messages name the user of the operation.
    """

    rowwise = True

    def __init__(self, window: SlidingWindow, who: str) -> None:
        self.window, self.who = window, who

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the output: positions in the place of lengths."""
        x = specs[0]
        counts = self.window.checked_counts(self.who, "pool_size", x.shape[1:-1])
        return (x.with_shape((x.shape[0], *counts, x.shape[-1])),)


class MaxPool(_Pool):
    """Take the largest of each window."""

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the places of the largest."""
        dtype = np.uint8 if elements(self.window) <= _FEW_ELEMENTS else np.int32
        return (self.infer(*specs)[0].with_dtype(dtype),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        x, y, places = (spatial(array) for array in (inputs[0], outputs[0], scratch[0]))
        return [(max_pool_forward, (x, y, places, self.window.geometry(inputs[0].shape[1:-1])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that gives the gradient to the largest of each window."""
        if input_grads[0] is None:
            return []
        gy, places, gx = (spatial(array) for array in (output_grads[0], scratch[0], input_grads[0]))
        return [(max_pool_backward, (gy, places, gx, self.window.geometry(inputs[0].shape[1:-1])))]


class AveragePool(_Pool):
    """Average each window, without its padding."""

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        x, y = spatial(inputs[0]), spatial(outputs[0])
        totals = workspace(x.shape[-1:], np.float64)
        return [(average_pool_forward, (x, y, totals, self.window.geometry(inputs[0].shape[1:-1])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that shares the gradient among the elements of each window."""
        if input_grads[0] is None:
            return []
        gy, gx = spatial(output_grads[0]), spatial(input_grads[0])
        return [(average_pool_backward, (gy, gx, self.window.geometry(inputs[0].shape[1:-1])))]


def _pool(
    op: type[_Pool], who: str, x: Value, pool_size: Lengths, strides: Lengths | None, padding: str
) -> Value:
    rank = len(x.shape) - 2
    if not 1 <= rank <= AXES or x.shape[-1] is None:
        raise ShapeError(
            f"{who} needs inputs of shape (batch, ..., channels) with one to three spatial axes and a known "
            f"number of channels, got {x.shape}"
        )
    size = lengths_of("pool_size", pool_size, rank)
    steps = size if strides is None else lengths_of("strides", strides, rank)
    return apply(op(SlidingWindow(size, steps, (1,) * rank, padding_of(padding)), who), x)


@recorded
def max_pool(
    inputs: Operand,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
    who: str = "max_pool",
) -> Value:
    """Take the largest element of each window and channel; padding counts as smaller than everything.

    A NaN counts as largest. The gradient goes to the largest element, to the first of equal ones.

    Args:
        inputs: Array or tensor of shape (batch, ..., channels) with one to three spatial axes, which may be
            free (None).
        pool_size: The lengths of the window, a whole number or one for each spatial axis.
        strides: How far it moves, likewise; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 leave the lengths as they are.
        data_format: None or ``'channels_last'``.
        who: How messages name the operation.

    Returns:
        Shape (batch, positions..., channels), same dtype.

    Raises:
        ShapeError: The window fits nowhere, or `inputs` has another number of axes.
        ValueError: An argument has a value that is not listed here.

    Example:
        >>> max_pool([[[1.0], [5.0], [2.0], [3.0]]], 2)
        array([[[5.],
                [3.]]], dtype=float32)
    """
    channels_last(data_format)
    return _pool(MaxPool, who, operand(inputs), pool_size, strides, padding)


@recorded
def average_pool(
    inputs: Operand,
    pool_size: Lengths,
    strides: Lengths | None = None,
    padding: str = "valid",
    data_format: str | None = None,
    who: str = "average_pool",
) -> Value:
    """Average each window and channel, over the elements that are not padding; added up in float64.

    Args:
        inputs: Array or tensor of shape (batch, ..., channels) with one to three spatial axes, which may be
            free (None).
        pool_size: The lengths of the window, a whole number or one for each spatial axis.
        strides: How far it moves, likewise; None for `pool_size`.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 leave the lengths as they are.
        data_format: None or ``'channels_last'``.
        who: How messages name the operation.

    Returns:
        Shape (batch, positions..., channels), floats.

    Raises:
        ShapeError: The window fits nowhere, or `inputs` has another number of axes.
        ValueError: An argument has a value that is not listed here.

    Example:
        >>> average_pool([[[1.0], [5.0], [2.0]]], 2, padding="same")
        array([[[3.],
                [2.]]], dtype=float32)
    """
    channels_last(data_format)
    return _pool(AveragePool, who, floating(inputs), pool_size, strides, padding)
