"""The kernels of stochastic gradient descent: over flat vectors, and over rows of tables."""

from __future__ import annotations

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
    note_row,
    row_at,
    rows_due,
    set_none,
)
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE

MOMENTUM = FIRST_OWN
_KEPT_MOMENTUM, _NESTEROV = FIRST_FACTOR, FIRST_FACTOR + 1


@exact
def plain_weight(w: float, g: float, rate: float) -> float:
    """Return w - rate g."""
    return w - rate * g


@exact
def next_velocity(v: float, g: float, rate: float, momentum: float) -> float:
    """Return momentum v - rate g."""
    return momentum * v - rate * g


@exact
def sum_of_two(w: float, v: float) -> float:
    """Return w + v."""
    return w + v


@exact
def ahead_weight(w: float, v: float, g: float, rate: float, momentum: float) -> float:
    """Return w + (momentum v - rate g)."""
    return w + (momentum * v - rate * g)


@kernel
def sgd_step(w: Array, g: Array, hyper: Array) -> None:
    """Compute w -= rate * g."""
    rate = w.dtype.type(hyper[LEARNING_RATE])
    for i in range(w.shape[0]):
        w[i] = plain_weight(w[i], g[i], rate)


@kernel
def momentum_step(w: Array, g: Array, v: Array, hyper: Array) -> None:
    """Compute v = momentum * v - rate * g and w += v."""
    real = w.dtype.type
    rate, momentum = real(hyper[LEARNING_RATE]), real(hyper[MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = next_velocity(v[i], g[i], rate, momentum)
        w[i] = sum_of_two(w[i], v[i])


@kernel
def nesterov_step(w: Array, g: Array, v: Array, hyper: Array) -> None:
    """Compute v = momentum * v - rate * g and w += momentum * v - rate * g."""
    real = w.dtype.type
    rate, momentum = real(hyper[LEARNING_RATE]), real(hyper[MOMENTUM])
    for i in range(w.shape[0]):
        v[i] = next_velocity(v[i], g[i], rate, momentum)
        w[i] = ahead_weight(w[i], v[i], g[i], rate, momentum)


@kernel
def sgd_record(hyper: Array, step_state: Array, clock: Array, history: Array) -> None:
    """Write the factors of a step into the history."""
    history[clock[0], RATE] = hyper[LEARNING_RATE]


@kernel
def momentum_record(hyper: Array, step_state: Array, clock: Array, history: Array) -> None:
    """Write the factors of a step into the history."""
    history[clock[0], RATE] = hyper[LEARNING_RATE]
    history[clock[0], _KEPT_MOMENTUM] = hyper[MOMENTUM]
    history[clock[0], _NESTEROV] = 0.0


@kernel
def nesterov_record(hyper: Array, step_state: Array, clock: Array, history: Array) -> None:
    """Write the factors of a step into the history."""
    history[clock[0], RATE] = hyper[LEARNING_RATE]
    history[clock[0], _KEPT_MOMENTUM] = hyper[MOMENTUM]
    history[clock[0], _NESTEROV] = 1.0


@inlined
def _sgd_row(w: Array, r: int, g: Array, k: int, history: Array, s: int) -> None:
    real = w.dtype.type
    kept, rate = real(history[s, KEPT]), real(history[s, RATE])
    for j in range(w.shape[1]):
        w[r, j] = plain_weight(decayed(w[r, j], kept), g[k, j], rate)


@inlined
def _momentum_row(w: Array, v: Array, r: int, g: Array, k: int, history: Array, s: int) -> None:
    real = w.dtype.type
    kept, rate, momentum = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _KEPT_MOMENTUM])
    if history[s, _NESTEROV]:
        for j in range(w.shape[1]):
            v[r, j] = next_velocity(v[r, j], g[k, j], rate, momentum)
            w[r, j] = ahead_weight(decayed(w[r, j], kept), v[r, j], g[k, j], rate, momentum)
    else:
        for j in range(w.shape[1]):
            v[r, j] = next_velocity(v[r, j], g[k, j], rate, momentum)
            w[r, j] = sum_of_two(decayed(w[r, j], kept), v[r, j])


@kernel
def sgd_rows_step(
    w: Array, g: Array, rows: Array, count: Array, last: Array, clock: Array, history: Array
) -> None:
    """Take a step with the rows that a batch has read."""
    for k in range(count[0]):
        _sgd_row(w, rows[k], g, k, history, clock[0])
        last[rows[k]] = clock[0] + 1


@kernel
def momentum_rows_step(
    w: Array, v: Array, g: Array, rows: Array, count: Array, last: Array, clock: Array, history: Array
) -> None:
    """Take a step with the rows that a batch has read."""
    for k in range(count[0]):
        _momentum_row(w, v, rows[k], g, k, history, clock[0])
        last[rows[k]] = clock[0] + 1


@inlined
def _sgd_replay(w: Array, r: int, first: int, end: int, history: Array, bounds: Array, none: Array) -> None:
    """Take the steps from `first` on with row r, without a gradient."""
    if bounds[PLAIN] == 1.0:
        return  # w - rate 0
    for s in range(first, end):
        set_none(none, history[s, ZERO])
        _sgd_row(w, r, none, 0, history, s)


@inlined
def _momentum_replay(
    w: Array, v: Array, r: int, first: int, end: int, history: Array, bounds: Array, none: Array
) -> None:
    """Take the steps from `first` on with row r, without a gradient; velocity alone where only it changes."""
    real, s = w.dtype.type, first
    momentum = real(history[first, _KEPT_MOMENTUM])
    while s < end:
        if bounds[PLAIN] == 1.0 and (s - first) % 8 == 0 and change_unseen(w, v, r):
            break
        set_none(none, history[s, ZERO])
        _momentum_row(w, v, r, none, 0, history, s)
        s += 1
    for _ in range(s, end):
        for j in range(w.shape[1]):
            v[r, j] = next_velocity(v[r, j], real(0), real(0), momentum)


@kernel
def sgd_catch_up(
    w: Array,
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
        _sgd_replay(w, r, first_missed(last, r, clock, bounds), clock[0], history, bounds, none)
        note_row(rows, last, r, clock, True)


@kernel
def momentum_catch_up(
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
    """Bring rows up to date; see `RowRule`."""
    for k in range(rows_due(w, rows, count, clock, least)):
        r = row_at(rows, k)
        first = first_missed(last, r, clock, bounds)
        if first < clock[0]:
            _momentum_replay(w, v, r, first, clock[0], history, bounds, none)
            note_row(rows, last, r, clock, is_zero(v, r))
        elif last[r] != REST:
            note_row(rows, last, r, clock, False)
