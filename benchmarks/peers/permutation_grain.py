"""Grain's `index_shuffle` for the benchmark of permutations: one call for each position, as its data sets do.

Its numbers have 32 bits.
"""

from __future__ import annotations

import itertools

from grain._src.python.experimental.index_shuffle.python.index_shuffle_module import index_shuffle
from permutation_common import ALL, SMALL, serve

CALLS = 1 << 18
seeds = itertools.count()


def whole() -> int:
    """Compute the first ids of an order."""
    seed = next(seeds)
    for position in range(CALLS):
        index_shuffle(position, SMALL - 1, seed, 4)
    return CALLS


serve({ALL: whole})
