"""From a model to an `OnnxGraph`: its inference, lowered to operations, each written by its translator."""

from __future__ import annotations

from streamfit._base import uses
from streamfit._base.specs import Array
from streamfit.export import onnx_axes as onnx_axes  # the modules of translators register them
from streamfit.export import onnx_elementwise as onnx_elementwise
from streamfit.export import onnx_encoding as onnx_encoding
from streamfit.export import onnx_lookups as onnx_lookups
from streamfit.export import onnx_products as onnx_products
from streamfit.export.onnx_graph import OnnxGraph
from streamfit.export.onnx_translators import translate
from streamfit.ops.core import Variable
from streamfit.program import Lowering, leaves, sorted_nodes
from streamfit.training.host_inputs import HostPart
from streamfit.training.model_graph import ModelGraph


def graph_of(model: ModelGraph) -> OnnxGraph:
    """Return the inference of a model as a graph of ONNX operators.

    Args:
        model: The model, built. Layers that run where batches are loaded are left out: the graph is fed what
            they return, under their names.

    Raises:
        ValueError: The model is not built; or it has an operation without a translation, or changes weights
            in inference. The message names operation and layer.
    """
    if not model.outputs:
        raise ValueError(
            f"model {model.name!r} is not built, so there is no graph to export: give it an Input(...), or "
            "fit it or call it on a batch first"
        )
    host, lowering = HostPart(model), Lowering(training=False)
    with host.collecting():
        outputs = host.fetched(lowering.lower(model.outputs))
    for variable in lowering.assigned:
        raise ValueError(
            f"model {model.name!r} assigns a value to {variable!r} when it predicts; a graph of ONNX has no "
            "memory, so it cannot be exported. Assign in training only: `if training:`"
        )
    graph = OnnxGraph(model.name, _values_of(model, [t for t in leaves(outputs) if isinstance(t, Variable)]))
    for tensor in host.feeds[False]:
        graph.add_input(tensor)
    names = [graph.reserve(name) for name in model.output_names]
    for node in sorted_nodes(outputs):
        graph.layer = lowering.layer_of[node]
        translate(graph, node)
    for tensor, name in zip(outputs, names, strict=True):
        graph.add_output(tensor, name)
    return graph


def _values_of(model: ModelGraph, weights: list[Variable]) -> dict[Variable, Array]:
    """Return copies of weights, all of the same moment, whoever trains the model."""
    found: dict[Variable, Array] = {}
    things: frozenset[object] = frozenset((model, *weights))
    uses.read(
        "export", model.name, things, lambda: found.update((each, each.value.copy()) for each in weights)
    )
    return found
