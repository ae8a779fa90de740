"""Models and weights in the HDF5 files of Keras 2, which Keras 3 also reads and writes.

The root has the description in ``model_config`` and how it was compiled in ``training_config``; the weights
of each layer of the model are in a group of its name in ``model_weights``, those that are trained first; the
state of the optimizer is a list of arrays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from streamfit._base.configs import Config
from streamfit._base.specs import Array
from streamfit.layers.base import Layer
from streamfit.models.descriptions import described_object, with_known_names
from streamfit.models.formats import Match
from streamfit.models.keras_config import keras_compile_config, keras_model_config, spelled_out
from streamfit.models.keras_layout import is_graph, layers_in_order
from streamfit.models.keras_optimizer import optimizer_arrays, restore_from_arrays, restore_from_names
from streamfit.models.model import Model
from streamfit.models.model_content import described_model
from streamfit.ops import Variable
from streamfit.storage.hdf5 import Hdf5Content, Texts
from streamfit.storage.keras_archive import KERAS_VERSION, parsed_object

_WEIGHTS, _OPTIMIZER, _TOP = "model_weights", "optimizer_weights", "top_level_model_weights"
_VERSION = "keras_version"
_SPECIAL_LOSS = "auto"
"""The reduction that Keras 2 has by default; it is the default here."""


def legacy_weights(layer: Layer) -> list[Variable]:
    """List the weights of a layer in the order of Keras 2: those that are trained first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


# -- reading ------------------------------------------------------------------------------------


def model_of_legacy(content: Hdf5Content, where: str, compile: bool) -> Model:
    """Make the model of a file of Keras 2.

    Raises:
        UnknownNameError: It uses a class or a function that is not known.
        ValueError: It is damaged, holds weights alone, or has what is not known here.
    """
    facts = content.attributes.get("", {})
    described, compiled_as = facts.get("model_config"), facts.get("training_config")
    if not isinstance(described, str):
        raise ValueError(
            f"{where} holds no model: it has no model_config. If it holds weights, make the model and call "
            "load_weights"
        )
    config = parsed_object(described, f"{where}: model_config")
    model = described_object(_with_modules(config), where)
    match = match_legacy(model, content.within(_WEIGHTS), where)
    match.check(where)
    match.put()
    if compile and isinstance(compiled_as, str):
        compiled = _compile_config(parsed_object(compiled_as, f"{where}: training_config"))
        with_known_names(lambda: model.compile_from_config(compiled), where)
        _restore_optimizer(model, content, str(facts.get(_VERSION, "")), where)
    return model


def _restore_optimizer(model: Model, content: Hdf5Content, version: str, where: str) -> None:
    group = content.within(_OPTIMIZER)
    names = group.texts("", "weight_names")
    if not names:
        return
    arrays = _arrays(group, names, f"{where}: {_OPTIMIZER}")
    if version.startswith("3"):
        restore_from_arrays(model, arrays, where)
    else:
        restore_from_names(model, list(zip(names, arrays, strict=True)), where)


def _arrays(content: Hdf5Content, names: Sequence[str], where: str) -> list[Array]:
    missing = [name for name in names if name not in content.arrays]
    if missing:
        raise ValueError(f"{where} is damaged: it has no array {missing[0]!r}")
    return [content.arrays[name] for name in names]


def _with_modules(config: Any) -> Any:
    """Say of layers that they are layers: other classes have the same names."""
    if not isinstance(config, dict):
        return config
    found = dict(config)
    if isinstance(found.get("config"), list) and found.get("class_name") == "Sequential":
        found["config"] = {"layers": found["config"]}
    inner = found.get("config")
    if isinstance(inner, dict) and isinstance(inner.get("layers"), list):
        found["config"] = {**inner, "layers": [_with_modules(each) for each in inner["layers"]]}
        return found
    if found.get("module") is None and not found.get("registered_name"):
        found["module"] = "keras.layers"
    return found


def _compile_config(training: Config) -> Config:
    optimizer = training.get("optimizer_config")
    found = {
        "loss": _kind(training.get("loss"), "keras.losses"),
        "metrics": _kind(training.get("metrics"), "keras.metrics"),
        "weighted_metrics": _kind(training.get("weighted_metrics"), "keras.metrics"),
        "loss_weights": training.get("loss_weights"),
        "sample_weight_mode": training.get("sample_weight_mode"),
    }
    return {"optimizer": _kind(optimizer, "keras.optimizers"), **found}


def _kind(value: Any, module: str) -> Any:
    if isinstance(value, list):
        return [_kind(item, module) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" not in value:
        return {name: _kind(item, module) for name, item in value.items()}
    config = value.get("config")
    if isinstance(config, dict):
        config = {key: item for key, item in config.items() if (key, item) != ("reduction", _SPECIAL_LOSS)}
        if isinstance(config.get("fn"), str):
            config["fn"] = {"class_name": "function", "module": module, "config": config["fn"]}
    return {"module": module, **value, "config": config}


def match_legacy(model: Model, content: Hdf5Content, where: str, by_name: bool = False) -> Match:
    """Find the arrays of each layer of a model.

    Args:
        model: The model.
        content: The group that has the layers.
        where: Name of the file, for messages.
        by_name: Whether layers are found by their names, and those without one stay as they are; else by
            their order.

    Raises:
        ValueError: It is no such file, or is damaged.
    """
    names = content.texts("", "layer_names")
    if not names:
        raise ValueError(f"{where} is no file of Keras weights: it has no layer_names")
    stored = {name: _layer_arrays(content, name, where) for name in names}
    match = Match()
    if by_name:
        for layer in layers_in_order(model):
            if layer.name in stored:
                match.add_layer(layer.name, legacy_weights(layer), stored[layer.name])
        return match
    stored = {name: arrays for name, arrays in stored.items() if arrays}
    own = [layer for layer in layers_in_order(model) if layer.weights]
    same = {layer.name for layer in own} == set(stored)
    if len(own) != len(stored):
        match.problems.append(
            f"{where} has weights for {len(stored)} layers, {list(stored)[:5]}; the model has {len(own)} "
            f"layers with weights, {[layer.name for layer in own][:5]}"
        )
    for layer, name in zip(own, stored, strict=False):
        match.add_layer(layer.name, legacy_weights(layer), stored[layer.name if same else name])
    if _TOP in content.groups:
        top = [weight for weight in legacy_weights(model) if weight in set(model.own_weights)]
        match.add_layer(model.name, top, _layer_arrays(content, _TOP, where))
    return match


def _layer_arrays(content: Hdf5Content, name: str, where: str) -> list[Array]:
    if name not in content.groups:
        raise ValueError(f"{where} is damaged: it has no group for layer {name!r}")
    group = content.within(name)
    return _arrays(group, group.texts("", "weight_names"), f"{where}: {name}")


# -- writing ------------------------------------------------------------------------------------


def legacy_content(model: Model, include_optimizer: bool) -> Hdf5Content:
    """Return what a file of Keras 2 holds of a model.

    Raises:
        TypeError, ValueError: Something in the model cannot be described, or has no place in such a file.
    """
    content = legacy_description(model, include_optimizer)
    _put_layers(content, model, _WEIGHTS)
    if "training_config" in content.attributes[""]:
        _put(content, _OPTIMIZER, _unique(model.optimizer.name, optimizer_arrays(model)))
    return content


def legacy_weights_content(model: Model) -> Hdf5Content:
    """Return what a file of Keras 2 holds of the weights of a model alone.

    Raises:
        ValueError: Two layers have one name.
    """
    content = Hdf5Content()
    _put_layers(content, model, "")
    return content


def legacy_description(model: Model, include_optimizer: bool) -> Hdf5Content:
    """Return the part of `legacy_content` that says what the model is.

    Raises:
        TypeError, ValueError: As there.
    """
    if not is_graph(model) or model.own_weights:
        raise ValueError(
            f"model {model.name!r} is a {type(model).__name__} with a call or weights of its own, which .h5 "
            "has no place for; save it as .keras or .streamfit"
        )
    compiled = model.get_compile_config() if include_optimizer else None
    config = keras_model_config(model, described_model(model), None)
    plain = {"class_name": config["class_name"], "config": config["config"]}
    facts: dict[str, Texts] = {_VERSION: KERAS_VERSION, "model_config": json.dumps(plain)}
    if compiled is not None:
        given = keras_compile_config(spelled_out(compiled))
        optimizer: Any = given.pop("optimizer")
        chosen = {"class_name": optimizer["class_name"], "config": optimizer["config"]}
        facts["training_config"] = json.dumps({**given, "optimizer_config": chosen})
    return Hdf5Content(attributes={"": facts})


def _put_layers(content: Hdf5Content, model: Model, group: str) -> None:
    front, names = f"{group}/" if group else "", list[str]()
    for layer in layers_in_order(model):
        if layer.name in names:
            raise ValueError(f"two layers of model {model.name!r} are called {layer.name!r}; rename one")
        names.append(layer.name)
        _put(content, f"{front}{layer.name}", _named(layer))
    own = set(model.own_weights)
    top = [(weight.name, weight.value.copy()) for weight in legacy_weights(model) if weight in own]
    _put(content, f"{front}{_TOP}", _unique("", top))
    content.attributes[group] = {"layer_names": names, _VERSION: KERAS_VERSION}


def _put(content: Hdf5Content, path: str, arrays: Sequence[tuple[str, Array]]) -> None:
    content.attributes[path] = {"weight_names": [name for name, _ in arrays]}
    content.arrays.update((f"{path}/{name}", array) for name, array in arrays)


def _named(layer: Layer) -> list[tuple[str, Array]]:
    paths: dict[Variable, str] = {}

    def name(inner: Layer, front: str) -> None:
        for weight in inner.own_weights:
            paths.setdefault(weight, f"{front}/{weight.name}")
        for below in layers_in_order(inner):
            name(below, f"{front}/{below.name}")

    name(layer, layer.name)
    return _unique("", [(paths[weight], weight.value.copy()) for weight in legacy_weights(layer)])


def _unique(front: str, arrays: Sequence[tuple[str, Array]]) -> list[tuple[str, Array]]:
    found: dict[str, Array] = {}
    for name, array in arrays:
        full, number = f"{front}/{name}" if front else name, 0
        while full in found:
            number += 1
            full = f"{front}/{name}_{number}" if front else f"{name}_{number}"
        found[full] = array
    return list(found.items())
