"""The kernels of Adam and its relatives over flat vectors."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.kernels.decorator import exact
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE

BETA_1, BETA_2, EPSILON = FIRST_OWN, FIRST_OWN + 1, FIRST_OWN + 2
_NADAM_DECAY = 0.96


@exact
def next_mean(m: float, g: float, new: float) -> float:
    """Return m + new (g - m)."""
    return m + new * (g - m)


@exact
def next_square(v: float, g: float, new: float) -> float:
    """Return v + new (g^2 - v)."""
    return v + new * (g * g - v)


@exact
def larger(top: float, v: float) -> float:
    """Return the larger of two; v if one of them is NaN."""
    return top if top > v else v


@exact
def next_weight(w: float, m: float, v: float, alpha: float, epsilon: float) -> float:
    """Return w - alpha m / (sqrt(v) + epsilon)."""
    root: float = np.sqrt(v)
    return w - alpha * m / (root + epsilon)


@exact
def corrected_rate(hyper: Array, step_state: Array) -> float:
    """Return the learning rate of the coming step, corrected for means that began with zero."""
    step = np.float64(step_state[1] + 1)
    correction = np.sqrt(1.0 - hyper[BETA_2] ** step) / (1.0 - hyper[BETA_1] ** step)
    rate: float = hyper[LEARNING_RATE] * correction
    return rate


@kernel
def adam_step(w: Array, g: Array, m: Array, v: Array, hyper: Array, step_state: Array) -> None:
    """Move the means of g and g^2, and w by their corrected ratio."""
    real = w.dtype.type
    alpha, epsilon = real(corrected_rate(hyper, step_state)), real(hyper[EPSILON])
    new_1, new_2 = real(1.0 - hyper[BETA_1]), real(1.0 - hyper[BETA_2])
    for i in range(w.shape[0]):
        m[i] = next_mean(m[i], g[i], new_1)
        v[i] = next_square(v[i], g[i], new_2)
        w[i] = next_weight(w[i], m[i], v[i], alpha, epsilon)


@kernel
def amsgrad_step(w: Array, g: Array, m: Array, v: Array, top: Array, hyper: Array, step_state: Array) -> None:
    """Do the same with the largest v so far in the place of v."""
    real = w.dtype.type
    alpha, epsilon = real(corrected_rate(hyper, step_state)), real(hyper[EPSILON])
    new_1, new_2 = real(1.0 - hyper[BETA_1]), real(1.0 - hyper[BETA_2])
    for i in range(w.shape[0]):
        m[i] = next_mean(m[i], g[i], new_1)
        v[i] = next_square(v[i], g[i], new_2)
        top[i] = larger(top[i], v[i])
        w[i] = next_weight(w[i], m[i], top[i], alpha, epsilon)


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
