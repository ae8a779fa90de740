"""Translators of operations on single elements and on pairs of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streamfit.export.onnx_graph import OnnxGraph
from streamfit.export.onnx_translators import translates, untranslated
from streamfit.ops.binary import Binary
from streamfit.ops.broadcasting import BroadcastTo
from streamfit.ops.casting import Cast
from streamfit.ops.comparisons import Where
from streamfit.ops.core import DType, Node
from streamfit.ops.indexing import FullLike
from streamfit.ops.rectifiers import SELU_ALPHA, SELU_SCALE
from streamfit.ops.selecting import Counted
from streamfit.ops.unary import Unary

_SAME = {
    **{"negative": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "round": "Round", "sqrt": "Sqrt"},
    **{"sin": "Sin", "cos": "Cos", "exp": "Exp", "log": "Log", "tanh": "Tanh", "sigmoid": "Sigmoid"},
    **{"relu": "Relu", "softplus": "Softplus", "softsign": "Softsign", "logical_not": "Not"},
    "stop_gradient": "Identity",
}
_PAIRS = {
    **{"add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow"},
    **{"maximum": "Max", "minimum": "Min", "greater": "Greater", "greater_equal": "GreaterOrEqual"},
    **{"equal": "Equal", "logical_and": "And", "logical_or": "Or"},
}


def activation(graph: OnnxGraph, name: str, x: str) -> str:
    """Write an activation that is fused into another operation."""
    return x if name == "linear" else graph.node(_SAME[name], x)


# -- one operand ------------------------------------------------------------------------------------

Formula = Callable[[OnnxGraph, Unary, str, DType], str]


def _square(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("Mul", x, x)


def _expm1(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    """Write exp(x) - 1 as tanh(x / 2) (exp(x) + 1), which is exact near 0 too."""
    half, one = graph.constant(0.5, dtype=dtype), graph.constant(1, dtype=dtype)
    tangent = graph.node("Tanh", graph.node("Mul", x, half))
    return graph.node("Mul", tangent, graph.node("Add", graph.node("Exp", x), one))


def _log1p(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    """Write log(1 + x) as log(u) x / (u - 1) with u = 1 + x, below 1: it undoes the rounding of u.

    Formula: Goldberg, "What every computer scientist should know about floating-point arithmetic" (1991),
    theorem 4.
    """
    one = graph.constant(1, dtype=dtype)
    u = graph.node("Add", x, one)
    log = graph.node("Log", u)
    exact = graph.node("Mul", log, graph.node("Div", x, graph.node("Sub", u, one)))
    below = graph.node("Where", graph.node("Equal", u, one), x, exact)
    return graph.node("Where", graph.node("Less", x, one), below, log)


def _power(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("Pow", x, graph.constant(op.parameters[0], dtype=dtype))


def _clip(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    low, high = op.parameters
    return graph.node(
        "Clip", x, graph.constant(low, "minimum", dtype), graph.constant(high, "maximum", dtype)
    )


def _leaky_relu(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("LeakyRelu", x, alpha=op.parameters[0])


def _elu(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("Elu", x, alpha=op.parameters[0])


def _selu(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)


def _gelu(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    half, root, one = (graph.constant(number, dtype=dtype) for number in (0.5, np.sqrt(0.5), 1))
    distribution = graph.node("Add", graph.node("Erf", graph.node("Mul", x, root)), one)
    return graph.node("Mul", graph.node("Mul", x, half), distribution)


def _gelu_tanh(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    inner, cubic, one, half, three = (
        graph.constant(number, dtype=dtype) for number in (np.sqrt(2 / np.pi), 0.044715, 1, 0.5, 3)
    )
    cube = graph.node("Mul", graph.node("Pow", x, three), cubic)
    t = graph.node("Tanh", graph.node("Mul", graph.node("Add", x, cube), inner))
    return graph.node("Mul", graph.node("Mul", x, half), graph.node("Add", t, one))


def _silu(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _hard_sigmoid(graph: OnnxGraph, op: Unary, x: str, dtype: DType) -> str:
    return graph.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


_FORMULAS: dict[str, Formula] = {
    **{"square": _square, "power": _power, "expm1": _expm1, "log1p": _log1p, "clip": _clip},
    **{"leaky_relu": _leaky_relu, "elu": _elu, "selu": _selu, "gelu": _gelu, "gelu_tanh": _gelu_tanh},
    **{"silu": _silu, "hard_sigmoid": _hard_sigmoid},
}
ELEMENTWISE = {*_SAME, *_PAIRS, *_FORMULAS, "not_equal"}
"""The names of the functions of single elements and of pairs that have a translation."""


@translates(Unary)
def unary(graph: OnnxGraph, op: Unary, node: Node) -> str:
    """Write a function of each element."""
    x, result = node.inputs[0], node.outputs[0].dtype
    if op.name in ("logical_not", "stop_gradient"):
        return graph.node(_SAME[op.name], graph.name_of(x))
    if op.name in _SAME:
        return graph.computed(_SAME[op.name], x, to=result)
    if op.name not in _FORMULAS:
        raise untranslated(graph, op.name)
    return _FORMULAS[op.name](graph, op, graph.name_of(x), x.dtype)


# -- two operands and more --------------------------------------------------------------------------


@translates(Binary)
def binary(graph: OnnxGraph, op: Binary, node: Node) -> str:
    """Write a function of each pair of elements."""
    if op.name == "not_equal":
        return graph.node("Not", graph.computed("Equal", *node.inputs, to=node.outputs[0].dtype))
    if op.name not in _PAIRS:
        raise untranslated(graph, op.name)
    if op.name.startswith("logical"):
        return graph.node(_PAIRS[op.name], *map(graph.name_of, node.inputs))
    return graph.computed(_PAIRS[op.name], *node.inputs, to=node.outputs[0].dtype)


@translates(Where)
def where(graph: OnnxGraph, op: Where, node: Node) -> str:
    """Write a choice; runtimes know it for few dtypes, so truth values and short numbers are widened."""
    condition, *choices = node.inputs
    dtype = node.outputs[0].dtype
    wide = dtype if dtype.kind == "f" or dtype.itemsize >= 4 else np.dtype(np.int64)
    names = [graph.cast(graph.name_of(choice), dtype, wide) for choice in choices]
    return graph.cast(graph.node("Where", graph.name_of(condition), *names), wide, dtype)


@translates(Cast)
def cast(graph: OnnxGraph, op: Cast, node: Node) -> str:
    """Write a conversion."""
    return graph.cast(graph.name_of(node.inputs[0]), node.inputs[0].dtype, np.dtype(op.dtype))


@translates(Counted)
def counted(graph: OnnxGraph, op: Counted, node: Node) -> str:
    """Write nothing: the numbers are those of the first input."""
    return graph.name_of(node.inputs[0])


@translates(FullLike)
def full_like(graph: OnnxGraph, op: FullLike, node: Node) -> str:
    """Write one number in the shape of another value."""
    shape = graph.node("Shape", graph.name_of(node.inputs[0]))
    return graph.node("Expand", graph.constant(op.value, "value", np.dtype(op.dtype)), shape)


@translates(BroadcastTo)
def broadcast_to(graph: OnnxGraph, op: BroadcastTo, node: Node) -> str:
    """Write a repetition; a length of 1 leaves an axis as it is."""
    lengths = (1 if length is None else length for length in op.shape)
    return graph.node("Expand", graph.name_of(node.inputs[0]), graph.integers(*lengths))
