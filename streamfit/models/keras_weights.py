"""The weights of a model in the layout of Keras 3: written into it, and found in it."""

from __future__ import annotations

from collections.abc import Iterable

from streamfit._base.specs import Array
from streamfit.layers.base import Layer
from streamfit.layers.weight_methods import WeightMethods
from streamfit.models.formats import Match
from streamfit.models.keras_layout import class_name_of, is_graph, layer_paths, other_paths
from streamfit.models.keras_optimizer import optimizer_arrays
from streamfit.models.model import Model
from streamfit.storage.hdf5 import Hdf5Content

OPTIMIZER = "optimizer/vars"
_OF_KERAS_2 = "_layer_checkpoint_dependencies"
_INSIDE = {"TextVectorization": "_lookup_layer"}
"""Layers of ours that are two layers in Keras, and where the inner one is."""
_NO_WEIGHTS = ("seed_generator", "_random_generator", "_lookup_layer", "_seed_generators")


def weights_content(model: Model, skip: Iterable[Layer] = ()) -> Hdf5Content:
    """Return the weights of a model in Keras' layout, without those of layers to skip."""
    content = Hdf5Content()
    for path, layer in layer_paths(model, skip):
        stores = [_vars(path)]
        if class_name_of(layer) in _INSIDE:
            stores.append(f"{path}/{_INSIDE[class_name_of(layer)]}/vars")
        store: dict[str, Array] = {}
        layer.save_own_variables(store)
        for place in stores:
            content.attributes[place] = {"name": layer.name}
            content.arrays.update((f"{place}/{key}", array) for key, array in store.items())
    return content


def all_weights(model: Model, with_optimizer: bool, skip: Iterable[Layer] = ()) -> Hdf5Content:
    """Return the weights of a model, and the state of its optimizer, in Keras' layout; see above."""
    content = weights_content(model, skip)
    if with_optimizer and model.optimizer is not None:
        content.attributes[OPTIMIZER] = {"name": model.optimizer.name}
        content.arrays.update(
            (f"{OPTIMIZER}/{place}", array) for place, (_, array) in enumerate(optimizer_arrays(model))
        )
    return content


def _vars(path: str) -> str:
    return f"{path}/vars" if path else "vars"


def matched_weights(
    model: Model, content: Hdf5Content, where: str, *, same_names: bool = False, skip: Iterable[Layer] = ()
) -> Match:
    """Find the arrays of each layer.

    Args:
        model: The model.
        content: A file in Keras' layout.
        where: Its name, for messages.
        same_names: Whether the model was made of the description in the file, so that its layers have the
            names of those in the file, as far as the description has them.
        skip: Layers that stay as they are, with what is inside them.
    """
    match, left = Match(), dict(content.arrays)
    known = _described(model) if same_names else set()
    others: dict[int, list[str]] | None = None  # made where it is needed
    wanted = {id(layer) for _, layer in layer_paths(model, skip)}
    for path, layer in layer_paths(model):
        if id(layer) not in wanted:
            left = {key: array for key, array in left.items() if not key.startswith(f"{_vars(path)}/")}
            continue
        place = _vars(path)
        if place not in content.groups and _OF_KERAS_2 in content.groups:
            place = place.replace("layers", _OF_KERAS_2)
        if place not in content.groups:
            others = other_paths(model) if others is None else others
            known_as = others.get(id(layer), ())
            place = next((other for other in map(_vars, known_as) if other in content.groups), place)
        name = content.attributes.get(place, {}).get("name", layer.name)
        if name != layer.name and id(layer) in known:
            match.problems.append(f"{where} has the weights of layer {name!r} where {layer.name!r} belongs")
        front = f"{place}/"
        found = {key.removeprefix(front): key for key in left if key.startswith(front)}
        _match(match, layer, {key: left.pop(full) for key, full in found.items()})
    for key in left:
        if not (key.startswith(f"{OPTIMIZER}/") or set(key.split("/")) & set(_NO_WEIGHTS)):
            match.problems.append(f"{where} has {key!r}, which belongs to no layer of the model")
    return match


def _described(layer: Layer) -> set[int]:
    """Return the layers whose names a description has, by id: none of the user's own classes."""
    if not type(layer).__module__.startswith("streamfit."):
        return set()
    found = {id(layer)}
    for inner in layer.layers_inside if is_graph(layer) else ():
        found |= _described(inner)
    return found


def _match(match: Match, layer: Layer, store: dict[str, Array]) -> None:
    if type(layer).load_own_variables is not WeightMethods.load_own_variables:
        match.calls.append(lambda: layer.load_own_variables(store))
        return
    own = layer.own_weights
    if sorted(store) != sorted(str(place) for place in range(len(own))):
        match.problems.append(
            f"layer {layer.name!r} has {len(own)} weights of its own, the file has {len(store)} for it"
        )
        return
    for place, weight in enumerate(own):
        match.add(weight, store[str(place)], layer.name)
