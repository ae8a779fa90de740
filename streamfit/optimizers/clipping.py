"""Clipping of gradients and decay of weights, before an optimizer's own step."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.optimizers.hyper import CLIP, LEARNING_RATE, WEIGHT_DECAY


@kernel
def clip_by_value(g: Array, hyper: Array) -> None:
    """Bring every element of g to [-c, c]; a NaN stays a NaN."""
    high = g.dtype.type(hyper[CLIP])
    low = -high
    for i in range(g.shape[0]):
        value = g[i]
        value = high if value > high else value
        g[i] = low if value < low else value


@kernel
def clip_by_norm(g: Array, sizes: Array, hyper: Array) -> None:
    """Scale each piece of g (lengths in `sizes`) by c / max(norm, c); an infinite norm makes it NaN."""
    limit = hyper[CLIP]
    start = 0
    for piece in range(sizes.shape[0]):
        end = start + sizes[piece]
        squares = 0.0
        for i in range(start, end):
            squares += np.float64(g[i]) * np.float64(g[i])
        norm = np.sqrt(squares)
        if not norm <= limit:
            factor = g.dtype.type(np.nan if norm == np.inf else limit / norm)
            for i in range(start, end):
                g[i] *= factor
        start = end


@kernel
def decay_weights(w: Array, hyper: Array) -> None:
    """Compute w -= learning rate * weight decay * w."""
    kept = w.dtype.type(1.0 - hyper[LEARNING_RATE] * hyper[WEIGHT_DECAY])
    for i in range(w.shape[0]):
        w[i] *= kept
