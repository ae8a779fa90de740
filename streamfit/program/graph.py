"""Lower a graph of layers and operations to an ordered list of operations.

The graph that a user builds holds nodes of two kinds: operations, and uses of layers. Lowering calls
each layer again on the lowered inputs, for training or for inference, until only operations are left,
each after everything that it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeGuard

from streamfit.ops.core import Node, Recorder, Tensor, Variable, recording


def _sorted_nodes(outputs: Iterable[Tensor], known: dict[Tensor, Tensor]) -> list[Node]:
    """List the nodes behind `outputs`, inputs first, stopping at tensors that are `known`."""
    order: list[Node] = []
    done: set[Node] = set()
    stack: list[tuple[Node, bool]] = [
        (t.node, False) for t in reversed(list(outputs)) if t.node is not None and t not in known
    ]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if ready:
            done.add(node)
            order.append(node)
            continue
        stack.append((node, True))
        for tensor in reversed(node.inputs):
            if tensor.node is not None and tensor not in known and tensor.node not in done:
                stack.append((tensor.node, False))
    return order


class LayerUse(Protocol):
    """One use of a layer in a graph.

    Attributes:
        training: Whether it is fixed to training or to inference; None if the program decides.
    """

    training: bool | None

    @property
    def name(self) -> str:
        """Return the name of the layer."""

    def expand(self, tensors: Sequence[Tensor], training: bool) -> Sequence[Tensor]:
        """Call the layer on other inputs, for training or for inference."""


def _is_layer(op: object) -> TypeGuard[LayerUse]:
    return hasattr(op, "expand")


class Lowering:
    """Collect the operations behind tensors, for training or for inference.

    Args:
        training: For which of the two: some layers differ between training and inference.
        stand_ins: Tensors to read in the place of others, such as new inputs.

    Attributes:
        nodes: The operations, each after everything that it reads.
        assigned: The value that each variable gets at the end of the step.
        losses: Scalars that layers add to the loss.
        layer_of: For each operation the name of the layer that it comes from, behind those of the layers
            around it, as ``"encoder/dense"``; empty where it stands outside of layers.
    """

    def __init__(self, training: bool, stand_ins: dict[Tensor, Tensor] | None = None) -> None:
        self.training = training
        self.nodes: list[Node] = []
        self.assigned: dict[Variable, Tensor] = {}
        self.losses: list[Tensor] = []
        self.layer_of: dict[Node, str] = {}
        self._layers: tuple[str, ...] = ()
        self._known: dict[Tensor, Tensor] = dict(stand_ins or {})
        self._current: dict[Variable, Tensor] = {}

    def lower(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the lowered tensors, and append the nodes that they need to `nodes`."""
        for node in _sorted_nodes(tensors, self._known):
            inputs = [self._known.get(tensor, tensor) for tensor in node.inputs]
            op = node.op
            results = self._expanded(op, inputs) if _is_layer(op) else self._add(node, inputs)
            self._known.update(zip(node.outputs, results, strict=True))
        return [self._known.get(tensor, tensor) for tensor in tensors]

    def _expanded(self, use: LayerUse, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        """Lower the operations of a layer; a use with a fixed mode fixes the mode of all uses inside it."""
        before, layers = self.training, self._layers
        self.training = before if use.training is None else use.training
        self._layers = (*layers, use.name)
        recorder = Recorder(self._current)
        try:
            with recording(recorder):
                results = use.expand(inputs, self.training)
            lowered = self.lower(results)
            self._current.update((variable, recorder.current[variable]) for variable in recorder.assigned)
            self.assigned.update(
                zip(recorder.assigned, self.lower(list(recorder.assigned.values())), strict=True)
            )
            self.losses += self.lower(recorder.losses)
            return lowered
        finally:
            self.training, self._layers = before, layers

    def _add(self, node: Node, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        if any(new is not old for new, old in zip(inputs, node.inputs, strict=True)):
            node = Node(node.op, inputs, [tensor.spec for tensor in node.outputs])
        self.nodes.append(node)
        self.layer_of[node] = "/".join(self._layers)
        self._known.update((tensor, tensor) for tensor in node.outputs)
        return node.outputs


def leaves(outputs: Sequence[Tensor]) -> list[Tensor]:
    """List the tensors without a node that `outputs` depend on, in order of first use."""
    found: dict[Tensor, None] = {tensor: None for tensor in outputs if tensor.node is None}
    for node in _sorted_nodes(outputs, {}):
        found.update((tensor, None) for tensor in node.inputs if tensor.node is None)
    return list(found)


def sorted_nodes(outputs: Sequence[Tensor], inputs: Sequence[Tensor] = ()) -> list[Node]:
    """List the nodes between `inputs` and `outputs`, each after everything that it reads."""
    return _sorted_nodes(outputs, {tensor: tensor for tensor in inputs})
