"""Clipping of gradients and decay of weights, before an optimizer's own step.

Norms are sums of squares in float64. An element adds to the lane of its place modulo 32, and lanes are
added in their order. Rows of zeros add nothing, so a table has the same norm by its rows as by all elements.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.kernels.decorator import exact, inlined
from streamfit.optimizers.hyper import CLIP, LEARNING_RATE, WEIGHT_DECAY

LANES = 32


@kernel
def clip_by_value(g: Array, hyper: Array) -> None:
    """Bring every element of g to [-c, c]; a NaN stays a NaN."""
    high = g.dtype.type(hyper[CLIP])
    low = -high
    for i in range(g.shape[0]):
        value = g[i]
        value = high if value > high else value
        g[i] = low if value < low else value


@exact
def _grown(total: float, value: float) -> float:
    return total + value * value


@exact
def _sum(values: Array) -> float:
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i]
    return total


@exact
def _factor(squares: Array, weight: int, limit: float) -> float:
    """Return what a gradient is multiplied by: 1 up to the limit; an infinite norm makes it NaN.

    Args:
        squares: The sum of squares of each weight.
        weight: Whose norm counts; a negative number for that of all together.
        limit: The largest norm.
    """
    norm = np.sqrt(squares[weight] if weight >= 0 else _sum(squares))
    if norm <= limit:
        return 1.0
    return np.nan if norm == np.inf else limit / norm


@kernel
def sum_squares(g: Array, sizes: Array, lanes: Array, squares: Array) -> None:
    """Compute the sum of squares of each piece of g (lengths in `sizes`), each in float64."""
    start = 0
    for piece in range(sizes.shape[0]):
        end = start + sizes[piece]
        for lane in range(LANES):
            lanes[lane] = 0.0
        whole = end - sizes[piece] % LANES
        for i in range(start, whole, LANES):
            for lane in range(LANES):
                lanes[lane] = _grown(lanes[lane], np.float64(g[i + lane]))
        for i in range(whole, end):
            lanes[i - whole] = _grown(lanes[i - whole], np.float64(g[i]))
        squares[piece] = _sum(lanes)
        start = end


@inlined
def _add_row(g: Array, k: int, first: int, lanes: Array) -> None:
    """Add the squares of row k; its first element belongs to the lane `first`."""
    head = min(g.shape[1], (LANES - first) % LANES)
    for j in range(head):
        lanes[first + j] = _grown(lanes[first + j], np.float64(g[k, j]))
    whole = head + (g.shape[1] - head) // LANES * LANES
    for start in range(head, whole, LANES):
        for lane in range(LANES):
            lanes[lane] = _grown(lanes[lane], np.float64(g[k, start + lane]))
    for j in range(whole, g.shape[1]):
        lanes[j - whole] = _grown(lanes[j - whole], np.float64(g[k, j]))


@kernel
def sum_squares_of_rows(g: Array, rows: Array, count: Array, lanes: Array, squares: Array) -> None:
    """Compute the sum of squares of a table's gradient from its rows (n, width), whose numbers ascend."""
    for lane in range(LANES):
        lanes[lane] = 0.0
    for k in range(count[0]):
        _add_row(g, k, rows[k] * g.shape[1] % LANES, lanes)
    squares[0] = _sum(lanes)


@kernel
def scale_pieces(g: Array, sizes: Array, squares: Array, first: int, hyper: Array) -> None:
    """Clip the pieces of g by their own norms; by that of all together where `first` is negative.

    Args:
        g: Gradient of some weights.
        sizes: The length of each piece.
        squares: The sum of squares of each weight of the model, float64.
        first: Which weight the first piece belongs to, or -1.
        hyper: The settings.
    """
    start = 0
    for piece in range(sizes.shape[0]):
        end = start + sizes[piece]
        factor = _factor(squares, first + piece if first >= 0 else -1, hyper[CLIP])
        if factor != 1.0:
            real = g.dtype.type(factor)
            for i in range(start, end):
                g[i] *= real
        start = end


@kernel
def scale_rows(g: Array, count: Array, squares: Array, weight: int, hyper: Array, zero: Array) -> None:
    """Clip the gradient of a table by its norm, or by that of all weights where `weight` is -1.

    Args:
        g: Its rows, (n, width).
        count: How many are valid, int64 (1,).
        squares: The sum of squares of each weight of the model, float64.
        weight: Which weight the table is, or -1.
        hyper: The settings.
        zero: Gets what a gradient of zero becomes: 0 or NaN, float64 (1,).
    """
    factor = _factor(squares, weight, hyper[CLIP])
    zero[0] = 0.0 * factor
    if factor != 1.0:
        real = g.dtype.type(factor)
        for k in range(count[0]):
            for j in range(g.shape[1]):
                g[k, j] *= real


@kernel
def decay_weights(w: Array, hyper: Array) -> None:
    """Compute w -= learning rate * weight decay * w."""
    kept = w.dtype.type(1.0 - hyper[LEARNING_RATE] * hyper[WEIGHT_DECAY])
    for i in range(w.shape[0]):
        w[i] *= kept
