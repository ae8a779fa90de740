"""Updates of tables by rows: a step touches the rows that its batch has read, and no others.

Rows that a batch does not read still move in dense training, under momentum, fading means or decay. They
are left behind here and take those steps later, before they are read (`kernels/missed_steps.py`), with the
bits of dense training. Or they do not move at all, where the rule is lazy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, CallList, kernel
from streamfit.kernels.calls import Kernel
from streamfit.kernels.missed_steps import (
    COLUMNS,
    FIRST_FACTOR,
    KEPT,
    LENGTH,
    PLAIN,
    RATE,
    TOP_RATE,
    ZERO,
)
from streamfit.ops.row_gradient import RowGradient
from streamfit.optimizers.hyper import LEARNING_RATE, WEIGHT_DECAY

SMALLEST = 1 << 20
"""Elements from which on a table is updated by rows; below, the whole has the same bits and is quicker."""
_ALL: Array = np.zeros(0, np.int64)
_UNCOUNTED: Array = np.zeros(1, np.int64)


@kernel
def note_step(hyper: Array, zero: Array, clock: Array, history: Array, bounds: Array, decays: int) -> None:
    """Complete the line of a step: the decay, and what became of zeros; then the bounds.

    Args:
        hyper: The settings.
        zero: What clipping makes of a gradient of zero, float64 (1,).
        clock: Steps in the history, int64 (1,); this step is not yet counted.
        history: float64 (length, 8).
        bounds: float64 (2,).
        decays: 1 if weights decay.
    """
    now = clock[0]
    history[now, KEPT] = 1.0 - hyper[LEARNING_RATE] * hyper[WEIGHT_DECAY] if decays else 1.0
    history[now, ZERO] = zero[0]
    plain = 1.0 if zero[0] == 0.0 and np.isfinite(history[now, RATE]) and not decays else 0.0
    if now == 0:
        bounds[TOP_RATE], bounds[PLAIN] = 0.0, 1.0
    for column in range(FIRST_FACTOR, COLUMNS):
        if history[now, column] != history[0, column]:
            plain = 0.0
    bounds[PLAIN] = min(bounds[PLAIN], plain)
    bounds[TOP_RATE] = max(bounds[TOP_RATE], abs(history[now, RATE]))


@kernel
def advance(clock: Array) -> None:
    """Count a step."""
    clock[0] += 1


@kernel
def restart(clock: Array, least: int) -> None:
    """Begin the history again if it holds at least so many steps; all rows are up to date."""
    if clock[0] >= least:
        clock[0] = 0


class RowRule(NamedTuple):
    """The kernels by which an optimizer updates rows of a table.

    Attributes:
        record: Given (hyper, step_state, clock, history), writes the factors of the coming step.
        step: Given (w, each state, g, rows, count, last, clock, history), takes the step with some rows.
        catch_up: Given (w, each state, rows, count, last, clock, history, bounds, none, least), takes the
            steps that rows have missed, with a gradient of zero. These are the rows that are listed, or all
            where `rows` is empty and the history holds at least `least` steps. None if rows that are not read
            never move.
    """

    record: Kernel
    step: Kernel
    catch_up: Kernel | None

    def suits(self, shape: tuple[int, int]) -> bool:
        """Return whether a table of this shape is to be updated by rows."""
        return self.catch_up is None or shape[0] * shape[1] >= SMALLEST


class Table(NamedTuple):
    """A weight that is updated by rows.

    Attributes:
        weight: Which of the weights it is.
        shape: (rows, width).
    """

    weight: int
    shape: tuple[int, int]


class TableUpdate:
    """The update of one table.

    Args:
        rule: The kernels of the optimizer.
        weights: The table, (rows, width).
        states: The states of the optimizer for it, each (rows, width).
        hyper: The settings of the optimizer.
        step_state: int64 [seed, finished steps].
        decays: Whether weights decay.

    Attributes:
        zero: What clipping makes of a gradient of zero, float64 (1,).
    """

    def __init__(
        self,
        rule: RowRule,
        weights: Array,
        states: Sequence[Array],
        hyper: Array,
        step_state: Array,
        decays: bool,
    ) -> None:
        self._rule, self._hyper, self._step_state, self._decays = rule, hyper, step_state, decays
        self._arrays = (weights, *states)
        self._last = np.zeros(len(weights), np.int64)
        self._clock = np.zeros(1, np.int64)
        self._history = np.zeros((LENGTH, COLUMNS))
        self._bounds = np.array([0.0, 1.0])
        self._none = np.zeros((1, weights.shape[1]), weights.dtype)
        self.zero = np.zeros(1)
        self._settling: CallList | None = None

    @property
    def is_lazy(self) -> bool:
        """Return whether rows that are not read never move."""
        return self._rule.catch_up is None

    def _catch_up(self, rows: Array, count: Array, least: int) -> list[Call]:
        if self._rule.catch_up is None:
            return []
        times = (self._last, self._clock, self._history, self._bounds, self._none, least)
        return [(self._rule.catch_up, (*self._arrays, rows, count, *times))]

    def catch_up(self, rows: Array, count: Array) -> list[Call]:
        """Return the calls that bring rows up to date, before they are read.

        Args:
            rows: Row numbers, int64 (n,); the first count[0] are valid.
            count: int64 (1,).
        """
        return self._catch_up(rows, count, 1) if rows.size else []

    def step(self, gradient: RowGradient) -> list[Call]:
        """Return the calls of one step; the rows of the gradient are up to date."""
        time = (self._clock, self._history)
        calls: list[Call] = self._settle(LENGTH)
        calls += [
            (self._rule.record, (self._hyper, self._step_state, *time)),
            (note_step, (self._hyper, self.zero, *time, self._bounds, int(self._decays))),
            (
                self._rule.step,
                (*self._arrays, gradient.values, gradient.rows, gradient.count, self._last, *time),
            ),
        ]
        return calls if self.is_lazy else [*calls, (advance, (self._clock,))]

    def _settle(self, least: int) -> list[Call]:
        calls = self._catch_up(_ALL, _UNCOUNTED, least)
        return [*calls, (restart, (self._clock, least))] if calls else []

    def settle(self) -> None:
        """Bring all rows up to date, now."""
        if self._clock[0]:
            if self._settling is None:
                self._settling = CallList(self._settle(1))
            self._settling.run()

    def wake(self) -> None:
        """Forget which rows have states of zero, since somebody may change them; all rows are up to date."""
        self._last[:] = 0


def table_updates(
    rule: RowRule | None,
    tables: Sequence[Table],
    weights: Array,
    states: Sequence[Array],
    sizes: Array,
    hyper: Array,
    step_state: Array,
    decays: bool,
) -> dict[int, TableUpdate]:
    """Return the update of each table that suits a rule, by the number of its weight.

    Args:
        rule: The kernels of the optimizer; None if it updates wholes only.
        tables: Weights that may be updated by rows.
        weights: All weights, one flat vector.
        states: The vectors of the optimizer's state.
        sizes: The number of elements of each weight, int64.
        hyper: As for `TableUpdate`.
        step_state: As for `TableUpdate`.
        decays: As for `TableUpdate`.
    """
    found: dict[int, TableUpdate] = {}
    for number, shape in tables:
        if rule is not None and rule.suits(shape):
            start = int(sizes[:number].sum())
            place = slice(start, start + shape[0] * shape[1])
            table, *parts = (vector[place].reshape(shape) for vector in (weights, *states))
            found[number] = TableUpdate(rule, table, parts, hyper, step_state, decays)
    return found
