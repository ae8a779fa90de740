"""The config of a functional model: its graph as plain values, in Keras' form, and the graph made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from streamfit._base.configs import Config
from streamfit._base.names import did_you_mean
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object
from streamfit._base.text import dtype_name
from streamfit.layers import InputLayer
from streamfit.layers.base import Layer
from streamfit.models.graph_description import Entry, Graph, GraphCall, Reference
from streamfit.models.keras_operations import as_key, function_of, options_of
from streamfit.ops.core import Tensor
from streamfit.ops.public_calls import FUNCTIONS

_TENSOR = "__keras_tensor__"
_OPERATIONS = "streamfit.ops"


def graph_config(graph: Graph) -> Config:
    """Return ``{"layers": ..., "input_layers": ..., "output_layers": ...}``."""
    return {
        "layers": [_entry_config(entry) for entry in graph.entries],
        "input_layers": _places(graph.inputs),
        "output_layers": _places(graph.outputs),
    }


def _entry_config(entry: Entry) -> Config:
    what = entry.what
    if isinstance(what, Tensor):
        config = {"name": entry.name, "shape": list(what.shape[1:]), "dtype": dtype_name(what.dtype)}
        described: Config = {"module": "streamfit.layers", "class_name": "InputLayer", "config": config}
    elif isinstance(what, Layer):
        described = serialize_keras_object(what)
    else:
        described = {"module": _OPERATIONS, "class_name": what, "config": {"name": entry.name}}
    calls = [{"args": _plain(use.arguments), "kwargs": _plain(use.options)} for use in entry.uses]
    return {**described, "name": entry.name, "inbound_nodes": calls}


def _plain(value: object) -> object:
    if isinstance(value, Reference):
        spec = value.spec
        shape = None if spec is None else list(spec.shape)
        dtype = None if spec is None else dtype_name(spec.dtype)
        history = [value.name, value.use, value.index]
        return {"class_name": _TENSOR, "config": {"shape": shape, "dtype": dtype, "keras_history": history}}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return {"class_name": "__tuple__", "config": {"value": [_plain(item) for item in value]}}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return serialize_keras_object(value)


def _places(structure: Any) -> object:
    if isinstance(structure, Reference):
        return [structure.name, structure.use, structure.index]
    if isinstance(structure, Mapping):
        return {key: _places(value) for key, value in structure.items()}
    return [_places(value) for value in structure]


# -- and back -----------------------------------------------------------------------------------


def graph_of(config: Mapping[str, Any]) -> tuple[Graph, dict[str, object]]:
    """Return the graph that a config describes, and what is called in it by name.

    Raises:
        ValueError: It is no such config.
        UnknownNameError: It names a class or a function that is not known.
    """
    entries: list[Entry] = []
    made: dict[str, object] = {}
    described = config.get("layers")
    if not isinstance(described, list) or not all(isinstance(each, Mapping) for each in described):
        raise ValueError("the description of a graph has a list of layers, each a dictionary")
    for each in described:
        own = each.get("config")
        name = str(each.get("name") or (own.get("name") if isinstance(own, Mapping) else ""))
        if name in made:
            raise ValueError(f"the description of the graph has two entries called {name!r}")
        what = _what(each)
        made[name] = what.tensor() if isinstance(what, InputLayer) else what
        entries.append(Entry(name, name, [_use(call, each) for call in each.get("inbound_nodes") or ()]))
        if isinstance(made[name], Tensor):
            entries[-1].uses.clear()
    inputs, outputs = (_references(config.get(side), made) for side in ("input_layers", "output_layers"))
    return Graph(entries, inputs, outputs), made


def _is_operation(described: Mapping[str, object]) -> bool:
    module = str(described.get("module") or "")
    return module == _OPERATIONS or module.startswith(("keras.src.ops", "keras.ops"))


def _what(described: Mapping[str, Any]) -> Layer | _Operation:
    if not _is_operation(described):
        layer = deserialize_keras_object(
            {k: v for k, v in described.items() if k not in ("name", "inbound_nodes")}
        )
        if not isinstance(layer, Layer):
            raise ValueError(
                f"the graph has a layer that is described as {described.get('class_name')!r}, no layer"
            )
        return layer
    given, config = str(described["class_name"]), dict(described.get("config") or {})
    name = given if given in FUNCTIONS else function_of(given)
    if name is None:
        raise ValueError(
            f"the graph uses the operation {given!r}, which is not known.{did_you_mean(given, FUNCTIONS)}"
        )
    options = config if name == given else options_of(name, config)
    options.pop("name", None)
    return _Operation(name, deserialize_keras_object(options))


class _Operation:
    """A function of `ops` with the options that a description of it has."""

    def __init__(self, name: str, options: Config) -> None:
        self.name, self.options = name, options

    def __call__(self, *arguments: object, **options: object) -> object:
        given = as_key(arguments) if self.name == "getitem" else arguments
        return FUNCTIONS[self.name](*given, **{**self.options, **options})


def _use(call: object, described: Mapping[str, object]) -> GraphCall:
    if isinstance(call, Mapping):
        arguments = [_value(item) for item in call.get("args", ())]
        options = {key: _value(item) for key, item in call.get("kwargs", {}).items()}
        return GraphCall(arguments, {key: value for key, value in options.items() if value is not None})
    return _legacy_use(call, described)


def _legacy_use(call: object, described: Mapping[str, object]) -> GraphCall:
    """Read a call as Keras 2 writes it: ``[[name, use, index, options], ...]``, or a dictionary of these."""
    options: Config = {}

    def reference(item: Sequence[Any]) -> Reference:
        if len(item) > 3 and isinstance(item[3], Mapping):
            options.update((key, value) for key, value in item[3].items() if value is not None)
        return Reference(str(item[0]), int(item[1]), int(item[2]))

    if not isinstance(call, (list, tuple)) or not call:
        raise ValueError(f"a call of layer {described.get('name')!r} is described by {call!r}")
    if isinstance(call[0], str):
        return GraphCall([reference(call)], options)
    found = [reference(item) for item in call]
    return GraphCall([found[0] if len(found) == 1 else found], options)


def _value(item: object) -> object:
    if isinstance(item, Mapping):
        name = item.get("class_name")
        if name == _TENSOR:
            entry, use, index = item["config"]["keras_history"]
            return Reference(str(entry), int(use), int(index))
        if name == "__tuple__":
            return tuple(_value(part) for part in item["config"]["value"])
        if name is None:
            return {key: _value(part) for key, part in item.items()}
        return deserialize_keras_object(item)
    return [_value(part) for part in item] if isinstance(item, list) else item


def _references(places: object, made: Mapping[str, object]) -> object:
    if isinstance(places, Mapping):
        return {key: _references(value, made) for key, value in places.items()}
    if not isinstance(places, (list, tuple)) or not places:
        raise ValueError(f"inputs and outputs of a graph are lists [name, call, result], got {places!r}")
    if isinstance(places[0], str):
        if places[0] not in made:
            raise ValueError(f"the graph has no layer {places[0]!r}.{did_you_mean(places[0], made)}")
        return Reference(places[0], int(places[1]), int(places[2]))
    return [_references(value, made) for value in places]
