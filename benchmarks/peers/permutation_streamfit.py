"""The order of streamfit for the benchmark of permutations; a new key for each pass, as in training."""

from __future__ import annotations

import itertools

import numpy as np
from permutation_common import ALL, BATCH, BATCHED, BATCHES, LARGE, SCATTERED, SMALL, serve

from streamfit.streams.order import Order

keys = itertools.count()
anywhere = np.random.default_rng(0).integers(0, LARGE, BATCHED)


def whole() -> int:
    """Compute all ids, a stretch at a time, as a pass does."""
    order = Order(SMALL, next(keys))
    for start in range(0, SMALL, 4096):
        order.ids(start, min(4096, SMALL - start))
    return SMALL


def batches() -> int:
    """Compute the ids of batch after batch."""
    order = Order(LARGE, next(keys))
    for start in range(0, BATCHED, BATCH):
        order.ids(start, BATCH)
    return BATCHED


def scattered() -> int:
    """Compute the ids at positions drawn at random."""
    return len(Order(LARGE, next(keys)).at(anywhere))


serve({ALL: whole, BATCHES: batches, SCATTERED: scattered})
