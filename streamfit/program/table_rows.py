"""Tables: weights that nothing but lookups reads, of which a step updates the rows that it reads.

A lookup is a `RowLookup`: `ops.take` along axis 0, or `ops.embedding_bag`. A weight that anything else reads
as well (a matrix product, a penalty, a constraint, a metric) is no table here: its gradient and its update
are those of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.ops.core import Node, Tensor, Variable
from streamfit.ops.operation import workspace_from
from streamfit.ops.row_gradient import FoundRows, RowGradient, find_calls, merge_calls, sum_calls
from streamfit.ops.row_lookup import RowLookup
from streamfit.optimizers.tables import TableUpdate
from streamfit.program.gradient import Borrowing, Memory


def _is_lookup(node: Node) -> bool:
    return isinstance(node.op, RowLookup) and node.op.reads_rows


def find_tables(nodes: Iterable[Node], read: Iterable[Tensor]) -> list[Variable]:
    """List the weights that lookups read and nothing else.

    Args:
        nodes: All nodes of a program, lowered.
        read: Tensors that are read after a run.
    """
    lookups: dict[Variable, None] = {}
    others: set[Tensor] = set(read)
    for node in nodes:
        others.update(node.inputs[1:] if _is_lookup(node) else node.inputs)
        table = node.inputs[0] if node.inputs else None
        if _is_lookup(node) and isinstance(table, Variable) and table.ndim == 2 and table.dtype.kind == "f":
            lookups[table] = None
    return [t for t in lookups if t not in others and t.constraint is None and t.memory.size]


class TableRows:
    """The rows of tables that one binding reads, and their gradients.

    Args:
        tables: The update of each table.
        memory: Where arrays live for a step, or for a part of it.
    """

    def __init__(self, tables: Mapping[Variable, TableUpdate], memory: Memory) -> None:
        self.tables, self._memory = tables, memory
        self._found: dict[Node, FoundRows] = {}
        self._gradients: dict[Variable, RowGradient] = {}

    def reads(self, node: Node) -> bool:
        """Return whether a node looks up rows of a table."""
        return _is_lookup(node) and node.inputs[0] in self.tables

    def forward(self, node: Node, ids: Array) -> list[Call]:
        """Return the calls in front of a lookup: they find the rows and bring them up to date."""
        table = node.inputs[0]
        assert isinstance(table, Variable)
        borrowed = Borrowing(self._memory)
        found, calls = find_calls(node.op.bags(ids), len(table.memory), self._memory.take, borrowed.take)
        borrowed.give_back()
        self._found[node] = found
        return calls + self.tables[table].catch_up(found.rows, found.count)

    def backward(self, node: Node, scratch: Sequence[Array], gy: Array) -> list[Call]:
        """Return the calls that add up the gradient of the rows that a lookup has read.

        Args:
            node: The lookup.
            scratch: What its forward pass has left.
            gy: The gradient of its output.
        """
        table = node.inputs[0]
        assert isinstance(table, Variable)
        borrowed = Borrowing(self._memory)
        with workspace_from(borrowed.take):
            of_bags, calls = node.op.bag_gradient(scratch, gy)
        gradient, more = sum_calls(self._found[node], of_bags, self._memory.take)
        calls = [*calls, *more]
        borrowed.give_back()
        before = self._gradients.get(table)
        if before is not None:
            gradient, more = merge_calls(before, gradient, self._memory.take)
            calls += more
        self._gradients[table] = gradient
        return calls

    @property
    def gradients(self) -> dict[Variable, RowGradient]:
        """Return the gradient of each table; without a row where the objective does not depend on it."""
        return {table: self._gradients.get(table) or _no_rows(table) for table in self.tables}

    def filled(self) -> dict[Variable, Array]:
        """Return the rows of each gradient, as the last step left them."""
        return {t: gradient.values[: gradient.count[0]] for t, gradient in self._gradients.items()}


def _no_rows(table: Variable) -> RowGradient:
    rows, count = np.zeros(1, np.int64), np.zeros(1, np.int64)
    return RowGradient(rows, count, np.zeros((1, table.memory.shape[1]), table.dtype))
