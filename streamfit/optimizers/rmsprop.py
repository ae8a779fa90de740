"""RMSprop, plain and centered, with and without momentum."""

from __future__ import annotations

from typing import Unpack

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.optimizers import rmsprop_kernels as kernels
from streamfit.optimizers.hyper import Flag, Hyper, at_least_zero, share
from streamfit.optimizers.optimizer import LearningRate, Optimizer, OptimizerOptions, registry
from streamfit.optimizers.tables import RowRule


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

    rho = Hyper(kernels.RHO, share)
    epsilon = Hyper(kernels.EPSILON, at_least_zero)
    momentum = Hyper(kernels.MOMENTUM, share)
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
        kinds = (kernels.rmsprop_step, kernels.rmsprop_momentum_step, kernels.rmsprop_centered_step)
        kind = kinds[len(vectors) - 1]
        return [(kind, (weights, grads, *vectors, self.hyper))]

    def row_rule(self) -> RowRule | None:
        """Return the kernels for rows of tables; none where it is centered: tables are then whole."""
        if self.centered:
            return None
        if self.momentum == 0:
            return RowRule(kernels.rmsprop_record, kernels.rmsprop_rows_step, kernels.rmsprop_catch_up)
        return RowRule(
            kernels.rmsprop_record, kernels.rmsprop_momentum_rows_step, kernels.rmsprop_momentum_catch_up
        )


registry.register(RMSprop, "rmsprop")
