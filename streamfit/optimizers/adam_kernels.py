"""The kernels of Adam and AMSGrad: over flat vectors, and over rows of tables."""

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
    TOP_RATE,
    ZERO,
    decayed,
    first_missed,
    is_zero,
    note_epsilon,
    note_row,
    row_at,
    rows_due,
    set_none,
    unseen_part,
)
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE

BETA_1, BETA_2, EPSILON = FIRST_OWN, FIRST_OWN + 1, FIRST_OWN + 2
_NEW_1, _NEW_2, _EPSILON = FIRST_FACTOR, FIRST_FACTOR + 1, FIRST_FACTOR + 2
_AT_ONCE = 4  # steps that a row which is behind takes in one pass over it
_LOOK_EVERY = 16  # steps between two looks at whether a row still moves; a look costs as much as a step


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
def adam_record(hyper: Array, step_state: Array, clock: Array, history: Array) -> None:
    """Write the factors of a step into the history."""
    now = clock[0]
    history[now, RATE] = corrected_rate(hyper, step_state)
    history[now, _NEW_1], history[now, _NEW_2] = 1.0 - hyper[BETA_1], 1.0 - hyper[BETA_2]
    history[now, _EPSILON] = hyper[EPSILON]
    note_epsilon(history, now, hyper[EPSILON])


@inlined
def _adam_row(w: Array, m: Array, v: Array, r: int, g: Array, k: int, history: Array, s: int) -> None:
    real = w.dtype.type
    kept, alpha, epsilon = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _EPSILON])
    new_1, new_2 = real(history[s, _NEW_1]), real(history[s, _NEW_2])
    for j in range(w.shape[1]):
        m[r, j] = next_mean(m[r, j], g[k, j], new_1)
        v[r, j] = next_square(v[r, j], g[k, j], new_2)
        w[r, j] = next_weight(decayed(w[r, j], kept), m[r, j], v[r, j], alpha, epsilon)


@inlined
def _amsgrad_row(
    w: Array, m: Array, v: Array, top: Array, r: int, g: Array, k: int, history: Array, s: int
) -> None:
    real = w.dtype.type
    kept, alpha, epsilon = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _EPSILON])
    new_1, new_2 = real(history[s, _NEW_1]), real(history[s, _NEW_2])
    for j in range(w.shape[1]):
        m[r, j] = next_mean(m[r, j], g[k, j], new_1)
        v[r, j] = next_square(v[r, j], g[k, j], new_2)
        top[r, j] = larger(top[r, j], v[r, j])
        w[r, j] = next_weight(decayed(w[r, j], kept), m[r, j], top[r, j], alpha, epsilon)


@kernel
def adam_rows_step(
    w: Array,
    m: Array,
    v: Array,
    g: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
) -> None:
    """Take a step with the rows that a batch has read; its factors are read once."""
    real, s = w.dtype.type, clock[0]
    kept, alpha, epsilon = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _EPSILON])
    new_1, new_2 = real(history[s, _NEW_1]), real(history[s, _NEW_2])
    for k in range(count[0]):
        r = rows[k]
        for j in range(w.shape[1]):
            m[r, j] = next_mean(m[r, j], g[k, j], new_1)
            v[r, j] = next_square(v[r, j], g[k, j], new_2)
            w[r, j] = next_weight(decayed(w[r, j], kept), m[r, j], v[r, j], alpha, epsilon)
        last[r] = s + 1


@kernel
def amsgrad_rows_step(
    w: Array,
    m: Array,
    v: Array,
    top: Array,
    g: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
) -> None:
    """Take a step with the rows that a batch has read."""
    for k in range(count[0]):
        _amsgrad_row(w, m, v, top, rows[k], g, k, history, clock[0])
        last[rows[k]] = clock[0] + 1


@inlined
def _unseen(w: Array, m: Array, v: Array, r: int, steps: int, history: Array, bounds: Array) -> bool:
    """Return whether the mean m of row r has become too small to change a weight in the coming steps.

    A change is rate * m / (sqrt(v) + epsilon). Without a gradient m shrinks, and v by no more than
    beta_2 ** steps; the factors 1.01 and 0.9 are far more than all rounding errors of so many steps.
    """
    real = w.dtype.type
    new_2 = history[0, _NEW_2]
    fades = real(0.9 * (1.0 - new_2) ** np.float64(steps))
    top_rate, epsilon = real(1.01 * bounds[TOP_RATE]), real(history[0, _EPSILON])
    part = real(unseen_part(w))
    unseen = True
    for j in range(w.shape[1]):
        largest = top_rate * abs(m[r, j]) / (np.sqrt(v[r, j] * fades) + epsilon)
        unseen &= (largest <= abs(w[r, j]) * part) & (v[r, j] < np.inf)
    return unseen


@inlined
def _fade_mean(m: Array, r: int, steps: int, new: float) -> bool:
    """Take steps with the means of row r alone; return whether they are all zero."""
    none = m.dtype.type(0)
    for _ in range(steps):
        changed = False
        for j in range(m.shape[1]):
            now = next_mean(m[r, j], none, new)
            changed |= now != m[r, j]
            m[r, j] = now
        if not changed:
            break
    return is_zero(m, r)


@inlined
def _fade_square(v: Array, r: int, steps: int, new: float) -> bool:
    """Take steps with the mean squares of row r alone; return whether they are all zero."""
    none = v.dtype.type(0)
    for _ in range(steps):
        changed = False
        for j in range(v.shape[1]):
            now = next_square(v[r, j], none, new)
            changed |= now != v[r, j]
            v[r, j] = now
        if not changed:
            break
    return is_zero(v, r)


@kernel
def adam_catch_up(
    w: Array,
    m: Array,
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
    """Bring rows up to date; see `RowRule`."""
    real = w.dtype.type
    zero, epsilon = real(0), real(history[0, _EPSILON])  # of all steps, where the history is plain
    new_1, new_2 = real(history[0, _NEW_1]), real(history[0, _NEW_2])
    for k in range(rows_due(w, rows, count, clock, least)):
        r = row_at(rows, k)
        first = first_missed(last, r, clock, bounds)
        if first < clock[0]:
            s = first
            while s < clock[0]:
                behind = clock[0] - s if bounds[PLAIN] == 1.0 else 0
                looks = behind > _LOOK_EVERY and (s - first) % _LOOK_EVERY == 0
                if looks and _unseen(w, m, v, r, behind, history, bounds):
                    break
                if behind >= _AT_ONCE:  # most of the time goes here: four steps a pass
                    alpha_0, alpha_1 = real(history[s, RATE]), real(history[s + 1, RATE])
                    alpha_2, alpha_3 = real(history[s + 2, RATE]), real(history[s + 3, RATE])
                    for j in range(w.shape[1]):
                        m_0 = next_mean(m[r, j], zero, new_1)
                        v_0 = next_square(v[r, j], zero, new_2)
                        w_0 = next_weight(w[r, j], m_0, v_0, alpha_0, epsilon)
                        m_1, v_1 = next_mean(m_0, zero, new_1), next_square(v_0, zero, new_2)
                        w_1 = next_weight(w_0, m_1, v_1, alpha_1, epsilon)
                        m_2, v_2 = next_mean(m_1, zero, new_1), next_square(v_1, zero, new_2)
                        w_2 = next_weight(w_1, m_2, v_2, alpha_2, epsilon)
                        m[r, j], v[r, j] = next_mean(m_2, zero, new_1), next_square(v_2, zero, new_2)
                        w[r, j] = next_weight(w_2, m[r, j], v[r, j], alpha_3, epsilon)
                    s += _AT_ONCE
                elif behind:
                    alpha = real(history[s, RATE])
                    for j in range(w.shape[1]):
                        m[r, j], v[r, j] = next_mean(m[r, j], zero, new_1), next_square(v[r, j], zero, new_2)
                        w[r, j] = next_weight(w[r, j], m[r, j], v[r, j], alpha, epsilon)
                    s += 1
                else:
                    set_none(none, history[s, ZERO])
                    _adam_row(w, m, v, r, none, 0, history, s)
                    s += 1
            if s < clock[0] or not rows.shape[0]:  # nobody asks whether a row that is read is at rest
                still = _fade_mean(m, r, clock[0] - s, new_1)
                note_row(rows, last, r, clock, _fade_square(v, r, clock[0] - s, new_2) and still)
            else:
                note_row(rows, last, r, clock, False)
        elif last[r] != REST:
            note_row(rows, last, r, clock, False)


@kernel
def amsgrad_catch_up(
    w: Array,
    m: Array,
    v: Array,
    top: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
    bounds: Array,
    none: Array,
    least: int,
) -> None:
    """Bring rows up to date; see `RowRule`. After one step `top` is not below v, and stays as it is."""
    real = w.dtype.type
    for k in range(rows_due(w, rows, count, clock, least)):
        r = row_at(rows, k)
        first = first_missed(last, r, clock, bounds)
        if first < clock[0]:
            new_1, new_2 = real(history[first, _NEW_1]), real(history[first, _NEW_2])
            s = first
            while s < clock[0]:
                looks = bounds[PLAIN] == 1.0 and clock[0] - s > _LOOK_EVERY and (s - first) % _LOOK_EVERY == 1
                if looks and _unseen(w, m, top, r, 0, history, bounds):
                    break
                set_none(none, history[s, ZERO])
                _amsgrad_row(w, m, v, top, r, none, 0, history, s)
                s += 1
            still = _fade_mean(m, r, clock[0] - s, new_1)
            note_row(rows, last, r, clock, _fade_square(v, r, clock[0] - s, new_2) and still)
        elif last[r] != REST:
            note_row(rows, last, r, clock, False)
