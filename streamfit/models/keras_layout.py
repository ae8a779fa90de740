"""Where Keras 3 keeps the weights of each layer: the path of a layer is that of its attributes.

Names of layers do not count, they are often automatic. In a list the class gives the name, with a number
where there are several: ``layers/dense``, ``layers/dense_1``. A layer that is found twice counts once, and
private attributes come last.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

from streamfit._base.tree import flatten
from streamfit.layers import InputLayer
from streamfit.layers.base import Layer
from streamfit.models.graph_description import Graph, Reference
from streamfit.models.graph_model import GraphModel
from streamfit.models.model import Model
from streamfit.models.sequential import Sequential
from streamfit.ops import Variable

_WORD = re.compile(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])")
_OWN = frozenset((*vars(Layer()), "_layers", "_uses"))
Node = tuple[str, int]


def keras_name(class_name: str) -> str:
    """Return the name that Keras gives a class in paths.

    Example:
        >>> keras_name("GlobalAveragePooling1D"), keras_name("LeakyReLU")
        ('global_average_pooling1d', 'leaky_re_lu')
    """
    return _WORD.sub("_", class_name).lower()


class UniqueInList:
    """Number the names of the entries of one list: dense, dense_1, dense_2."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def of(self, class_name: str) -> str:
        """Return the name of the next entry of a class."""
        name = keras_name(class_name)
        count = self._counts[name] = self._counts.get(name, -1) + 1
        return f"{name}_{count}" if count else name


def is_graph(layer: object) -> bool:
    """Return whether a layer is a functional model or a stack, which have ``layers`` in Keras."""
    return isinstance(layer, Model) and type(layer).call in (GraphModel.call, Sequential.call)


def layer_paths(model: Model, skip: Iterable[Layer] = ()) -> list[tuple[str, Layer]]:
    """List (path, layer), each layer once, the model itself first; without those to skip, and what is inside.

    Example:
        >>> from streamfit import Input, layers
        >>> stack = Sequential([Input((3,)), layers.Dense(2), layers.ReLU(), layers.Dense(1)])
        >>> [path for path, _ in layer_paths(stack)]
        ['', 'layers/dense', 'layers/re_lu', 'layers/dense_1']
    """
    found: list[tuple[str, Layer]] = []
    _visit(model, "", found, {id(layer) for layer in skip})
    return found


def _visit(layer: Layer, path: str, found: list[tuple[str, Layer]], seen: set[int]) -> None:
    if id(layer) in seen or isinstance(layer, InputLayer):
        return
    seen.add(id(layer))
    found.append((path, layer))
    for name, value in _attributes(layer):
        _visit_value(value, f"{path}/{name}" if path else name, found, seen)


def _visit_value(value: Any, path: str, found: list[tuple[str, Layer]], seen: set[int]) -> None:
    if isinstance(value, Layer):
        _visit(value, path, found, seen)
    elif isinstance(value, (list, tuple, dict)) and id(value) not in seen:
        seen.add(id(value))
        names = UniqueInList()
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, Layer):
                _visit(item, f"{path}/{names.of(class_name_of(item))}", found, seen)
            elif isinstance(item, (list, tuple, dict)):
                _visit_value(item, f"{path}/{names.of('container')}", found, seen)


def other_paths(model: Model) -> dict[int, list[str]]:
    """Return by id of a layer the paths under which properties of the user's classes show it."""
    found: dict[int, list[str]] = {}
    for path, layer in layer_paths(model):
        kind = type(layer)
        for name in dir(kind):
            shown = inspect.getattr_static(kind, name)
            getter = shown.fget if isinstance(shown, property) else None
            own = getter is not None and not getter.__module__.startswith("streamfit.")
            value = getattr(layer, name, None) if own else None
            if isinstance(value, Layer):
                found.setdefault(id(value), []).append(f"{path}/{name}" if path else name)
    return found


def class_name_of(layer: Layer) -> str:
    """Return the name that descriptions give the class of a layer."""
    return str(getattr(layer, "described_class_name", type(layer).__name__))


def _attributes(layer: Layer) -> Iterator[tuple[str, Any]]:
    if is_graph(layer):
        yield "layers", layers_in_order(layer)
    values = {name: value for name, value in vars(layer).items() if name not in _OWN}
    if isinstance(layer, Model):
        values["layers"] = layers_in_order(layer)
    for name in sorted(values, key=lambda name: f"~{name}" if name.startswith("_") else name):
        yield name, values[name]


# -- the order of the layers --------------------------------------------------------------------


def layers_in_order(layer: Layer) -> list[Layer]:
    """List the layers directly inside a layer in the order in which Keras has them.

    In a graph those come first that are furthest from the outputs, counted in calls.
    """
    if not is_graph(layer) or isinstance(layer, Sequential) or not isinstance(layer, Model):
        return layer.layers_inside
    try:
        graph = layer.described_graph()
    except (TypeError, ValueError, AttributeError):  # it cannot be described: then in our own order
        return layer.layers_inside
    known = {entry.name: entry.what for entry in graph.entries if isinstance(entry.what, Layer)}
    ordered = [known[name] for name in _by_depth(graph) if name in known]
    return [*ordered, *(inner for inner in layer.layers_inside if inner not in ordered)]


def _by_depth(graph: Graph) -> list[str]:
    needed = {
        (entry.name, number): [_node(leaf) for leaf in flatten([use.arguments, use.options]) if _is(leaf)]
        for entry in graph.entries
        for number, use in enumerate(entry.uses)
    }
    order, first = _visited(needed, [_node(leaf) for leaf in flatten(graph.outputs) if _is(leaf)])
    depth: dict[Node, int] = {}
    of_entry: dict[str, int] = {}
    for node in reversed(order):
        own = max(depth.get(node, 0), of_entry.get(node[0], 0))
        depth[node] = of_entry[node[0]] = own
        for before in needed.get(node, ()):
            depth[before] = max(own + 1, depth.get(before, 0))
    return sorted(of_entry, key=lambda name: (-of_entry[name], first[name]))


def _visited(needed: dict[Node, list[Node]], ends: Iterable[Node]) -> tuple[list[Node], dict[str, int]]:
    """List the calls, each after those that it needs; and when each entry was met first."""
    order: dict[Node, None] = {}
    first: dict[str, int] = {}
    open_: set[Node] = set()
    waiting = [(node, False) for node in reversed(list(ends))]
    while waiting:
        node, complete = waiting.pop()
        if complete:
            order[node] = None
        elif node not in order and node not in open_:
            open_.add(node)
            first.setdefault(node[0], len(first))
            waiting.append((node, True))
            waiting.extend((before, False) for before in reversed(needed.get(node, [])))
    return list(order), first


def _is(leaf: object) -> bool:
    return isinstance(leaf, Reference)


def _node(leaf: Any) -> Node:
    return leaf.name, leaf.use


def trained_in_order(model: Model, trained: Iterable[Variable]) -> list[Variable]:
    """List those weights that are trained, in the order in which Keras' optimizers have them."""
    wanted, found = set(trained), dict[Variable, None]()

    def collect(layer: Layer) -> None:
        found.update((weight, None) for weight in layer.own_weights if weight in wanted)
        for inner in layers_in_order(layer):
            collect(inner)

    collect(model)
    return list(found)
