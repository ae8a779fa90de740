"""The kernels of RMSprop: over flat vectors, and over rows of tables."""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import kernel
from streamfit.kernels.decorator import exact, inlined
from streamfit.kernels.missed_steps import (
    FIRST_FACTOR,
    KEPT,
    PLAIN,
    RATE,
    REST,
    ZERO,
    change_unseen,
    decayed,
    first_missed,
    is_zero,
    note_epsilon,
    note_row,
    row_at,
    rows_due,
    set_none,
    taken_off,
)
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE

RHO, EPSILON, MOMENTUM = FIRST_OWN, FIRST_OWN + 1, FIRST_OWN + 2
_RHO, _REST, _EPSILON, _MOMENTUM = FIRST_FACTOR, FIRST_FACTOR + 1, FIRST_FACTOR + 2, FIRST_FACTOR + 3


@exact
def next_square(v: float, g: float, rho: float, rest: float) -> float:
    """Return rho v + (1 - rho) g^2."""
    return rho * v + rest * g * g


@exact
def next_weight(w: float, g: float, v: float, rate: float, epsilon: float) -> float:
    """Return w - rate g / sqrt(v + epsilon)."""
    root: float = np.sqrt(v + epsilon)
    return w - rate * g / root


@exact
def next_velocity(m: float, g: float, v: float, rate: float, epsilon: float, momentum: float) -> float:
    """Return momentum m + rate g / sqrt(v + epsilon)."""
    root: float = np.sqrt(v + epsilon)
    return momentum * m + rate * g / root


@kernel
def rmsprop_step(w: Array, g: Array, v: Array, hyper: Array) -> None:
    """Compute v = rho v + (1 - rho) g^2 and w -= rate g / sqrt(v + epsilon)."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[RHO]), real(1.0 - hyper[RHO])
    epsilon = real(hyper[EPSILON])
    for i in range(w.shape[0]):
        v[i] = next_square(v[i], g[i], rho, rest)
        w[i] = next_weight(w[i], g[i], v[i], rate, epsilon)


@kernel
def rmsprop_momentum_step(w: Array, g: Array, v: Array, m: Array, hyper: Array) -> None:
    """Compute v as above, m = momentum m + rate g / sqrt(v + epsilon) and w -= m."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[RHO]), real(1.0 - hyper[RHO])
    epsilon, momentum = real(hyper[EPSILON]), real(hyper[MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = next_square(v[i], g[i], rho, rest)
        m[i] = next_velocity(m[i], g[i], v[i], rate, epsilon, momentum)
        w[i] = taken_off(w[i], m[i])


@kernel
def rmsprop_centered_step(w: Array, g: Array, v: Array, m: Array, a: Array, hyper: Array) -> None:
    """Compute as above with v - a^2 in the place of v, where a = rho a + (1 - rho) g."""
    real = w.dtype.type
    rate, rho, rest = real(hyper[LEARNING_RATE]), real(hyper[RHO]), real(1.0 - hyper[RHO])
    epsilon, momentum = real(hyper[EPSILON]), real(hyper[MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = rho * v[i] + rest * g[i] * g[i]
        a[i] = rho * a[i] + rest * g[i]
        m[i] = momentum * m[i] + rate * g[i] / np.sqrt(v[i] - a[i] * a[i] + epsilon)
        w[i] -= m[i]


@kernel
def rmsprop_record(hyper: Array, step_state: Array, clock: Array, history: Array) -> None:
    """Write the factors of a step into the history."""
    now = clock[0]
    history[now, RATE], history[now, _EPSILON] = hyper[LEARNING_RATE], hyper[EPSILON]
    history[now, _RHO], history[now, _REST] = hyper[RHO], 1.0 - hyper[RHO]
    history[now, _MOMENTUM] = hyper[MOMENTUM]
    note_epsilon(history, now, hyper[EPSILON])


@inlined
def _row(w: Array, v: Array, r: int, g: Array, k: int, history: Array, s: int) -> None:
    real = w.dtype.type
    kept, rate, epsilon = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _EPSILON])
    rho, rest = real(history[s, _RHO]), real(history[s, _REST])
    for j in range(w.shape[1]):
        v[r, j] = next_square(v[r, j], g[k, j], rho, rest)
        w[r, j] = next_weight(decayed(w[r, j], kept), g[k, j], v[r, j], rate, epsilon)


@inlined
def _momentum_row(w: Array, v: Array, m: Array, r: int, g: Array, k: int, history: Array, s: int) -> None:
    real = w.dtype.type
    kept, rate, epsilon = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _EPSILON])
    rho, rest, momentum = real(history[s, _RHO]), real(history[s, _REST]), real(history[s, _MOMENTUM])
    for j in range(w.shape[1]):
        v[r, j] = next_square(v[r, j], g[k, j], rho, rest)
        m[r, j] = next_velocity(m[r, j], g[k, j], v[r, j], rate, epsilon, momentum)
        w[r, j] = taken_off(decayed(w[r, j], kept), m[r, j])


@kernel
def rmsprop_rows_step(
    w: Array, v: Array, g: Array, rows: Array, count: Array, last: Array, clock: Array, history: Array
) -> None:
    """Take a step with the rows that a batch has read."""
    for k in range(count[0]):
        _row(w, v, rows[k], g, k, history, clock[0])
        last[rows[k]] = clock[0] + 1


@kernel
def rmsprop_momentum_rows_step(
    w: Array,
    v: Array,
    m: Array,
    g: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
) -> None:
    """Take a step with the rows that a batch has read."""
    for k in range(count[0]):
        _momentum_row(w, v, m, rows[k], g, k, history, clock[0])
        last[rows[k]] = clock[0] + 1


@inlined
def _usual(v: Array, r: int) -> bool:
    """Return whether the roots of row r are numbers, so that a gradient of zero adds nothing."""
    usual = True
    for j in range(v.shape[1]):
        usual &= (v[r, j] >= 0) & (v[r, j] < np.inf)
    return usual


@inlined
def _fade(v: Array, r: int, steps: int, rho: float) -> bool:
    """Take steps with the mean squares of row r alone; return whether they are all zero."""
    none = v.dtype.type(0)
    for _ in range(steps):
        for j in range(v.shape[1]):
            v[r, j] = next_square(v[r, j], none, rho, none)
    return is_zero(v, r)


@kernel
def rmsprop_catch_up(
    w: Array,
    v: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
    bounds: Array,
    none: Array,
    least: int,
) -> None:
    """Bring rows up to date; see `RowRule`. Without a gradient only v moves, as epsilon > 0."""
    for k in range(rows_due(w, rows, count, clock, least)):
        r = row_at(rows, k)
        s = first_missed(last, r, clock, bounds)
        if s < clock[0]:
            rho = w.dtype.type(history[s, _RHO])
            while s < clock[0] and not (bounds[PLAIN] == 1.0 and _usual(v, r)):
                set_none(none, history[s, ZERO])
                _row(w, v, r, none, 0, history, s)
                s += 1
            note_row(rows, last, r, clock, _fade(v, r, clock[0] - s, rho))
        elif last[r] != REST:
            note_row(rows, last, r, clock, False)


@kernel
def rmsprop_momentum_catch_up(
    w: Array,
    v: Array,
    m: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
    bounds: Array,
    none: Array,
    least: int,
) -> None:
    """Bring rows up to date; see `RowRule`."""
    for k in range(rows_due(w, rows, count, clock, least)):
        r = row_at(rows, k)
        s = first_missed(last, r, clock, bounds)
        if s < clock[0]:
            rho, momentum = w.dtype.type(history[s, _RHO]), w.dtype.type(history[s, _MOMENTUM])
            while s < clock[0]:
                if bounds[PLAIN] == 1.0 and _usual(v, r) and change_unseen(w, m, r):
                    break
                set_none(none, history[s, ZERO])
                _momentum_row(w, v, m, r, none, 0, history, s)
                s += 1
            still = _fade(v, r, clock[0] - s, rho)
            note_row(rows, last, r, clock, _fade(m, r, clock[0] - s, momentum) and still)
        elif last[r] != REST:
            note_row(rows, last, r, clock, False)
