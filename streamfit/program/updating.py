"""`Training`: what a program trains: variables, their gradient, and their update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Variable
from streamfit.ops.row_gradient import RowGradient
from streamfit.optimizers.tables import Table, TableUpdate
from streamfit.optimizers.update import Update, stretches
from streamfit.program.constraining import constraint_calls
from streamfit.program.finite import finite_check, finite_check_of_rows
from streamfit.program.memory import FlatVariables, pieces_of

_LEAST_PIECE = 4096  # elements: a piece should take longer than to hand it out


@kernel
def tick(step_state: Array) -> None:
    """Count one finished training step."""
    step_state[1] += 1


class MakesUpdate(Protocol):
    """What gives the update of a step, such as `Optimizer.update`."""

    def __call__(
        self, weights: Array, grads: Array, sizes: Array, step_state: Array, tables: Sequence[Table] = ()
    ) -> Update:
        """Return the update for weights that are one flat vector."""


class Training:
    """The variables that a program trains, their gradient, and the calls of optimizer and constraints.

    Args:
        variables: The trainable variables; they move into one flat vector.
        step_state: int64 array [seed, finished steps], shape (2,).
        update: Gives the optimizer's update.

    Attributes:
        flat: The variables.
        gradient: The flat vector of their gradient; its parts of tables are not used.
        tables: The update of each variable that is updated by rows.
    """

    def __init__(self, variables: Sequence[Variable], step_state: Array, update: MakesUpdate) -> None:
        self.flat = FlatVariables(variables)
        self.gradient = self.flat.zeros_like()
        self.step_state = step_state
        self._views = dict(zip(self.flat.variables, self.flat.views(self.gradient), strict=True))
        self._make_update = update
        self._candidates: set[Variable] | None = None  # not known before the first program
        self.tables: dict[Variable, TableUpdate] = {}
        self.rebind()

    def admit(self, tables: Sequence[Variable]) -> bool:
        """Note which variables may be updated by rows in one more program: it needs all programs' consent.

        Returns:
            Whether the programs that were bound before must be bound again.
        """
        before = self._candidates
        trained = set(tables).intersection(self.flat.variables)
        self._candidates = trained if before is None else before & trained
        if self._candidates == (before or set()):
            return False
        self.rebind()
        return True

    def rebind(self) -> None:
        """Make the update anew; programs that use the old one must forget their bindings."""
        flat, candidates = self.flat, self._candidates or ()
        tables = [
            Table(number, (v.memory.shape[0], v.memory.shape[1]))
            for number, v in enumerate(flat.variables)
            if v in candidates
        ]
        self._update = self._make_update(flat.vector, self.gradient, flat.sizes, self.step_state, tables)
        before = self.tables
        self.tables = {flat.variables[number]: table for number, table in self._update.tables.items()}
        for variable in before.keys() - self.tables.keys():
            self._views[variable][...] = 0
        self.flat.defer(self._update)
        self._constraining = constraint_calls(flat.variables)
        self.lock = self._update.lock

    @property
    def grads(self) -> dict[Variable, Array]:
        """Return where the gradient of each variable goes that is updated as a whole."""
        return {v: view for v, view in self._views.items() if v not in self.tables}

    def _numbered(self, gradients: Mapping[Variable, RowGradient]) -> dict[int, RowGradient]:
        return {n: gradients[v] for n, v in enumerate(self.flat.variables) if v in self.tables}

    def calls(self, gradients: Mapping[Variable, RowGradient]) -> list[Call]:
        """Return the calls that update all variables and count the step.

        Args:
            gradients: The gradient of each table.
        """
        update = self._update.calls(self._numbered(gradients))
        return [*update, *self._constraining, (tick, (self.step_state,))]

    def pieces(self, count: int) -> list[slice]:
        """Return the elements of at most `count` pieces of the flat vectors."""
        return pieces_of(len(self.flat.vector), count, _LEAST_PIECE)

    def places(self) -> dict[Variable, int]:
        """Return where each variable begins in the flat vectors."""
        starts = np.cumsum(self.flat.sizes) - self.flat.sizes
        return dict(zip(self.flat.variables, starts.tolist(), strict=True))

    def calls_in_pieces(
        self, places: Sequence[slice]
    ) -> tuple[Sequence[Call], list[list[Call]], list[Call]] | None:
        """Return the calls of a step in three parts: the first, those of pieces, and the last.

        The pieces may run at the same time. None where a step needs the whole vectors; see `calls`.
        """
        pieces = self._update.in_pieces(places)
        if pieces is None:
            return None
        return self._update.first, pieces, [*self._constraining, (tick, (self.step_state,))]

    def finite_calls(self, loss: Array, gradients: Mapping[Variable, RowGradient]) -> list[Call]:
        """Return the calls that stop a step unless its loss and its gradients are finite."""
        rows = self._numbered(gradients)
        wholes = [self.gradient[s.place] for s in stretches(self.flat.sizes, rows)] or [np.zeros(1)]
        calls = [finite_check(loss, vector) for vector in wholes]
        return calls + [finite_check_of_rows(gradient) for gradient in rows.values()]
