"""Adam and its relatives: AdamW, Adamax, Nadam."""

from __future__ import annotations

from typing import ClassVar, Unpack

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.optimizers import adam_kernels as kernels
from streamfit.optimizers.adam_kernels import BETA_1, BETA_2, EPSILON
from streamfit.optimizers.hyper import LEARNING_RATE, Flag, Hyper, at_least_zero, share
from streamfit.optimizers.optimizer import LearningRate, Optimizer, OptimizerOptions, SharedOptions, registry
from streamfit.optimizers.tables import RowRule

_NADAM_DECAY = 0.96


@kernel
def adamax_step(w: Array, g: Array, m: Array, u: Array, hyper: Array, step_state: Array) -> None:
    """Move the mean of g and the decaying maximum of abs(g), and w by their ratio."""
    real = w.dtype.type
    step = np.float64(step_state[1] + 1)
    alpha = real(hyper[LEARNING_RATE] / (1.0 - hyper[BETA_1] ** step))
    new, kept, epsilon = real(1.0 - hyper[BETA_1]), real(hyper[BETA_2]), real(hyper[EPSILON])
    for i in range(w.shape[0]):
        m[i] += new * (g[i] - m[i])
        size = abs(g[i])
        old = kept * u[i]
        u[i] = old if old > size else size
        w[i] -= alpha * m[i] / (u[i] + epsilon)


@kernel
def nadam_step(
    w: Array, g: Array, m: Array, v: Array, product: Array, hyper: Array, step_state: Array
) -> None:
    """Do as Adam with Nesterov's momentum, whose schedule is kept in the one number of `product`."""
    real = w.dtype.type
    step = np.float64(step_state[1] + 1)
    now = hyper[BETA_1] * (1.0 - 0.5 * _NADAM_DECAY**step)
    later = hyper[BETA_1] * (1.0 - 0.5 * _NADAM_DECAY ** (step + 1.0))
    if step_state[1] == 0:
        product[0] = 1.0
    product[0] *= now
    part_m = real(later / (1.0 - product[0] * later))
    part_g = real((1.0 - now) / (1.0 - product[0]))
    rate, epsilon = real(hyper[LEARNING_RATE]), real(hyper[EPSILON])
    whole = real(1.0 / (1.0 - hyper[BETA_2] ** step))
    new_1, new_2 = real(1.0 - hyper[BETA_1]), real(1.0 - hyper[BETA_2])
    for i in range(w.shape[0]):
        m[i] += new_1 * (g[i] - m[i])
        v[i] += new_2 * (g[i] * g[i] - v[i])
        w[i] -= rate * (part_m * m[i] + part_g * g[i]) / (np.sqrt(v[i] * whole) + epsilon)


class Adam(Optimizer):
    """Divide a running mean of the gradient by the root of a running mean of its square.

    ``m += (1 - beta_1)(g - m)``, ``v += (1 - beta_2)(g^2 - v)``,
    ``w -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)``: the efficient form before
    section 2.1 of Kingma and Ba, "Adam: a method for stochastic optimization", 2014, in which epsilon is
    not the one of their algorithm 1; as in Keras.

    Args:
        learning_rate: A number or a schedule.
        beta_1: In [0, 1).
        beta_2: In [0, 1).
        epsilon: Zero or positive.
        amsgrad: Whether the largest v so far takes the place of v (Reddi, Kale and Kumar, 2018).
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> Adam().beta_2
        0.999
    """

    state_names: ClassVar[dict[str, float]] = {"m": 0.0, "v": 0.0}
    beta_1 = Hyper(BETA_1, share)
    beta_2 = Hyper(BETA_2, share)
    epsilon = Hyper(EPSILON, at_least_zero)
    amsgrad = Flag()

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad

    def first_values(self) -> dict[str, float]:
        """Return the two means, and the maximum that AMSGrad needs."""
        return {**self.state_names, "top": 0.0} if self.amsgrad else dict(self.state_names)

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        vectors = tuple(self.state[name] for name in self.first_values())
        return [
            (
                kernels.amsgrad_step if self.amsgrad else kernels.adam_step,
                (weights, grads, *vectors, self.hyper, step_state),
            )
        ]

    def row_rule(self) -> RowRule | None:
        """Return the kernels for rows of tables."""
        if self.amsgrad:
            return RowRule(kernels.adam_record, kernels.amsgrad_rows_step, kernels.amsgrad_catch_up)
        return RowRule(kernels.adam_record, kernels.adam_rows_step, kernels.adam_catch_up)


class AdamW(Adam):
    """Use Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Args:
        learning_rate: A number or a schedule.
        weight_decay: See `Optimizer`.
        beta_1: As for `Adam`.
        beta_2: As for `Adam`.
        epsilon: As for `Adam`.
        amsgrad: As for `Adam`.
        **options: As for `Optimizer`.

    Example:
        >>> AdamW().weight_decay
        0.004
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[SharedOptions],
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options
        )


class LazyAdam(Adam):
    """Use Adam, but leave rows of tables that a batch does not read as they are.

    A table of embeddings that nothing but lookups reads (`ops.take` along axis 0) is updated by rows. Under
    `Adam` all its rows keep moving, from the means of their earlier gradients; here a row moves, its means
    fade and its weights decay in the steps that read it, and in no others. That is another rule than Adam's,
    and its cost does not depend on how many rows the table has. All other weights are updated as by
    `Adam`, also tables that anything else reads.

    Args:
        learning_rate: A number or a schedule.
        beta_1: As for `Adam`.
        beta_2: As for `Adam`.
        epsilon: As for `Adam`.
        amsgrad: As for `Adam`.
        **options: As for `Optimizer`.

    Example:
        >>> LazyAdam().beta_1
        0.9
    """

    def row_rule(self) -> RowRule | None:
        """Return the kernels for rows of tables, without the one for steps that were missed."""
        rule = super().row_rule()
        return None if rule is None else rule._replace(catch_up=None)


class Adamax(Optimizer):
    """Use Adam with a decaying maximum of the gradient in the place of its mean square.

    ``u = max(beta_2 u, abs(g))``, ``w -= rate / (1 - beta_1^t) * m / (u + epsilon)`` (Kingma and Ba, 2014,
    section 7.1).

    Args:
        learning_rate: A number or a schedule.
        beta_1: In [0, 1).
        beta_2: In [0, 1).
        epsilon: Zero or positive.
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> Adamax().learning_rate
        0.001
    """

    state_names: ClassVar[dict[str, float]] = {"m": 0.0, "u": 0.0}
    beta_1 = Hyper(BETA_1, share)
    beta_2 = Hyper(BETA_2, share)
    epsilon = Hyper(EPSILON, at_least_zero)

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        return [(adamax_step, (weights, grads, self.state["m"], self.state["u"], self.hyper, step_state))]


class Nadam(Optimizer):
    """Use Adam with Nesterov's momentum.

    Momentum follows ``beta_1 (1 - 0.96^t / 2)``, and the running product of these corrects the means (Dozat,
    "Incorporating Nesterov momentum into Adam", 2016; the constants are Keras').

    Args:
        learning_rate: A number or a schedule.
        beta_1: In [0, 1).
        beta_2: In [0, 1).
        epsilon: Zero or positive.
        **options: As for `Optimizer`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> Nadam().learning_rate
        0.001
    """

    state_names: ClassVar[dict[str, float]] = {"m": 0.0, "v": 0.0}
    beta_1 = Hyper(BETA_1, share)
    beta_2 = Hyper(BETA_2, share)
    epsilon = Hyper(EPSILON, at_least_zero)

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return one call."""
        product = self.state.setdefault("product", np.ones(1))
        vectors = (self.state["m"], self.state["v"], product)
        return [(nadam_step, (weights, grads, *vectors, self.hyper, step_state))]


registry.register(Adam, "adam")
registry.register(AdamW, "adamw")
registry.register(LazyAdam, "lazy_adam")
registry.register(Adamax, "adamax")
registry.register(Nadam, "nadam")
