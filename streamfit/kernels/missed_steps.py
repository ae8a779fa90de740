"""What the last steps were, for rows of tables that did not take part in them.

In dense training a row without a gradient still moves: momentum goes on, means fade, weights decay. Here
such a row is left behind, and `last` notes how many of the recorded steps it has taken. Before it is read, it
takes the others one by one, from the *history*: a line of factors for each step. So it gets the bits that it
would have had.

The history begins again (*restart*) when all rows have been brought up to date, or when it is full.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.decorator import exact, inlined

LENGTH = 4096
"""Steps in a history; when it is full, all rows are brought up to date."""
COLUMNS = 8
"""Factors of a step."""
KEPT, ZERO, RATE, FIRST_FACTOR = 0, 1, 2, 3
"""The decay of weights, what clipping makes of a zero (0 or NaN), the rate, and what only some rules have."""
TOP_RATE, PLAIN = 0, 1
"""In the bounds of a history: the largest rate, and whether all steps differ in their rates alone."""
REST = 1 << 62
"""In `last`: the states of the row are zero, so that steps without a gradient change nothing."""


@exact
def decayed(w: float, kept: float) -> float:
    """Return a weight after its decay."""
    return w * kept


@exact
def taken_off(w: float, change: float) -> float:
    """Return a weight less a change."""
    return w - change


@inlined
def note_epsilon(history: Array, now: int, epsilon: float) -> None:
    """Mark a step whose epsilon may count as zero: 0 / 0 then moves rows, so such a step is not plain."""
    history[now, COLUMNS - 1] = 0.0 if epsilon >= 1e-30 else np.nan


@inlined
def rows_due(w: Array, rows: Array, count: Array, clock: Array, least: int) -> int:
    """Return how many rows to bring up to date: those listed, or all where `rows` is empty.

    All are only due where the history holds at least so many steps.
    """
    if rows.shape[0]:
        return int(count[0])
    return w.shape[0] if clock[0] >= least else 0


@inlined
def row_at(rows: Array, k: int) -> int:
    """Return the number of the k-th row that is due."""
    return int(rows[k]) if rows.shape[0] else k


@inlined
def first_missed(last: Array, r: int, clock: Array, bounds: Array) -> int:
    """Return the first step in the history that row r has not taken; the count of steps if there is none."""
    if last[r] <= clock[0]:
        return int(last[r])
    return int(clock[0]) if bounds[PLAIN] == 1.0 else 0


@inlined
def note_row(rows: Array, last: Array, r: int, clock: Array, at_rest: bool) -> None:
    """Note that row r is up to date; where all rows are, the history begins again."""
    if rows.shape[0]:
        last[r] = clock[0]
    elif at_rest:
        last[r] = REST
    else:
        last[r] = 0


@inlined
def set_none(none: Array, zero: float) -> None:
    """Make the gradient of a row that was not read, (1, width)."""
    if none[0, 0] != zero:
        for j in range(none.shape[1]):
            none[0, j] = zero


@inlined
def unseen_part(w: Array) -> float:
    """Return the largest share of a number that it can lose or gain and stay the same, when rounded."""
    return 1.4e-8 if w.itemsize == 4 else 2.7e-17  # less than 2**-26 and 2**-55


@inlined
def change_unseen(w: Array, change: Array, r: int) -> bool:
    """Return whether adding or taking off the changes of row r, or less, leaves its weights as they are."""
    part = w.dtype.type(unseen_part(w))
    unseen = True
    for j in range(w.shape[1]):
        unseen &= abs(change[r, j]) <= abs(w[r, j]) * part
    return unseen


@inlined
def is_zero(state: Array, r: int) -> bool:
    """Return whether row r of a state is zero."""
    zero = True
    for j in range(state.shape[1]):
        zero &= state[r, j] == 0
    return zero
