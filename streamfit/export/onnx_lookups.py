"""Translators of lookups: tables, their indices, and rows with a single 1.

ONNX counts numbers below 0 from the end of a table. Here they are no indices, so they are moved behind the
end of the table, where a runtime refuses them as it refuses all that are too large.
"""

from __future__ import annotations

import numpy as np

from streamfit.export.onnx_graph import OnnxGraph
from streamfit.export.onnx_translators import translates
from streamfit.ops.checked import CheckedIndices
from streamfit.ops.core import Node, Tensor
from streamfit.ops.indexing import OneHot, Take

_INT64 = np.dtype(np.int64)


@translates(CheckedIndices)
def checked_indices(graph: OnnxGraph, op: CheckedIndices, node: Node) -> str:
    """Write numbers as int64; what is no index becomes one that a runtime refuses to look up."""
    x = node.inputs[0]
    # In float64 every count and every number of a float32 stands as it is.
    wide = np.dtype(np.float64) if x.dtype.kind == "f" else _INT64
    number = graph.cast(graph.name_of(x), x.dtype, wide)
    valid = graph.node("GreaterOrEqual", number, graph.constant(0, dtype=wide))
    if wide.kind == "f":
        whole = graph.node("Equal", number, graph.node("Floor", number))
        small = graph.node("Less", number, graph.constant(op.count, "count", wide))
        valid = graph.node("And", graph.node("And", valid, whole), small)
    behind = graph.constant(op.count, "count", wide)
    return graph.cast(graph.node("Where", valid, number, behind), wide, _INT64)


@translates(Take)
def take(graph: OnnxGraph, op: Take, node: Node) -> str:
    """Write a lookup; a number that nothing has checked gives NaN where it is no index (0 in whole numbers).

    Numbers that a `CheckedIndices` of the same table has let pass need no check, and neither do constants.
    """
    table, indices = node.inputs
    if _are_indices(graph, indices, table.shape[op.axis]):
        return graph.node("Gather", graph.name_of(table), graph.name_of(indices), axis=op.axis)
    name, zero = graph.name_of(indices), graph.constant(0, dtype=_INT64)
    count = graph.node(
        "Squeeze", graph.lengths(graph.name_of(table), op.axis, op.axis + 1), graph.integers(0)
    )
    inside = graph.node("GreaterOrEqual", name, zero)
    inside = graph.node("And", inside, graph.node("Less", name, count))
    found = graph.node("Gather", graph.name_of(table), graph.node("Where", inside, name, zero), axis=op.axis)
    behind = range(indices.spec.rank, indices.spec.rank + table.spec.rank - op.axis - 1)
    rows = graph.node("Unsqueeze", inside, graph.integers(*behind)) if behind else inside
    missing = graph.constant(np.nan if table.dtype.kind == "f" else 0, "missing", table.dtype)
    return graph.node("Where", rows, found, missing)


def _are_indices(graph: OnnxGraph, indices: Tensor, length: int | None) -> bool:
    if graph.value_of(indices) is not None:
        return True
    made_by = None if indices.node is None else indices.node.op
    return isinstance(made_by, CheckedIndices) and length is not None and made_by.count >= length


@translates(OneHot)
def one_hot(graph: OnnxGraph, op: OneHot, node: Node) -> str:
    """Write rows with a single 1: a comparison, as the operator of that name counts from the end, too."""
    indices = node.inputs[0]
    column = graph.node("Unsqueeze", graph.name_of(indices), graph.integers(indices.spec.rank))
    equal = graph.node("Equal", column, graph.constant(np.arange(op.classes), "classes", _INT64))
    return graph.cast(equal, np.dtype(bool), np.dtype(op.dtype))
