"""The graph of a model as boxes and edges between them: what a picture shows, without where it shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from streamfit.layers.base import Layer
from streamfit.layers.layer_call import LayerCall
from streamfit.models.graph_model import GraphModel
from streamfit.ops.core import Constant, Node, Tensor, Variable
from streamfit.ops.public_calls import PublicCall
from streamfit.program import sorted_nodes

Kind = Literal["input", "weights", "plain", "model"]
Maker = Node | PublicCall


@dataclass(frozen=True)
class Shown:
    """What a box says beside the class of its layer; see `plot_model`."""

    shapes: bool = False
    dtype: bool = False
    names: bool = False
    activations: bool = False
    trainable: bool = False
    nested: bool = False


@dataclass
class Box:
    """A layer, an input or an operation.

    Attributes:
        title: The first line.
        kind: Which colour it has.
        lines: What stands below the title.
        inside: The boxes of a nested model that is shown; None for all others.
    """

    title: str
    kind: Kind
    lines: list[str]
    inside: Boxes | None = None


@dataclass(frozen=True)
class Edge:
    """A way of a tensor from box to box; at a nested model `out` and `into` are numbers of its ends."""

    source: int
    target: int
    out: int = 0
    into: int = 0


@dataclass
class Boxes:
    """A graph.

    Attributes:
        boxes: Each one behind those that it reads from, but for a layer that reads what it has made.
        edges: Each once.
        inputs: The box of each input of the model.
        outputs: The box of each output.
    """

    boxes: list[Box] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)


def boxes_of(model: GraphModel, shown: Shown) -> Boxes:
    """Return the boxes of a model: one for each layer, also where it is used several times.

    Raises:
        ValueError: The model is not built, so it has no graph yet.
    """
    if not model.outputs:
        raise ValueError(
            f"model {model.name!r} is not built, so its graph is not known: give it an Input(...), call "
            "build(input_shape), or fit it first"
        )
    return _ModelBoxes(model, shown).found


class _ModelBoxes:
    """Make the boxes of one model."""

    def __init__(self, model: GraphModel, shown: Shown) -> None:
        self.found, self._shown = Boxes(), shown
        self._where: dict[Tensor, tuple[int, int]] = {}  # box and number of the output that makes a tensor
        self._of_layer: dict[Layer, int] = {}
        self._uses: dict[int, list[tuple[str, str]]] = {}  # of each box: shapes that it reads and makes
        starts, ends = list(model.inputs), list(model.outputs)
        nodes = sorted_nodes(ends, starts)
        if len(nodes) == 1 and getattr(nodes[0].op, "layer", None) is model:  # what its `call` composes
            ends = cast("list[Tensor]", nodes[0].op.expand(nodes[0].inputs, False))[: len(ends)]
        for tensor in starts:
            box = self._add(Box(tensor.name if shown.names else "InputLayer", "input", []))
            if shown.names:
                self.found.boxes[box].lines.append("InputLayer")
            self._where[tensor] = (box, 0)
            self._uses[box] = [("", str(tensor.shape))]
            self._describe(box, tensor.dtype.name)
            self.found.inputs.append(box)
        for made in _makers(ends, set(starts)):
            self._use(made)
        self.found.outputs = [self._where[tensor][0] for tensor in ends if tensor in self._where]
        for box, uses in self._uses.items():
            self._show_shapes(box, uses)

    def _add(self, box: Box) -> int:
        self.found.boxes.append(box)
        return len(self.found.boxes) - 1

    def _use(self, made: Maker) -> None:
        """Add a call: a box, unless its layer has one, and the edges to it."""
        op = made.op if isinstance(made, Node) else None
        if isinstance(made, Node) and isinstance(op, LayerCall):
            inputs, results = op.inputs_of(made), op.results_of(made)
            box = self._box_of(cast(Layer, op.layer))
        else:
            inputs, results = made.inputs, _results(made)
            name = made.name if isinstance(made, PublicCall) else made.op.name
            box = self._add(Box(name, "plain", []))
            self._describe(box, results[0].dtype.name)
        for into, tensor in enumerate(inputs):
            if tensor in self._where:
                source, out = self._where[tensor]
                edge = Edge(source, box, out * self._is_open(source), into * self._is_open(box))
                if edge not in self.found.edges:
                    self.found.edges.append(edge)
        self._where.update((tensor, (box, number)) for number, tensor in enumerate(results))
        self._uses.setdefault(box, []).append((_shapes(inputs), _shapes(results)))

    def _box_of(self, layer: Layer) -> int:
        if layer in self._of_layer:
            return self._of_layer[layer]
        shown, kind = self._shown, type(layer).__name__
        is_graph = isinstance(layer, GraphModel) and bool(layer.outputs)
        box = Box(layer.name if shown.names else kind, "weights" if layer.weights else "plain", [])
        if is_graph:
            box.kind = "model"
            if shown.nested:
                box.title = f"{layer.name} ({kind})"
                box.inside = boxes_of(cast(GraphModel, layer), shown)
        self._of_layer[layer] = number = self._add(box)
        if box.inside is not None:
            return number
        if shown.names:
            box.lines.append(kind)
        activation = getattr(layer, "activation", None)
        if shown.activations and activation is not None:
            box.lines.append(f"activation: {getattr(activation, '__name__', type(activation).__name__)}")
        self._describe(number, str(layer.dtype))
        if shown.trainable and layer.weights:
            box.lines.append("trainable" if layer.trainable else "not trainable")
        return number

    def _is_open(self, box: int) -> bool:
        """Return whether a box shows what is inside it, so that it matters where an edge ends."""
        return self.found.boxes[box].inside is not None

    def _describe(self, box: int, dtype: str) -> None:
        if self._shown.dtype:
            self.found.boxes[box].lines.append(f"dtype: {dtype}")

    def _show_shapes(self, box: int, uses: list[tuple[str, str]]) -> None:
        if not self._shown.shapes or self.found.boxes[box].inside is not None:
            return
        for what, each in (("in", [use[0] for use in uses]), ("out", [use[1] for use in uses])):
            text = " | ".join(shape for shape in dict.fromkeys(each) if shape)
            if text:
                self.found.boxes[box].lines.append(f"{what}: {text}")


def _shapes(tensors: Sequence[Tensor]) -> str:
    return ", ".join(str(tensor.shape) for tensor in tensors if not isinstance(tensor, (Constant, Variable)))


def _results(made: Maker) -> Sequence[Tensor]:
    return made.results if isinstance(made, PublicCall) else made.outputs


def _makers(outputs: Sequence[Tensor], stop: set[Tensor]) -> list[Maker]:
    """List the calls that outputs come from, each after those that it needs; without recursion."""
    order: dict[Maker, None] = {}
    waiting = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:
        tensor, ready = waiting.pop()
        made: Maker | None = tensor.call if tensor.call is not None else tensor.node
        if tensor in stop or made is None or made in order or isinstance(tensor, (Constant, Variable)):
            continue
        if ready:
            order[made] = None
            continue
        waiting.append((tensor, True))
        waiting.extend((needed, False) for needed in reversed(list(made.inputs)))
    return list(order)


__all__ = ["Box", "Boxes", "Edge", "Shown", "boxes_of"]
