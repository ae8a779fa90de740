"""Stochastic gradient descent, with and without momentum."""

from __future__ import annotations

from typing import Unpack

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE, Flag, Hyper, share
from streamfit.optimizers.optimizer import LearningRate, Optimizer, OptimizerOptions, registry

_MOMENTUM = FIRST_OWN


@kernel
def sgd_step(w: Array, g: Array, hyper: Array) -> None:
    """Compute w -= rate * g."""
    rate = w.dtype.type(hyper[LEARNING_RATE])
    for i in range(w.shape[0]):
        w[i] -= rate * g[i]


@kernel
def momentum_step(w: Array, g: Array, v: Array, hyper: Array) -> None:
    """Compute v = momentum * v - rate * g and w += v."""
    real = w.dtype.type
    rate, momentum = real(hyper[LEARNING_RATE]), real(hyper[_MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = momentum * v[i] - rate * g[i]
        w[i] += v[i]


@kernel
def nesterov_step(w: Array, g: Array, v: Array, hyper: Array) -> None:
    """Compute v = momentum * v - rate * g and w += momentum * v - rate * g."""
    real = w.dtype.type
    rate, momentum = real(hyper[LEARNING_RATE]), real(hyper[_MOMENTUM])
    for i in range(w.shape[0]):
        change = rate * g[i]
        v[i] = momentum * v[i] - change
        w[i] += momentum * v[i] - change


class SGD(Optimizer):
    """Follow the gradient downhill, with momentum if wanted.

    Without momentum ``w -= rate * g``. With momentum ``v = momentum * v - rate * g``, ``w += v``; with
    Nesterov's variant ``w += momentum * v - rate * g`` after the same v (Sutskever et al., "On the
    importance of initialization and momentum in deep learning", 2013).

    Args:
        learning_rate: A number or a schedule.
        momentum: In [0, 1).
        nesterov: Whether to use Nesterov's variant.
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> SGD(0.1, momentum=0.9).momentum
        0.9
    """

    momentum = Hyper(_MOMENTUM, share)
    nesterov = Flag()

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.momentum, self.nesterov = momentum, nesterov

    def first_values(self) -> dict[str, float]:
        """Return the velocity, which only momentum needs."""
        return {"velocity": 0.0} if self.momentum > 0 else {}

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        if self.momentum == 0:
            return [(sgd_step, (weights, grads, self.hyper))]
        kind = nesterov_step if self.nesterov else momentum_step
        return [(kind, (weights, grads, self.state["velocity"], self.hyper))]


registry.register(SGD, "sgd")
