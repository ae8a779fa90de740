"""Translators of operations that move, join, cut and add up along axes."""

from __future__ import annotations

import numpy as np

from streamfit.export.onnx_graph import OnnxGraph
from streamfit.export.onnx_translators import translates, untranslated
from streamfit.ops.batch_size import BatchSize
from streamfit.ops.core import Node
from streamfit.ops.cumulative import Cumsum
from streamfit.ops.joining import Concatenate, Cut, Slice
from streamfit.ops.reductions import Argmax, Argmin, Max, Mean, Min, Sum
from streamfit.ops.shape import InsertAxis, RemoveAxes, Reshape, Transpose
from streamfit.ops.softmax import LogSoftmax, Logsumexp, Softmax

_FIRST, _LAST = -(2**63), 2**63 - 1
"""In front of all elements, and behind them."""


# -- shape ------------------------------------------------------------------------------------------


@translates(Reshape)
def reshape(graph: OnnxGraph, op: Reshape, node: Node) -> str:
    """Write another shape: 0 leaves a length as it is, -1 is what is left."""
    shape = node.outputs[0].shape
    if 0 in shape:
        raise untranslated(graph, f"a reshape to {shape}, with an axis of length 0,")
    keeps_first = bool(op.shape) and op.shape[0] is None
    lengths = [-1 if length is None else length for length in shape]
    first = [0] if keeps_first else lengths[:1]
    return graph.node(
        "Reshape", graph.name_of(node.inputs[0]), graph.integers(*(first + lengths[1:] if lengths else []))
    )


@translates(InsertAxis)
def insert_axis(graph: OnnxGraph, op: InsertAxis, node: Node) -> str:
    """Write a new axis of length 1."""
    return graph.node("Unsqueeze", graph.name_of(node.inputs[0]), graph.integers(op.axis))


@translates(RemoveAxes)
def remove_axes(graph: OnnxGraph, op: RemoveAxes, node: Node) -> str:
    """Write the removal of axes of length 1."""
    x = graph.name_of(node.inputs[0])
    return graph.node("Squeeze", x, graph.integers(*op.axes)) if op.axes else x


@translates(Transpose)
def transpose(graph: OnnxGraph, op: Transpose, node: Node) -> str:
    """Write another order of axes."""
    return graph.node("Transpose", graph.name_of(node.inputs[0]), perm=op.axes)


@translates(Concatenate)
def concatenate(graph: OnnxGraph, op: Concatenate, node: Node) -> str:
    """Write arrays one after the other."""
    return graph.node("Concat", *map(graph.name_of, node.inputs), axis=op.axis)


@translates(Slice)
def cut_out(graph: OnnxGraph, op: Slice, node: Node) -> str:
    """Write a regular part; numbers below 0 count from the end, as in Python."""
    cuts = {axis: _bounds(cut) for axis, cut in enumerate(op.cuts) if cut != slice(None)}
    starts, stops, steps = zip(*cuts.values(), strict=True)
    lists = (graph.integers(*numbers) for numbers in (starts, stops, cuts, steps))
    return graph.node("Slice", graph.name_of(node.inputs[0]), *lists)


def _bounds(cut: Cut) -> tuple[int, int, int]:
    if not isinstance(cut, slice):
        return cut, _LAST if cut == -1 else cut + 1, 1
    step = 1 if cut.step is None else int(cut.step)
    start, stop = (0, _LAST) if step > 0 else (_LAST, _FIRST)
    return start if cut.start is None else int(cut.start), stop if cut.stop is None else int(cut.stop), step


@translates(BatchSize)
def batch_size(graph: OnnxGraph, op: BatchSize, node: Node) -> str:
    """Write the number of samples."""
    count = graph.lengths(graph.name_of(node.inputs[0]), 0, 1)
    scalar = graph.node("Squeeze", count, graph.integers(0))
    return graph.cast(scalar, np.dtype(np.int64), node.outputs[0].dtype)


# -- reductions -------------------------------------------------------------------------------------

_EXTREMES = {Max: "ReduceMax", Min: "ReduceMin"}


@translates(Sum, Mean)
def add_up(graph: OnnxGraph, op: Sum, node: Node) -> str:
    """Write a sum or a mean; whole numbers and truth values add up to int64."""
    x, result = node.inputs[0], node.outputs[0].dtype
    operator = "ReduceMean" if isinstance(op, Mean) else "ReduceSum"
    axes = graph.integers(*range(op.first, op.last))
    return graph.node(
        operator, graph.cast(graph.name_of(x), x.dtype, result), axes, keepdims=int(op.keepdims)
    )


@translates(Max, Min)
def extreme(graph: OnnxGraph, op: Max, node: Node) -> str:
    """Write the largest or the smallest; truth values are computed as whole numbers."""
    dtype = node.inputs[0].dtype
    wide = np.dtype(np.int64) if dtype.kind != "f" and dtype.itemsize < 4 else dtype
    x, axes = (
        graph.cast(graph.name_of(node.inputs[0]), dtype, wide),
        graph.integers(*range(op.first, op.last)),
    )
    return graph.cast(graph.node(_EXTREMES[type(op)], x, axes, keepdims=int(op.keepdims)), wide, dtype)


@translates(Argmax, Argmin)
def place_of_extreme(graph: OnnxGraph, op: Argmax, node: Node) -> str:
    """Write the number of the first largest or smallest element, along one axis or among all."""
    tensor, operator = node.inputs[0], "ArgMin" if isinstance(op, Argmin) else "ArgMax"
    wide = np.dtype(np.int64) if tensor.dtype.kind != "f" and tensor.dtype.itemsize < 4 else tensor.dtype
    x = graph.cast(graph.name_of(tensor), tensor.dtype, wide)
    if op.last - op.first == 1:
        return graph.node(operator, x, axis=op.first, keepdims=int(op.keepdims))
    place = graph.node(operator, graph.node("Reshape", x, graph.integers(-1)), axis=0, keepdims=0)
    ones = (1,) * len(node.outputs[0].shape)
    return graph.node("Reshape", place, graph.integers(*ones)) if ones else place


@translates(Cumsum)
def cumulative_sum(graph: OnnxGraph, op: Cumsum, node: Node) -> str:
    """Write the sums up to each place."""
    x, result = node.inputs[0], node.outputs[0].dtype
    axis = graph.constant(op.axis, "axis", np.dtype(np.int64))
    return graph.node("CumSum", graph.cast(graph.name_of(x), x.dtype, result), axis)


@translates(Softmax)
def softmax(graph: OnnxGraph, op: Softmax, node: Node) -> str:
    """Write probabilities along the last axis."""
    return graph.node("Softmax", graph.name_of(node.inputs[0]), axis=-1)


@translates(LogSoftmax)
def log_softmax(graph: OnnxGraph, op: LogSoftmax, node: Node) -> str:
    """Write logarithms of probabilities along the last axis."""
    return graph.node("LogSoftmax", graph.name_of(node.inputs[0]), axis=-1)


@translates(Logsumexp)
def logsumexp(graph: OnnxGraph, op: Logsumexp, node: Node) -> str:
    """Write the logarithm of the sum of exponentials, of differences from the largest: none overflows."""
    x, last = graph.name_of(node.inputs[0]), graph.integers(-1)
    top = graph.node("ReduceMax", x, last, keepdims=1)
    total = graph.node("ReduceSum", graph.node("Exp", graph.node("Sub", x, top)), last, keepdims=0)
    return graph.node("Add", graph.node("Log", total), graph.node("Squeeze", top, last))
