"""A model as a graph: its inputs, its outputs, the layers between them, and how to run it on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from streamfit._base.exact import exact
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Array
from streamfit._base.text import TEXT, dtype_of
from streamfit._base.tree import flatten
from streamfit.layers.base import Layer
from streamfit.layers.layer_call import LayerCall
from streamfit.layers.mask_scope import mask_of
from streamfit.ops.core import Node, Tensor, apply
from streamfit.ops.public_calls import PublicCall
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


def from_the_middle(inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return new inputs in the place of those that layers have made, and what the graph makes of them.

    The graph behind such an input is left out; the other nodes are those of the same layers.

    Raises:
        ValueError: Such an input has a mask, which only the graph behind it can make.
    """
    tensors = all(isinstance(tensor, Tensor) for tensor in (*inputs, *outputs))
    if not tensors or all(tensor.node is None for tensor in inputs):
        return list(inputs), list(outputs)
    masked = [tensor for tensor in inputs if tensor.node is not None and tensor.mask is not None]
    if masked:
        raise ValueError(f"{masked[0]} has a mask, so it cannot be an input of a model")
    names = output_names(inputs)
    fresh = [
        tensor if tensor.node is None else Tensor(tensor.spec, name)
        for tensor, name in zip(inputs, names, strict=True)
    ]
    known = dict(zip(inputs, fresh, strict=True))
    calls: dict[PublicCall, PublicCall] = {}
    for node in sorted_nodes(outputs, inputs):
        again = Node(node.op, [known.get(t, t) for t in node.inputs], [t.spec for t in node.outputs])
        known.update(zip(node.outputs, again.outputs, strict=True))
        for old, new in zip(node.outputs, again.outputs, strict=True):
            new.mask = None if old.mask is None else known.get(old.mask, old.mask)
            if old.call is not None:
                new.call = calls.setdefault(old.call, old.call.on(known))
                new.call.results.append(new)
    return fresh, [known.get(tensor, tensor) for tensor in outputs]


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


def as_declared(value: Tensor | Array, declared: Tensor) -> Tensor | Array:
    """Return an array in the dtype of the input that it is for, where that is of whole numbers.

    Raises:
        SampleError: It holds what that dtype does not.
    """
    if isinstance(value, Tensor) or declared.dtype.kind not in "iub":
        return value
    return exact(value, declared.dtype, f"input {declared.name!r}")


def dtypes_read(
    tensors: Sequence[Tensor], outputs: Sequence[Tensor], default: np.dtype[np.generic]
) -> list[np.dtype[np.generic]]:
    """Return for each input the dtype in which layers read it; the default for numbers if they do not say."""
    found: dict[Tensor, str] = {}
    _note_reads(sorted_nodes(outputs, tensors), {tensor: tensor for tensor in tensors}, found)
    return [
        TEXT if tensor.dtype == TEXT else dtype_of(found[tensor]) if tensor in found else default
        for tensor in tensors
    ]


def _note_reads(nodes: Sequence[Node], origins: dict[Tensor, Tensor], found: dict[Tensor, str]) -> None:
    for node in nodes:
        use = node.op
        read = [tensor for tensor in node.inputs if tensor in origins]
        if not read or not isinstance(use, LayerCall):
            continue
        layer = cast(Layer, use.layer)
        if layer.input_dtype is not None:
            if not layer.alike_inputs:
                read = [tensor for tensor in use.first_of(node) if tensor in origins]
            found.update((origins[tensor], layer.input_dtype) for tensor in read)
        elif layer.layers_inside:
            results = [each for each in use.expand(node.inputs, False) if isinstance(each, Tensor)]
            _note_reads(sorted_nodes(results, node.inputs), origins, found)


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
