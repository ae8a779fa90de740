"""The graph of a model as a list of layers and their calls, and the same calls made again.

A description holds no tensors: an argument that was one refers to the result of a call by the name of what
was called, the number of the call and the number of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from streamfit._base.specs import Spec
from streamfit._base.tree import flatten, transform
from streamfit.layers.base import Layer
from streamfit.layers.layer_call import LayerCall
from streamfit.ops.core import Constant, Node, Tensor, Variable
from streamfit.ops.public_calls import PublicCall


@dataclass(frozen=True)
class Reference:
    """Stand for a tensor: result `index` of call `use` of the entry called `name`."""

    name: str
    use: int
    index: int
    spec: Spec | None = None


@dataclass
class GraphCall:
    """The arguments of one call, with a `Reference` for each tensor."""

    arguments: list[object]
    options: dict[str, object]


@dataclass
class Entry:
    """An input, a layer, or the name of a function of `ops`, and its calls in the order in which they were
    made.
    """

    name: str
    what: Tensor | Layer | str
    uses: list[GraphCall] = field(default_factory=list)


@dataclass
class Graph:
    """A model without its tensors: `inputs` and `outputs` are structures of references."""

    entries: list[Entry]
    inputs: object
    outputs: object


def described_graph(model: str, inputs: object, outputs: object) -> Graph:
    """Describe the graph from inputs to outputs, structures of tensors.

    Raises:
        ValueError: Two layers have the same name.
        TypeError: Something in the graph cannot be described.
    """
    starts = flatten(inputs)
    entries = [Entry(tensor.name, tensor) for tensor in starts]
    known = {tensor: Reference(tensor.name, 0, 0, tensor.spec) for tensor in starts}
    of_layer: dict[Layer, Entry] = {}
    count = 0
    for made in _in_order(model, flatten(outputs), set(starts)):
        if isinstance(made, PublicCall):
            entry = Entry(f"{made.name}_{count}", made.name)
            count += 1
            entries.append(entry)
            use, results = GraphCall(list(made.arguments), dict(made.options)), made.results
        else:
            layer = made.op.layer
            if layer not in of_layer:
                of_layer[layer] = Entry(layer.name, layer)
                entries.append(of_layer[layer])
            entry = of_layer[layer]
            use, results = GraphCall(*made.op.arguments_of(made)), list(made.outputs)
        number = len(entry.uses)
        entry.uses.append(
            GraphCall(_referring(use.arguments, known, model), _referring(use.options, known, model))
        )
        known.update((t, Reference(entry.name, number, place, t.spec)) for place, t in enumerate(results))
    _check_names(model, entries)
    return Graph(entries, transform(known.__getitem__, inputs), transform(known.__getitem__, outputs))


def _maker(tensor: Tensor) -> PublicCall | Node | None:
    return tensor.call if tensor.call is not None else tensor.node


def _inputs_of(made: PublicCall | Node) -> Sequence[Tensor]:
    return made.inputs


def _in_order(model: str, outputs: Sequence[Tensor], stop: set[Tensor]) -> list[PublicCall | Node]:
    """List the calls that outputs come from, each after those that it needs; without recursion."""
    found: dict[PublicCall | Node, bool] = {}  # whether all that it needs is in front of it
    order: list[PublicCall | Node] = []
    waiting = [(tensor, False) for tensor in reversed(outputs)]
    while waiting:
        tensor, complete = waiting.pop()
        made = _maker(tensor)
        if tensor in stop or made is None or isinstance(tensor, (Constant, Variable)):
            continue
        if complete:
            if not found[made]:
                found[made] = True
                order.append(made)
            continue
        if made in found:
            continue
        if isinstance(made, Node) and not isinstance(made.op, LayerCall):
            raise TypeError(
                f"model {model!r} uses the operation {made.op.name!r} outside of a layer and of the "
                "functions of "
                "streamfit.ops, which cannot be described; put it into the `call` of a Layer"
            )
        found[made] = False
        waiting.append((tensor, True))
        waiting.extend((needed, False) for needed in reversed(list(_inputs_of(made))))
    return order


def _referring(structure: object, known: dict[Tensor, Reference], model: str) -> Any:
    def refer(leaf: object) -> object:
        if isinstance(leaf, Constant):
            return leaf.value
        if isinstance(leaf, Variable):
            raise TypeError(
                f"the graph of model {model!r} uses the weight {leaf.name!r} outside of a layer, which "
                "cannot be "
                "described; put the formula into the `call` of a Layer"
            )
        return known[leaf] if isinstance(leaf, Tensor) else leaf

    return transform(refer, structure)


def _check_names(model: str, entries: Sequence[Entry]) -> None:
    names: set[str] = set()
    for entry in entries:
        if entry.name in names:
            raise ValueError(
                f"two layers or inputs of model {model!r} are called {entry.name!r}, so that its graph "
                "cannot be "
                "described by names; give each another name=..."
            )
        names.add(entry.name)


def graph_again(graph: Graph, made: Mapping[str, object]) -> tuple[object, object]:
    """Make the calls of a graph again.

    Args:
        graph: The description.
        made: By name of each entry: an input tensor, a layer, or a function.

    Returns:
        The structures of inputs and outputs.

    Raises:
        ValueError: A reference to a call that there is not.
    """
    results = {(name, 0): [tensor] for name, tensor in made.items() if isinstance(tensor, Tensor)}
    waiting = [(entry.name, number, use) for entry in graph.entries for number, use in enumerate(entry.uses)]
    while waiting:
        left = []
        for name, number, use in waiting:
            needed = [leaf for leaf in flatten([use.arguments, use.options]) if isinstance(leaf, Reference)]
            if all((leaf.name, leaf.use) in results for leaf in needed):
                results[name, number] = _called(name, cast("Callable[..., object]", made[name]), use, results)
            else:
                left.append((name, number, use))
        if len(left) == len(waiting):
            raise ValueError(
                f"the graph refers to calls that it does not make; {left[0][0]!r} cannot be called"
            )
        waiting = left
    return tuple(
        transform(lambda leaf: _result(leaf, results), side) for side in (graph.inputs, graph.outputs)
    )


def _result(leaf: object, results: dict[tuple[str, int], list[Tensor]]) -> object:
    if not isinstance(leaf, Reference):
        return leaf
    found = results.get((leaf.name, leaf.use), [])
    if not 0 <= leaf.index < len(found):
        raise ValueError(
            f"the graph refers to result {leaf.index} of call {leaf.use} of {leaf.name!r}: there is none"
        )
    return found[leaf.index]


def _called(
    name: str, function: Callable[..., object], use: GraphCall, results: dict[tuple[str, int], list[Tensor]]
) -> list[Tensor]:
    arguments = transform(lambda leaf: _result(leaf, results), use.arguments)
    options = transform(lambda leaf: _result(leaf, results), use.options)
    if not any(isinstance(leaf, Tensor) for leaf in flatten([arguments, options])):
        raise ValueError(f"the graph calls {name!r} on no tensor")
    tensors = [leaf for leaf in flatten(function(*arguments, **options)) if isinstance(leaf, Tensor)]
    if isinstance(function, Layer) and tensors and tensors[0].node is not None:
        return list(tensors[0].node.outputs)
    return tensors
