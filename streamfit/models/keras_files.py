"""Models in ``.keras`` files: of Keras 3, or for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamfit._base import uses
from streamfit._base.configs import Config
from streamfit._base.specs import Array
from streamfit.models.descriptions import described_object, with_known_names
from streamfit.models.keras_config import keras_model_config
from streamfit.models.keras_layout import UniqueInList
from streamfit.models.keras_optimizer import optimizer_arrays, restore_from_arrays
from streamfit.models.keras_weights import OPTIMIZER, all_weights, matched_weights
from streamfit.models.layer_state import assets_of, load_assets
from streamfit.models.model import Model
from streamfit.models.model_content import described_model
from streamfit.storage.hdf5 import Hdf5Content
from streamfit.storage.keras_archive import KerasFile, write_keras_file

_VOCABULARY, _FACTORS = "vocabulary.txt", "idf_weights"
_INNER = "_lookup_layer/"


def described_for_keras(model: Model, include_optimizer: bool = True) -> Config:
    """Return the description of a model in a ``.keras`` file.

    Raises:
        TypeError, ValueError: Something in the model cannot be described, or Keras does not have it.
    """
    compiled = model.get_compile_config() if include_optimizer else None
    config = keras_model_config(model, described_model(model), compiled)
    if compiled is not None and model.built:
        optimizer_arrays(model)
    return config


def save_keras(model: Model, path: Path, include_optimizer: bool) -> None:
    """Write a model to a ``.keras`` file, whole or not at all; see `Model.save`."""
    config = described_for_keras(model, include_optimizer)
    content = Hdf5Content()

    def copy_all() -> None:
        nonlocal content
        content = all_weights(model, config["compile_config"] is not None)

    uses.read("save", model.name, frozenset((model, *model.weights)), copy_all)
    write_keras_file(path, KerasFile(config, content, assets_of(model)))


def model_of_keras(content: KerasFile, where: str, compile: bool) -> Model:
    """Make the model of a ``.keras`` file.

    Raises:
        UnknownNameError: It uses a class or a function that is not known.
        ValueError: It is damaged, or has what is not known here.
    """
    config, assets = dict(content.config), dict(content.assets)
    compiled = config.pop("compile_config", None)
    with_vocabularies(config, "", assets, content.weights.arrays, where)
    model = described_object(config, where)
    match = matched_weights(model, content.weights, where, same_names=True)
    match.check(where)
    match.put()
    load_assets(model, {name: data for name, data in assets.items() if _INNER not in name}, where)
    if compile and compiled:
        with_known_names(lambda: model.compile_from_config(compiled), where)
        restore_from_arrays(model, optimizer_vars(content.weights), where)
    return model


def optimizer_vars(content: Hdf5Content) -> list[Array]:
    """Return the arrays of the optimizer in a file of Keras, in their order."""
    found = content.within(OPTIMIZER).arrays
    return [found[name] for name in sorted(found, key=lambda name: (len(name), name))]


def with_vocabularies(
    described: Any, path: str, assets: dict[str, bytes], arrays: Mapping[str, Array], where: str
) -> None:
    """Put vocabularies of a file's assets into the configs of lookup layers; takes them out of `assets`.

    Raises:
        ValueError: A vocabulary is no text, or holds something else than the layer's tokens.
    """
    config = described.get("config") if isinstance(described, dict) else None
    if not isinstance(config, dict):
        return
    key = f"{path}/{_VOCABULARY}" if path else _VOCABULARY
    if key in assets:
        config["vocabulary"] = _tokens(assets.pop(key), "vocabulary_dtype" in config, f"{where}: {key!r}")
        factors = arrays.get(f"{path}/vars/{_FACTORS}")
        if factors is not None:
            config[_FACTORS] = factors[: len(config["vocabulary"])].tolist()
    inner = config.get("layers")
    if isinstance(inner, list):
        names = UniqueInList()
        for each in inner:
            if isinstance(each, dict) and isinstance(each.get("class_name"), str):
                below = f"layers/{names.of(each['class_name'])}"
                with_vocabularies(each, f"{path}/{below}" if path else below, assets, arrays, where)


def _tokens(data: bytes, numbers: bool, where: str) -> list[str] | list[int]:
    try:
        lines = data.decode("utf-8").splitlines()
        while lines and not lines[-1]:
            lines.pop()
        return [int(line) for line in lines] if numbers else lines
    except ValueError as error:
        raise ValueError(f"{where} is damaged: {error}") from error
