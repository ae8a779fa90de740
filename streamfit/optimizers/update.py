"""`Update`: all calls of a step of an optimizer: clipping, decay, its own step, and the tables' rows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.ops.row_gradient import RowGradient
from streamfit.optimizers.clipping import (
    LANES,
    clip_by_value,
    decay_weights,
    scale_pieces,
    scale_rows,
    sum_squares,
    sum_squares_of_rows,
)
from streamfit.optimizers.tables import TableUpdate


class Stretch(NamedTuple):
    """Weights side by side in the flat vectors that are updated as wholes.

    Attributes:
        first: The first of these weights.
        stop: The first weight behind them.
        place: Their elements in the flat vectors.
    """

    first: int
    stop: int
    place: slice


def stretches(sizes: Array, tables: Iterable[int]) -> list[Stretch]:
    """List the weights between tables.

    Args:
        sizes: The number of elements of each weight, int64.
        tables: Which weights are tables.

    Example:
        >>> [stretch.place for stretch in stretches(np.array([4, 100, 2]), [1])]
        [slice(0, 4, None), slice(104, 106, None)]
    """
    ends = [0, *np.cumsum(sizes).tolist()]
    borders = [-1, *sorted(tables), len(sizes)]
    pairs = itertools.pairwise(borders)
    return [Stretch(b + 1, a, slice(ends[b + 1], ends[a])) for b, a in pairs if a > b + 1]


class Update:
    """The calls of one step of an optimizer.

    Args:
        weights: All weights, one float vector.
        grads: Their gradient; the parts of tables are not used.
        sizes: The number of elements of each weight, int64.
        hyper: The settings of the optimizer.
        clipping: The name of the kind of clipping, or "".
        decays: Whether weights decay.
        between: The weights between tables.
        first: Calls that stand before all others.
        steps: The calls of the optimizer's own step with the weights between tables.
        tables: The update of each table, by the number of its weight.

    Attributes:
        lock: Held while a step is taken, or rows are brought up to date.
    """

    def __init__(
        self,
        weights: Array,
        grads: Array,
        sizes: Array,
        hyper: Array,
        clipping: str,
        decays: bool,
        between: Sequence[Stretch],
        first: Sequence[Call],
        steps: Sequence[Call],
        tables: dict[int, TableUpdate],
    ) -> None:
        self._weights, self._grads, self._sizes, self._hyper = weights, grads, sizes, hyper
        self._clipping, self._decays, self._between = clipping, decays, between
        self._first, self._steps, self.tables = first, steps, tables
        self.lock = threading.RLock()

    def calls(self, gradients: dict[int, RowGradient]) -> list[Call]:
        """Return the calls.

        Args:
            gradients: The gradient of each table, by the number of its weight.
        """
        calls = [*self._first, *self._clip_calls(gradients)]
        if self._decays:
            calls += [(decay_weights, (self._weights[s.place], self._hyper)) for s in self._between]
        calls += self._steps
        for weight, table in self.tables.items():
            calls += table.step(gradients[weight])
        return calls

    def _clip_calls(self, gradients: dict[int, RowGradient]) -> list[Call]:
        if self._clipping == "clipvalue":
            flat = [self._grads[s.place] for s in self._between]
            flat += [gradient.values.reshape(-1) for gradient in gradients.values()]
            return [(clip_by_value, (vector, self._hyper)) for vector in flat]
        if not self._clipping:
            return []
        alone = self._clipping == "clipnorm"
        squares, lanes = np.zeros(len(self._sizes)), np.zeros(LANES)
        sums: list[Call] = []
        scales: list[Call] = []
        for first, stop, place in self._between:
            pieces = (self._grads[place], self._sizes[first:stop])
            sums.append((sum_squares, (*pieces, lanes, squares[first:stop])))
            scales.append((scale_pieces, (*pieces, squares, first if alone else -1, self._hyper)))
        for weight, gradient in gradients.items():
            rows, count, values = gradient.rows, gradient.count, gradient.values
            sums.append((sum_squares_of_rows, (values, rows, count, lanes, squares[weight : weight + 1])))
            zero = self.tables[weight].zero
            scales.append((scale_rows, (values, count, squares, weight if alone else -1, self._hyper, zero)))
        return sums + scales

    def settle(self, *, wake: bool = False) -> None:
        """Bring all rows of all tables up to date, now; `wake` if somebody may change their states."""
        with self.lock:
            for table in self.tables.values():
                table.settle()
                if wake:
                    table.wake()
