"""A model as a graph: its inputs, its outputs, the layers between them, and how to run it on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit._base.tree import flatten
from streamfit.layers.base import Layer
from streamfit.layers.layer_call import LayerCall
from streamfit.layers.mask_scope import mask_of
from streamfit.ops.core import Tensor, apply
from streamfit.program import leaves, sorted_nodes


def check_graph(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    """Check that `outputs` are made from `inputs` and nothing else.

    Raises:
        ValueError: Something else than tensors, a duplicate, or an input that is missing.
    """
    for what, tensors in (("inputs", inputs), ("outputs", outputs)):
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise ValueError(f"{what} of a model must be tensors made with Input(...), got {tensor!r}")
    if len(set(inputs)) != len(inputs):
        raise ValueError("an input is listed twice")
    names = [tensor.name for tensor in inputs]
    if len(set(names)) != len(names):
        raise ValueError(f"inputs must have different names, got {names}")
    for leaf in leaves(outputs):
        if type(leaf) is Tensor and leaf not in inputs:
            raise ValueError(
                f"the outputs need the input {leaf.name or leaf!r}, which is not among the model's inputs "
                f"{names}"
            )


def layers_of(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> list[Layer]:
    """List the layers on the way from inputs to outputs, each once, in order of use."""
    nodes = sorted_nodes(outputs, inputs)
    return list(dict.fromkeys(cast(Layer, node.op.layer) for node in nodes if isinstance(node.op, LayerCall)))


def output_names(outputs: Sequence[Tensor]) -> list[str]:
    """Name each output after the layer (or operation) that makes it."""
    names: list[str] = []
    for tensor in outputs:
        base = tensor.node.op.name if tensor.node is not None else tensor.name
        name, number = base, 0
        while name in names:
            number += 1
            name = f"{base}_{number}"
        names.append(name)
    return names


def run_graph(
    inputs: Sequence[Tensor], outputs: Sequence[Tensor], values: Sequence[Tensor | Array], training: bool
) -> list[Tensor | Array]:
    """Run the graph on other tensors, or on arrays; values with masks pass them on from layer to layer."""
    known: dict[Tensor, Tensor | Array] = dict(zip(inputs, values, strict=True))
    masked = any(mask_of(value) is not None for value in values)
    for node in sorted_nodes(outputs, inputs):
        arguments = [known.get(tensor, tensor) for tensor in node.inputs]
        if isinstance(node.op, LayerCall):
            results = (node.op.again if masked else node.op.expand)(arguments, training)
        else:
            results = flatten(apply(node.op, *arguments))
        known.update(zip(node.outputs, results, strict=True))
    return [known.get(tensor, tensor) for tensor in outputs]


def in_order(given: object, names: Sequence[str]) -> list[Any]:
    """List inputs given as one value, a list or a dictionary, in the model's order.

    Raises:
        ValueError: A missing name or another number of inputs.
    """
    if isinstance(given, Mapping):
        missing = [name for name in names if name not in given]
        if missing:
            raise ValueError(
                f"missing input {missing[0]!r}; got {sorted(given)}." + did_you_mean(missing[0], given)
            )
        return [given[name] for name in names]
    values = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(values) != len(names):
        raise ValueError(f"the model has {len(names)} inputs {list(names)}, got {len(values)}")
    return values
