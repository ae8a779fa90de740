"""The text that `Model.summary` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

from streamfit.layers.base import Layer
from streamfit.layers.layer_call import LayerCall
from streamfit.ops import Variable
from streamfit.program import sorted_nodes
from streamfit.training.model_graph import ModelGraph


class SummarizedModel(ModelGraph, Protocol):
    """A model whose frozen weights are counted, too."""

    @property
    def non_trainable_weights(self) -> Sequence[Variable]:
        """List the weights that training leaves alone."""


def _shapes(model: ModelGraph) -> dict[Layer, str]:
    """Find the output shape of each layer's first use."""
    found: dict[Layer, str] = {}
    nodes = sorted_nodes(model.outputs, model.inputs)
    if len(nodes) == 1 and getattr(nodes[0].op, "layer", None) is model:  # a subclass: what its call composes
        nodes = sorted_nodes(nodes[0].op.expand(nodes[0].inputs, False), model.inputs)
    for node in nodes:
        if isinstance(node.op, LayerCall) and (layer := cast(Layer, node.op.layer)) not in found:
            shapes = [str(tensor.shape) for tensor in node.op.results_of(node)]
            found[layer] = shapes[0] if len(shapes) == 1 else ", ".join(shapes)
    return found


def _row(cells: tuple[str, str, str], widths: tuple[int, int, int]) -> str:
    cut = [
        cell if len(cell) <= width else cell[: width - 1] + "…"
        for cell, width in zip(cells, widths, strict=True)
    ]
    return f"{cut[0]:<{widths[0]}} {cut[1]:<{widths[1]}} {cut[2]:>{widths[2]}}"


def _size(count: int, nbytes: int) -> str:
    unit = (
        f"{nbytes} B"
        if nbytes < 1024
        else f"{nbytes / 1024:.2f} KB"
        if nbytes < 1 << 20
        else f"{nbytes / (1 << 20):.2f} MB"
    )
    return f"{count:,} ({unit})"


def summary_text(model: SummarizedModel, width: int) -> str:
    """Return the table of a model's layers.

    Args:
        model: Built or not; shapes of an unbuilt model are unknown.
        width: Characters a line.
    """
    last = 12
    first = (width - last - 2) // 2
    widths = (first, width - last - 2 - first, last)
    shapes = _shapes(model)
    lines = [f'Model: "{model.name}"', "─" * width, _row(("Layer (type)", "Output shape", "Param #"), widths)]
    lines.append("─" * width)
    for tensor in model.inputs:
        lines.append(_row((f"{tensor.name} (Input)", str(tensor.shape), "0"), widths))
    for layer in model.layers_inside:
        count = f"{layer.count_params():,}" if layer.built or layer.weights else "?"
        lines.append(_row((f"{layer.name} ({type(layer).__name__})", shapes.get(layer, "?"), count), widths))
    lines.append("─" * width)
    for label, weights in (
        ("Total params", model.weights),
        ("Trainable params", model.trainable_weights),
        ("Non-trainable params", model.non_trainable_weights),
    ):
        lines.append(
            f"{label}: {_size(sum(w.memory.size for w in weights), sum(w.memory.nbytes for w in weights))}"
        )
    return "\n".join(lines)
