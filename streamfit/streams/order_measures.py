"""Figures of an order: how far samples move, which stay together, how evenly they land.

They are computed from some whole batches of a pass, so that an order of any length can be judged; a true
permutation, looked at in the same way, gives what to expect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfit._base.specs import Array

BLOCKS = 16
"""Into how many equal blocks the store is cut to see where their samples land."""
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Looked:
    """Samples of some batches of a pass, batch by batch.

    Args:
        n: Number of samples of the pass.
        positions: float64 (samples,): where they stand in the pass, ascending.
        places: float64 (samples,): where they lie in the store, from 0 to n - 1.
        starts: int64 (batches,): the first of these samples of each batch.
    """

    n: int
    positions: Array
    places: Array
    starts: Array

    @property
    def batches(self) -> Array:
        """The number of the batch of each sample, counted from 0."""
        counts = np.diff(np.append(self.starts, len(self.positions)))
        return np.repeat(np.arange(len(self.starts)), counts)


def figures(looked: Looked) -> dict[str, float]:
    """Return the figures of an order by name.

    Example:
        >>> there = np.arange(8.0)
        >>> found = figures(Looked(8, there, there, np.array([0, 4])))
        >>> found["displacement"], found["neighbours"], found["together"]
        (0.0, 1.0, 1.0)
    """
    n, places = looked.n, looked.places
    moved = np.abs(places - looked.positions)
    found = {"displacement": float(moved.mean()) / (n / 3)}
    for share, far in zip(QUANTILES, np.quantile(moved, QUANTILES), strict=True):
        found[f"distance {share}"] = float(far) / n
    return found | _of_batches(looked) | {"landing": _landing(looked)}


def _of_batches(looked: Looked) -> dict[str, float]:
    """Return the figures of what is in a batch."""
    n, places, batches = looked.n, looked.places, looked.batches
    same = batches[1:] == batches[:-1]  # both samples of a pair are of one batch
    apart = np.abs(np.diff(places))[same]
    inside = places[np.lexsort((places, batches))]
    gaps = np.diff(inside)[same]
    counts = np.bincount(batches)
    means = np.bincount(batches, places) / counts
    squares = np.bincount(batches, (places - means[batches]) ** 2)
    usual = (n * n - 1) / 12  # the variance of a place
    middle = (n - 1) / 2
    return {
        "neighbours": _share_of_neighbours(apart),
        "together": _share_of_neighbours(gaps),
        # The mean logarithm tells clusters of any size.
        "gaps": float(np.exp(np.log(np.maximum(gaps, 0.5)).mean())) * float(counts.mean()) / n,
        "spread": float(np.sqrt(squares / counts).mean()) / usual**0.5,
        "means": float((counts * (means - middle) ** 2).mean()) / usual,
    }


def _share_of_neighbours(distances: Array) -> float:
    return float(((distances > 0) & (distances < 1.5)).mean())


def _landing(looked: Looked) -> float:
    """Return the Kolmogorov-Smirnov distance between where the samples of a block land and an even spread.

    It is the mean over equal blocks of the store: 0 for an even spread, 1/2 and more where they stay whole.
    """
    blocks = np.minimum(looked.places * BLOCKS // looked.n, BLOCKS - 1).astype(np.int64)
    total, distances = len(blocks), []
    for block in range(BLOCKS):
        landed = np.flatnonzero(blocks == block)
        if landed.size:
            each = np.arange(len(landed))
            above = (each + 1) / len(landed) - landed / total
            below = (landed + 1) / total - each / len(landed)
            distances.append(max(float(above.max()), float(below.max())))
    return float(np.mean(distances))


def relation(first: Looked, second: Looked) -> float:
    """Return the correlation of where the samples at the same positions of two passes lie in the store."""
    count = min(len(first.places), len(second.places))
    a, b = first.places[:count], second.places[:count]
    if not (a.std() and b.std()):
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def permuted(like: Looked, rng: np.random.Generator) -> Looked:
    """Return what a true permutation has at the same positions."""
    n, count = like.n, len(like.places)
    if n <= 2 * count:
        places = rng.permutation(n)[:count]
    else:  # without a table of n numbers
        places = np.empty(0, np.int64)
        while len(places) < count:
            places = rng.permutation(np.unique(rng.integers(0, n, 2 * count)))[:count]
    return Looked(n, like.positions, places.astype(np.float64), like.starts)
