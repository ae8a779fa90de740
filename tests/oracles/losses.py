"""Losses and metrics again, one sample and one number at a time, in Python's own floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Row = Sequence[float]
EPSILON = 1e-7


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def logarithm(x: float) -> float:
    return math.log(x) if x > 0 else (-math.inf if x == 0 else math.nan)


def limited(p: float) -> float:
    return min(max(p, EPSILON), 1 - EPSILON)


def mean_squared_error(y: Row, p: Row) -> float:
    return mean([(a - b) ** 2 for a, b in zip(y, p, strict=True)])


def mean_absolute_error(y: Row, p: Row) -> float:
    return mean([abs(a - b) for a, b in zip(y, p, strict=True)])


def mean_absolute_percentage_error(y: Row, p: Row) -> float:
    return 100 * mean([abs(a - b) / max(abs(a), EPSILON) for a, b in zip(y, p, strict=True)])


def mean_squared_logarithmic_error(y: Row, p: Row) -> float:
    pairs = [(max(a, EPSILON), max(b, EPSILON)) for a, b in zip(y, p, strict=True)]
    return mean([(math.log(1 + a) - math.log(1 + b)) ** 2 for a, b in pairs])


def huber(y: Row, p: Row, delta: float = 1.0) -> float:
    errors = [abs(a - b) for a, b in zip(y, p, strict=True)]
    return mean([e * e / 2 if e <= delta else delta * e - delta * delta / 2 for e in errors])


def log_cosh(y: Row, p: Row) -> float:
    return mean([math.log(math.cosh(b - a)) for a, b in zip(y, p, strict=True)])


def cosine_similarity(y: Row, p: Row) -> float:
    lengths = [max(math.sqrt(math.fsum(v * v for v in row)), EPSILON) for row in (y, p)]
    return -math.fsum(a * b for a, b in zip(y, p, strict=True)) / (lengths[0] * lengths[1])


def binary_crossentropy(y: Row, p: Row, from_logits: bool = False, label_smoothing: float = 0.0) -> float:
    total = []
    for a, b in zip(y, p, strict=True):
        target = a * (1 - label_smoothing) + label_smoothing / 2
        chance = 1 / (1 + math.exp(-b)) if from_logits else limited(b)
        total.append(-target * math.log(chance) - (1 - target) * math.log(1 - chance))
    return mean(total)


def chances(p: Row, from_logits: bool) -> list[float]:
    if from_logits:
        p = [math.exp(b - max(p)) for b in p]
    whole = math.fsum(p)
    shares = [b / whole for b in p]
    return shares if from_logits else [limited(s) for s in shares]


def categorical_crossentropy(
    y: Row, p: Row, from_logits: bool = False, label_smoothing: float = 0.0
) -> float:
    targets = [a * (1 - label_smoothing) + label_smoothing / len(y) for a in y]
    return -math.fsum(t * math.log(c) for t, c in zip(targets, chances(p, from_logits), strict=True))


def sparse_categorical_crossentropy(
    y: int, p: Row, from_logits: bool = False, ignore_class: int | None = None
) -> float:
    return 0.0 if int(y) == ignore_class else -math.log(chances(p, from_logits)[int(y)])


def kl_divergence(y: Row, p: Row) -> float:
    pairs = [(min(max(a, EPSILON), 1.0), min(max(b, EPSILON), 1.0)) for a, b in zip(y, p, strict=True)]
    return math.fsum(a * math.log(a / b) for a, b in pairs)


def poisson(y: Row, p: Row) -> float:
    return mean([b - a * math.log(b + EPSILON) for a, b in zip(y, p, strict=True)])


def hinge(y: Row, p: Row) -> float:
    return mean([max(1 - (a if a != 0 else -1.0) * b, 0.0) for a, b in zip(y, p, strict=True)])


def squared_hinge(y: Row, p: Row) -> float:
    return mean([max(1 - (a if a != 0 else -1.0) * b, 0.0) ** 2 for a, b in zip(y, p, strict=True)])


def categorical_hinge(y: Row, p: Row) -> float:
    right = math.fsum(a * b for a, b in zip(y, p, strict=True))
    wrong = max((1 - a) * b for a, b in zip(y, p, strict=True))
    return max(1 + wrong - right, 0.0)


def accuracy(y: Row, p: Row) -> list[float]:
    return [float(a == b) for a, b in zip(y, p, strict=True)]


def binary_accuracy(y: Row, p: Row, threshold: float = 0.5) -> float:
    return mean([float(a == float(b > threshold)) for a, b in zip(y, p, strict=True)])


def categorical_accuracy(y: Row, p: Row) -> float:
    return float(list(y).index(max(y)) == list(p).index(max(p)))


def sparse_categorical_accuracy(y: int, p: Row) -> float:
    return float(int(y) == list(p).index(max(p)))


def sparse_top_k_categorical_accuracy(y: int, p: Row, k: int = 5) -> float:
    return float(sum(b > p[int(y)] for b in p) < k)


def top_k_categorical_accuracy(y: Row, p: Row, k: int = 5) -> float:
    return sparse_top_k_categorical_accuracy(list(y).index(max(y)), p, k)


def by_sample(function: Callable[..., Any], y: Any, p: Any, **settings: Any) -> np.ndarray[Any, Any]:
    """Apply a function of one row to every row of arrays of any rank."""
    p = np.asarray(p, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    rows = p.reshape(-1, p.shape[-1])
    targets = y.reshape(-1, p.shape[-1]) if y.shape == p.shape else y.reshape(-1)
    values = [function(a, list(b), **settings) for a, b in zip(targets, rows, strict=True)]
    return np.array(values).reshape(*p.shape[:-1], *np.shape(values[0]))


def reduced(values: Any, weights: Any, reduction: str) -> Any:
    """Reduce values to one number with plain sums."""
    values = np.asarray(values, dtype=np.float64)
    factors = np.ones(values.shape)
    if weights is not None:
        given = np.asarray(weights, dtype=np.float64)
        factors = factors * given.reshape(given.shape + (1,) * (values.ndim - given.ndim))
    if reduction == "none":
        return values * factors
    total = math.fsum((values * factors).ravel())
    if reduction == "sum":
        return total
    return total / (math.fsum(factors.ravel()) if reduction == "mean_with_sample_weight" else values.size)
