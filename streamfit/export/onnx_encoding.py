"""Translators of counts, bins and bags of rows."""

from __future__ import annotations

import numpy as np

from streamfit.export.onnx_graph import OnnxGraph
from streamfit.export.onnx_translators import translates
from streamfit.ops.core import Node
from streamfit.ops.embedding_bag import EmbeddingBag
from streamfit.ops.encoding import CountRows, Digitize

_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)


@translates(CountRows)
def count_rows(graph: OnnxGraph, op: CountRows, node: Node) -> str:
    """Write a row with how often each number occurs, or what its occurrences weigh, or whether it occurs."""
    numbers, dtype = node.inputs[0], np.dtype(op.dtype)
    rank = numbers.spec.rank
    column = graph.node("Unsqueeze", graph.name_of(numbers), graph.integers(rank))
    equal = graph.node("Equal", column, graph.constant(np.arange(op.classes), "classes", numbers.dtype))
    each = graph.cast(equal, np.dtype(bool), dtype)
    if len(node.inputs) > 1:
        weights = graph.node("Unsqueeze", graph.name_of(node.inputs[1]), graph.integers(rank))
        each = graph.node("Mul", each, weights)
    counts = graph.node("ReduceSum", each, graph.integers(rank - 1), keepdims=0)
    return graph.node("Min", counts, graph.constant(op.most, "most", dtype)) if op.most else counts


@translates(Digitize)
def digitize(graph: OnnxGraph, op: Digitize, node: Node) -> str:
    """Write how many bounds each number is not below; NaN is below none."""
    x, dtype = node.inputs[0], node.inputs[0].dtype
    column = graph.node(
        "Unsqueeze", graph.cast(graph.name_of(x), dtype, np.dtype(np.float64)), graph.integers(-1)
    )
    below = graph.node("Less", column, graph.constant(op.bins, "bins", np.dtype(np.float64)))
    passed = graph.cast(graph.node("Not", below), np.dtype(bool), _INT64)
    count = graph.node("ReduceSum", passed, graph.integers(-1), keepdims=0)
    return graph.cast(count, _INT64, node.outputs[0].dtype)


@translates(EmbeddingBag)
def embedding_bag(graph: OnnxGraph, op: EmbeddingBag, node: Node) -> str:
    """Write the combination of the rows that each sample names; numbers below 0 name none."""
    table, ids = node.inputs
    dtype, rank = table.dtype, ids.spec.rank
    name, zero = graph.name_of(ids), graph.constant(0, dtype=_INT64)
    named = graph.node("GreaterOrEqual", name, zero)
    rows = graph.node("Gather", graph.name_of(table), graph.node("Where", named, name, zero), axis=0)
    kept = graph.cast(named, np.dtype(bool), dtype)
    counted = graph.node("Mul", rows, graph.node("Unsqueeze", kept, graph.integers(rank)))
    total = graph.node("ReduceSum", counted, graph.integers(rank - 1), keepdims=0)
    if op.combiner == "sum":
        return total
    count = graph.node("ReduceSum", kept, graph.integers(rank - 1), keepdims=1)
    least = graph.node("Max", count, graph.constant(1, dtype=dtype))
    return graph.node("Div", total, least if op.combiner == "mean" else graph.node("Sqrt", least))
