"""Stochastic gradient descent, with and without momentum."""

from __future__ import annotations

from typing import Unpack

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.optimizers import sgd_kernels as kernels
from streamfit.optimizers.hyper import Flag, Hyper, share
from streamfit.optimizers.optimizer import LearningRate, Optimizer, OptimizerOptions, registry
from streamfit.optimizers.tables import RowRule


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

    momentum = Hyper(kernels.MOMENTUM, share)
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
            return [(kernels.sgd_step, (weights, grads, self.hyper))]
        kind = kernels.nesterov_step if self.nesterov else kernels.momentum_step
        return [(kind, (weights, grads, self.state["velocity"], self.hyper))]

    def row_rule(self) -> RowRule | None:
        """Return the kernels for rows of tables."""
        if self.momentum == 0:
            return RowRule(kernels.sgd_record, kernels.sgd_rows_step, kernels.sgd_catch_up)
        record = kernels.nesterov_record if self.nesterov else kernels.momentum_record
        return RowRule(record, kernels.momentum_rows_step, kernels.momentum_catch_up)


registry.register(SGD, "sgd")
