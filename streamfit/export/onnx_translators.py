"""The registry of translators: for each class of operations the function that writes it in ONNX.

A translator takes the graph, the operation and its node; it adds operators to the graph and returns the name
of the value that is the node's one output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from streamfit.export.onnx_graph import OnnxGraph
from streamfit.ops.core import Node, Op

OpT = TypeVar("OpT", bound=Op)

TRANSLATORS: dict[type[Op], Callable[[OnnxGraph, Any, Node], str]] = {}
"""The translator of each class; it takes operations of that class alone."""


def translates(
    *kinds: type[OpT],
) -> Callable[[Callable[[OnnxGraph, OpT, Node], str]], Callable[[OnnxGraph, OpT, Node], str]]:
    """Register a translator for classes of operations, not for subclasses of them."""

    def register(
        function: Callable[[OnnxGraph, OpT, Node], str],
    ) -> Callable[[OnnxGraph, OpT, Node], str]:
        TRANSLATORS.update(dict.fromkeys(kinds, function))
        return function

    return register


def translate(graph: OnnxGraph, node: Node) -> None:
    """Write one node of a lowered graph.

    Raises:
        ValueError: Its operation has no translation; the message names it and the layer.
    """
    op = node.op
    translator = TRANSLATORS.get(type(op))
    if translator is None:
        raise untranslated(graph, op.name)
    graph.bind(node.outputs[0], translator(graph, op, node))


def untranslated(graph: OnnxGraph, what: str) -> ValueError:
    """Return the error for an operation that cannot be written in ONNX."""
    where = f"layer {graph.layer!r}" if graph.layer else "the model"
    return ValueError(
        f"{where} computes {what}, which has no translation to ONNX; compose the layer of other operations "
        "of streamfit.ops, or export a model that ends in front of it: Model(model.input, tensor)"
    )
