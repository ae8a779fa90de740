"""Optimizers again, in the words of their papers, one float64 array at a time.

Each function takes the state of one array (a dictionary that starts empty), the gradient, the number of the
step from 1, and the settings, and returns what is subtracted from the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
JobState = dict[str, Any]


def sgd(
    s: JobState, g: Array, t: int, learning_rate: float = 0.01, momentum: float = 0.0, nesterov: bool = False
) -> Array:
    if not momentum:
        return learning_rate * g
    s["v"] = momentum * s.get("v", 0.0) - learning_rate * g
    return -(momentum * s["v"] - learning_rate * g) if nesterov else -s["v"]


def rmsprop(
    s: JobState,
    g: Array,
    t: int,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> Array:
    s["v"] = rho * s.get("v", 0.0) + (1 - rho) * g**2
    s["a"] = rho * s.get("a", 0.0) + (1 - rho) * g
    inside = s["v"] - (s["a"] ** 2 if centered else 0.0)
    s["m"] = momentum * s.get("m", 0.0) + learning_rate * g / np.sqrt(inside + epsilon)
    return s["m"]


def adam(
    s: JobState,
    g: Array,
    t: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    amsgrad: bool = False,
) -> Array:
    s["m"] = beta_1 * s.get("m", 0.0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0.0) + (1 - beta_2) * g**2
    s["top"] = np.maximum(s.get("top", 0.0), s["v"])
    rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return rate * s["m"] / (np.sqrt(s["top"] if amsgrad else s["v"]) + epsilon)


def adamax(
    s: JobState,
    g: Array,
    t: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Array:
    s["m"] = beta_1 * s.get("m", 0.0) + (1 - beta_1) * g
    s["u"] = np.maximum(beta_2 * s.get("u", 0.0), np.abs(g))
    return learning_rate / (1 - beta_1**t) * s["m"] / (s["u"] + epsilon)


def nadam(
    s: JobState,
    g: Array,
    t: int,
    learning_rate: float = 0.001,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Array:
    momentum = [beta_1 * (1 - 0.5 * 0.96**k) for k in range(1, t + 2)]
    now, later = np.prod(momentum[:t]), np.prod(momentum)
    s["m"] = beta_1 * s.get("m", 0.0) + (1 - beta_1) * g
    s["v"] = beta_2 * s.get("v", 0.0) + (1 - beta_2) * g**2
    mean = momentum[t] * s["m"] / (1 - later) + (1 - momentum[t - 1]) * g / (1 - now)
    return learning_rate * mean / (np.sqrt(s["v"] / (1 - beta_2**t)) + epsilon)


def adagrad(
    s: JobState,
    g: Array,
    t: int,
    learning_rate: float = 0.001,
    initial_accumulator_value: float = 0.1,
    epsilon: float = 1e-7,
) -> Array:
    s["a"] = s.get("a", initial_accumulator_value) + g**2
    return learning_rate * g / np.sqrt(s["a"] + epsilon)


def adadelta(
    s: JobState, g: Array, t: int, learning_rate: float = 0.001, rho: float = 0.95, epsilon: float = 1e-7
) -> Array:
    s["a"] = rho * s.get("a", 0.0) + (1 - rho) * g**2
    change = np.sqrt(s.get("d", 0.0) + epsilon) / np.sqrt(s["a"] + epsilon) * g
    s["d"] = rho * s.get("d", 0.0) + (1 - rho) * change**2
    return learning_rate * change


def clipped(
    grads: Sequence[Array],
    clipnorm: float | None = None,
    clipvalue: float | None = None,
    global_clipnorm: float | None = None,
) -> list[Array]:
    """Clip the gradients of all arrays."""
    if clipvalue is not None:
        return [np.clip(g, -clipvalue, clipvalue) for g in grads]
    if clipnorm is not None:
        return [g * min(1.0, clipnorm / np.linalg.norm(g)) if np.any(g) else g for g in grads]
    if global_clipnorm is not None:
        whole = np.linalg.norm(np.concatenate([g.ravel() for g in grads]))
        return [g * min(1.0, global_clipnorm / whole) for g in grads] if whole else list(grads)
    return list(grads)


def train(
    rule: Callable[..., Array],
    weights: Sequence[Array],
    steps: Sequence[Sequence[Array]],
    weight_decay: float | None = None,
    clipping: dict[str, float] | None = None,
    rates: Callable[[int], float] | None = None,
    **settings: Any,
) -> list[Array]:
    """Apply a rule to several arrays for several steps and return the arrays."""
    weights = [np.array(w, dtype=np.float64) for w in weights]
    states: list[JobState] = [{} for _ in weights]
    for t, grads in enumerate(steps, start=1):
        if rates is not None:
            settings["learning_rate"] = rates(t - 1)
        grads = clipped([np.asarray(g, dtype=np.float64) for g in grads], **(clipping or {}))
        for i, g in enumerate(grads):
            if weight_decay:
                weights[i] = weights[i] - settings["learning_rate"] * weight_decay * weights[i]
            weights[i] = weights[i] - rule(states[i], g, t, **settings)
    return weights
