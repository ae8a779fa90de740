"""RMSprop, plain and centered, with and without momentum."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE, Flag, Hyper, at_least_zero, share
from streamfit.optimizers.optimizer import LearningRate, Optimizer, OptimizerOptions, registry

_RHO, _EPSILON, _MOMENTUM = FIRST_OWN, FIRST_OWN + 1, FIRST_OWN + 2


@kernel
def rmsprop_step(w: Array, g: Array, v: Array, hyper: Array) -> None:
    """Compute v = rho v + (1 - rho) g^2 and w -= rate g / sqrt(v + epsilon)."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[_RHO]), real(1.0 - hyper[_RHO])
    epsilon = real(hyper[_EPSILON])
    for i in range(w.shape[0]):
        v[i] = rho * v[i] + rest * g[i] * g[i]
        w[i] -= rate * g[i] / np.sqrt(v[i] + epsilon)


@kernel
def rmsprop_momentum_step(w: Array, g: Array, v: Array, m: Array, hyper: Array) -> None:
    """Compute v as above, m = momentum m + rate g / sqrt(v + epsilon) and w -= m."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[_RHO]), real(1.0 - hyper[_RHO])
    epsilon, momentum = real(hyper[_EPSILON]), real(hyper[_MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = rho * v[i] + rest * g[i] * g[i]
        m[i] = momentum * m[i] + rate * g[i] / np.sqrt(v[i] + epsilon)
        w[i] -= m[i]


@kernel
def rmsprop_centered_step(w: Array, g: Array, v: Array, m: Array, a: Array, hyper: Array) -> None:
    """Compute as above with v - a^2 in the place of v, where a = rho a + (1 - rho) g."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[_RHO]), real(1.0 - hyper[_RHO])
    epsilon, momentum = real(hyper[_EPSILON]), real(hyper[_MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = rho * v[i] + rest * g[i] * g[i]
        a[i] = rho * a[i] + rest * g[i]
        m[i] = momentum * m[i] + rate * g[i] / np.sqrt(v[i] - a[i] * a[i] + epsilon)
        w[i] -= m[i]


class RMSprop(Optimizer):
    """Divide the gradient by a running root mean square of itself.

    ``v = rho v + (1 - rho) g^2``, ``w -= rate * g / sqrt(v + epsilon)``: epsilon is inside the root, as in
    Keras (Tieleman and Hinton, "Lecture 6.5", 2012). Centered: v minus the square of a running mean of
    the gradient takes the place of v (Graves, 2013). With momentum: ``m = momentum m + rate * g / ...``,
    ``w -= m``.

    Args:
        learning_rate: A number or a schedule.
        rho: In [0, 1).
        momentum: In [0, 1).
        epsilon: Zero or positive.
        centered: Whether to subtract the mean.
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> RMSprop().learning_rate
        0.001
    """

    rho = Hyper(_RHO, share)
    epsilon = Hyper(_EPSILON, at_least_zero)
    momentum = Hyper(_MOMENTUM, share)
    centered = Flag()

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered

    def first_values(self) -> dict[str, float]:
        """Return the mean square, and the vectors that momentum and centering need."""
        names = ["velocity"]
        if self.momentum > 0 or self.centered:
            names.append("momentum")
        if self.centered:
            names.append("average")
        return dict.fromkeys(names, 0.0)

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        vectors = tuple(self.state[name] for name in self.first_values())
        kind = (rmsprop_step, rmsprop_momentum_step, rmsprop_centered_step)[len(vectors) - 1]
        return [(kind, (weights, grads, *vectors, self.hyper))]


registry.register(RMSprop, "rmsprop")
