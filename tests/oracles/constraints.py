"""Constraints again, in NumPy and float64, with the formulas of Keras 3 written out vector by vector."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
EPSILON = 1e-7


def by_vectors(w: Array, axis: int | Sequence[int] | None, change: Callable[[Array], Array]) -> Array:
    """Apply `change` to the vector of all elements along `axis`, at each place of the other axes."""
    axes = range(w.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
    along = {each % w.ndim for each in axes}
    out = np.array(w, dtype=np.float64)
    others = [range(length) if i not in along else [slice(None)] for i, length in enumerate(w.shape)]
    for place in itertools.product(*others):
        vector = out[place]
        out[place] = change(vector.ravel()).reshape(vector.shape)
    return out


def min_max_norm(low: float, high: float, rate: float) -> Callable[[Array], Array]:
    def change(v: Array) -> Array:
        norm = np.sqrt(sum(x * x for x in v.tolist()))
        wanted = rate * np.clip(norm, low, high) + (1 - rate) * norm
        return v * (wanted / (EPSILON + norm))

    return change


def max_norm(high: float) -> Callable[[Array], Array]:
    return min_max_norm(0.0, high, 1.0)


def unit_norm() -> Callable[[Array], Array]:
    return lambda v: v / (EPSILON + np.sqrt(sum(x * x for x in v.tolist())))
