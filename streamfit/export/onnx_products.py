"""Translators of products, convolution and pooling.

ONNX has channels in front of the spatial axes: arrays are transposed before a window and back behind it, and
kernels once, here.
"""

from __future__ import annotations

from streamfit.export.onnx_elementwise import activation
from streamfit.export.onnx_graph import Attribute, OnnxGraph
from streamfit.export.onnx_translators import translates, untranslated
from streamfit.kernels.bias_activation import FUSED
from streamfit.ops.convolution import Conv
from streamfit.ops.core import Node, Op, Tensor
from streamfit.ops.dense import Dense
from streamfit.ops.linalg import BatchedMatmul, Matmul
from streamfit.ops.normalization import ScaleShift
from streamfit.ops.pooling import AveragePool, MaxPool
from streamfit.ops.sliding_window import SlidingWindow


@translates(Matmul, BatchedMatmul)
def matmul(graph: OnnxGraph, op: Op, node: Node) -> str:
    """Write a product of matrices."""
    return graph.node("MatMul", *map(graph.name_of, node.inputs))


@translates(Dense)
def dense(graph: OnnxGraph, op: Dense, node: Node) -> str:
    """Write a product, a bias and an activation."""
    x, kernel, bias = map(graph.name_of, node.inputs)
    return activation(graph, op.activation, graph.node("Add", graph.node("MatMul", x, kernel), bias))


@translates(ScaleShift)
def scale_shift(graph: OnnxGraph, op: ScaleShift, node: Node) -> str:
    """Write a factor and a summand for each channel."""
    x, scale, shift = map(graph.name_of, node.inputs)
    return graph.node("Add", graph.node("Mul", x, scale), shift)


@translates(Conv)
def conv(graph: OnnxGraph, op: Conv, node: Node) -> str:
    """Write a convolution with its bias and its activation."""
    x, kernel, *bias = node.inputs
    filters_first = (x.spec.rank - 1, x.spec.rank - 2, *range(x.spec.rank - 2))
    value = graph.value_of(kernel)
    if value is None:
        turned = graph.node("Transpose", graph.name_of(kernel), perm=filters_first)
    else:
        turned = graph.constant(value.transpose(filters_first), kernel.name or "kernel")
    groups = (x.shape[-1] or 1) // (kernel.shape[-2] or 1)
    settings = {**_settings(op.window, x), "dilations": op.window.dilation, "group": groups}
    pixels = _channels_first(graph, x)
    if settings.pop("auto_pad", None):  # which runtimes refuse beside dilation
        pixels = _padded(graph, pixels, op.window)
    y = graph.node("Conv", pixels, turned, *map(graph.name_of, bias), **settings)
    return activation(graph, FUSED[op.activation], _channels_behind(graph, y, x.spec.rank))


@translates(MaxPool)
def max_pool(graph: OnnxGraph, op: MaxPool, node: Node) -> str:
    """Write the largest of each window."""
    x = node.inputs[0]
    if x.dtype.kind != "f":
        raise untranslated(graph, f"max_pool of {x.dtype}")
    y = graph.node("MaxPool", _channels_first(graph, x), **_settings(op.window, x))
    return _channels_behind(graph, y, x.spec.rank)


@translates(AveragePool)
def average_pool(graph: OnnxGraph, op: AveragePool, node: Node) -> str:
    """Write the mean of each window, without its padding."""
    x = node.inputs[0]
    y = graph.node("AveragePool", _channels_first(graph, x), **_settings(op.window, x), count_include_pad=0)
    return _channels_behind(graph, y, x.spec.rank)


def _channels_first(graph: OnnxGraph, x: Tensor) -> str:
    rank = x.spec.rank
    return graph.node("Transpose", graph.name_of(x), perm=(0, rank - 1, *range(1, rank - 1)))


def _channels_behind(graph: OnnxGraph, y: str, rank: int) -> str:
    return graph.node("Transpose", y, perm=(0, *range(2, rank), 1))


def _padded(graph: OnnxGraph, x: str, window: SlidingWindow) -> str:
    """Write zeros around an array of free lengths n: max(0, span - 1 - (n - 1) % stride) along each axis."""
    reach = [d * (k - 1) for k, d in zip(window.size, window.dilation, strict=True)]
    before_last = graph.node("Sub", graph.lengths(x, 2, 2 + window.rank), graph.integers(1))
    rest = graph.node("Mod", before_last, graph.integers(*window.strides))
    missing = graph.node("Sub", graph.integers(*reach), rest)
    missing = graph.node("Max", missing, graph.integers(0))
    before = graph.node("Div", missing, graph.integers(2))
    behind, others = graph.node("Sub", missing, before), graph.integers(0, 0)
    return graph.node("Pad", x, graph.node("Concat", others, before, others, behind, axis=0))


def _settings(window: SlidingWindow, x: Tensor) -> dict[str, Attribute]:
    """Return the attributes of a window; `auto_pad` where the padding depends on a length that is free."""
    found: dict[str, Attribute] = {"kernel_shape": window.size, "strides": window.strides}
    around = [each for each in window.paddings(x.shape[1:-1]) if each is not None]
    if len(around) < window.rank:
        return {**found, "auto_pad": "SAME_UPPER"}
    return {**found, "pads": [before for before, _ in around] + [behind for _, behind in around]}
