"""Adagrad and Adadelta: step sizes from all gradients so far."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.optimizers import adagrad_kernels as kernels
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE, Hyper, at_least_zero, share
from streamfit.optimizers.optimizer import LearningRate, Optimizer, OptimizerOptions, registry
from streamfit.optimizers.tables import RowRule

_RHO, _EPSILON = FIRST_OWN, FIRST_OWN + 1


@kernel
def adadelta_step(w: Array, g: Array, a: Array, d: Array, hyper: Array) -> None:
    """Move the mean squares a of the gradient and d of the change, and w by their ratio times g."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[_RHO]), real(1.0 - hyper[_RHO])
    epsilon = real(hyper[_EPSILON])
    for i in range(w.shape[0]):
        a[i] = rho * a[i] + rest * g[i] * g[i]
        change = g[i] * np.sqrt(d[i] + epsilon) / np.sqrt(a[i] + epsilon)
        d[i] = rho * d[i] + rest * change * change
        w[i] -= rate * change


class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of all its squares so far.

    ``a += g^2``, ``w -= rate * g / sqrt(a + epsilon)``: epsilon is inside the root, as in Keras 3 (Duchi,
    Hazan and Singer, "Adaptive subgradient methods", 2011).

    Args:
        learning_rate: A number or a schedule.
        initial_accumulator_value: First value of a, zero or positive.
        epsilon: Zero or positive.
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> Adagrad().initial_accumulator_value
        0.1
    """

    epsilon = Hyper(kernels.EPSILON, at_least_zero)
    _initial_accumulator_value: float

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    @property
    def initial_accumulator_value(self) -> float:
        """Return the first value of the sum of squares; it can be set until there is one."""
        return self._initial_accumulator_value

    @initial_accumulator_value.setter
    def initial_accumulator_value(self, value: float) -> None:
        first = at_least_zero("initial_accumulator_value", value)
        if "accumulator" in self.state and first != self._initial_accumulator_value:
            raise AttributeError(
                f"initial_accumulator_value cannot be set to {value!r}: the accumulator has begun with "
                f"{self._initial_accumulator_value!r}; compile the model with a new Adagrad("
                f"initial_accumulator_value={value!r})"
            )
        self._initial_accumulator_value = first

    def first_values(self) -> dict[str, float]:
        """Return the sum of squares."""
        return {"accumulator": self.initial_accumulator_value}

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        return [(kernels.adagrad_step, (weights, grads, self.state["accumulator"], self.hyper))]

    def row_rule(self) -> RowRule | None:
        """Return the kernels for rows of tables."""
        return RowRule(kernels.adagrad_record, kernels.adagrad_rows_step, kernels.adagrad_catch_up)


class Adadelta(Optimizer):
    """Scale the gradient by the ratio of the sizes of past changes and past gradients.

    ``a = rho a + (1 - rho) g^2``, ``c = g sqrt(d + epsilon) / sqrt(a + epsilon)``,
    ``d = rho d + (1 - rho) c^2``, ``w -= rate * c`` (Zeiler, "ADADELTA", 2012, algorithm 1, which
    has a rate of 1).

    Args:
        learning_rate: A number or a schedule.
        rho: In [0, 1).
        epsilon: Zero or positive.
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> Adadelta().rho
        0.95
    """

    rho = Hyper(_RHO, share)
    epsilon = Hyper(_EPSILON, at_least_zero)

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho, self.epsilon = rho, epsilon

    def first_values(self) -> dict[str, float]:
        """Return the two mean squares."""
        return {"gradients": 0.0, "changes": 0.0}

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        vectors = (self.state["gradients"], self.state["changes"])
        return [(adadelta_step, (weights, grads, *vectors, self.hyper))]


registry.register(Adagrad, "adagrad")
registry.register(Adadelta, "adadelta")
