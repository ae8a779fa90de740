"""The kernels of Adagrad: over flat vectors, and over rows of tables."""

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
    decayed,
    first_missed,
    note_epsilon,
    note_row,
    row_at,
    rows_due,
    set_none,
)
from streamfit.optimizers.hyper import FIRST_OWN, LEARNING_RATE

EPSILON = FIRST_OWN + 1
_EPSILON = FIRST_FACTOR


@exact
def next_sum(a: float, g: float) -> float:
    """Return a + g^2."""
    return a + g * g


@exact
def next_weight(w: float, g: float, a: float, rate: float, epsilon: float) -> float:
    """Return w - rate g / sqrt(a + epsilon)."""
    root: float = np.sqrt(a + epsilon)
    return w - rate * g / root


@kernel
def adagrad_step(w: Array, g: Array, a: Array, hyper: Array) -> None:
    """Compute a += g^2 and w -= rate g / sqrt(a + epsilon)."""
    real = w.dtype.type
    rate, epsilon = real(hyper[LEARNING_RATE]), real(hyper[EPSILON])
    for i in range(w.shape[0]):
        a[i] = next_sum(a[i], g[i])
        w[i] = next_weight(w[i], g[i], a[i], rate, epsilon)


@kernel
def adagrad_record(hyper: Array, step_state: Array, clock: Array, history: Array) -> None:
    """Write the factors of a step into the history."""
    history[clock[0], RATE] = hyper[LEARNING_RATE]
    history[clock[0], _EPSILON] = hyper[EPSILON]
    note_epsilon(history, clock[0], hyper[EPSILON])


@inlined
def _row(w: Array, a: Array, r: int, g: Array, k: int, history: Array, s: int) -> None:
    real = w.dtype.type
    kept, rate, epsilon = real(history[s, KEPT]), real(history[s, RATE]), real(history[s, _EPSILON])
    for j in range(w.shape[1]):
        a[r, j] = next_sum(a[r, j], g[k, j])
        w[r, j] = next_weight(decayed(w[r, j], kept), g[k, j], a[r, j], rate, epsilon)


@kernel
def adagrad_rows_step(
    w: Array, a: Array, g: Array, rows: Array, count: Array, last: Array, clock: Array, history: Array
) -> None:
    """Take a step with the rows that a batch has read."""
    for k in range(count[0]):
        _row(w, a, rows[k], g, k, history, clock[0])
        last[rows[k]] = clock[0] + 1


@inlined
def _usual(a: Array, r: int) -> bool:
    """Return whether the sums of row r are numbers, so that a gradient of zero changes nothing."""
    usual = True
    for j in range(a.shape[1]):
        usual &= a[r, j] >= 0
    return usual


@kernel
def adagrad_catch_up(
    w: Array,
    a: Array,
    rows: Array,
    count: Array,
    last: Array,
    clock: Array,
    history: Array,
    bounds: Array,
    none: Array,
    least: int,
) -> None:
    """Bring rows up to date; see `RowRule`. Without a gradient only decay moves them, as epsilon > 0."""
    for k in range(rows_due(w, rows, count, clock, least)):
        r = row_at(rows, k)
        first = first_missed(last, r, clock, bounds)
        if first < clock[0]:
            at_rest = _usual(a, r)
            if not at_rest or bounds[PLAIN] != 1.0:
                for s in range(first, clock[0]):
                    set_none(none, history[s, ZERO])
                    _row(w, a, r, none, 0, history, s)
            note_row(rows, last, r, clock, at_rest and _usual(a, r))
        elif last[r] != REST:
            note_row(rows, last, r, clock, False)
