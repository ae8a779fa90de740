"""The forms of files of models and of weights: each with its endings, its writer and its reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from streamfit._base import uses
from streamfit._base.loading import loading_from
from streamfit._base.specs import Array
from streamfit._base.tree import part_of
from streamfit.layers.base import Layer
from streamfit.models.formats import Match, register_model_format, register_weights_format
from streamfit.models.keras_files import described_for_keras, model_of_keras, save_keras
from streamfit.models.keras_weights import all_weights, matched_weights
from streamfit.models.layer_state import state_arrays
from streamfit.models.legacy_h5 import (
    legacy_content,
    legacy_description,
    legacy_weights_content,
    match_legacy,
    model_of_legacy,
)
from streamfit.models.model import Model
from streamfit.models.model_content import WEIGHT, content_of, described_model
from streamfit.models.own_files import model_of
from streamfit.storage.files import stem, write_whole
from streamfit.storage.hdf5 import Hdf5Content, check_installed, hdf5_bytes, read_hdf5_file
from streamfit.storage.keras_archive import KERAS_ENDING, read_keras_file
from streamfit.storage.model_file import ENDING, read_model, write_model
from streamfit.storage.weights import Layers, layers_of, read_weights, save_weights

__all__: list[str] = []

_HDF5_ENDINGS = (".h5", ".hdf5")


class _Own:
    """``.streamfit``: `streamfit.storage.model_file`."""

    def save(self, model: Model, path: Path, include_optimizer: bool) -> None:
        write_model(path, content_of(model, include_optimizer, lambda: state_arrays(model)))

    def check(self, model: Model, include_optimizer: bool) -> None:
        if model.built:
            described_model(model)
            if include_optimizer:
                model.get_compile_config()

    def load(self, path: Path, compile: bool) -> Model:
        content = read_model(path)
        with loading_from(str(path), content.size):
            return model_of(content, str(path), compile)


class _Keras:
    """``.keras``: `streamfit.storage.keras_archive`."""

    def save(self, model: Model, path: Path, include_optimizer: bool) -> None:
        save_keras(model, path, include_optimizer)

    def check(self, model: Model, include_optimizer: bool) -> None:
        check_installed()
        if model.built:
            described_for_keras(model, include_optimizer)

    def load(self, path: Path, compile: bool) -> Model:
        content = read_keras_file(path)
        with loading_from(str(path), content.size):
            return model_of_keras(content, str(path), compile)


class _Hdf5:
    """``.h5``: the files of Keras 2, `streamfit.models.legacy_h5`."""

    def save(self, model: Model, path: Path, include_optimizer: bool) -> None:
        content: list[Hdf5Content] = []

        def copy_all() -> None:
            content.append(legacy_content(model, include_optimizer))

        uses.read("save", model.name, frozenset((model, *model.weights)), copy_all)
        write_whole(path, [hdf5_bytes(content[0])])

    def check(self, model: Model, include_optimizer: bool) -> None:
        check_installed()
        if model.built:
            legacy_description(model, include_optimizer)

    def load(self, path: Path, compile: bool) -> Model:
        content, size = read_hdf5_file(path)
        with loading_from(str(path), size):
            return model_of_legacy(content, str(path), compile)


class _Safetensors:
    """``.safetensors``: `streamfit.storage.weights`."""

    skips = False

    def save(self, model: Model, path: Path, skip: Sequence[Layer] = ()) -> None:
        paths = [place for place, _ in model.weight_paths()]
        weights = list(zip(paths, model.get_weights(), strict=True))
        save_weights(weights, path, model.layer_weight_paths())

    def check(self) -> None:
        pass

    def match(self, model: Model, path: Path, by_name: bool, skip: Sequence[Layer] = ()) -> Match:
        arrays, layers = read_weights(path)
        return _match_paths(model, arrays, layers, path, by_name)


class _Hdf5Weights:
    """``.weights.h5`` of Keras 3, or ``.h5`` of Keras 2; both are read, whatever the ending.

    Args:
        legacy: Whether to write the layout of Keras 2.
    """

    def __init__(self, legacy: bool) -> None:
        self._legacy, self.skips = legacy, not legacy

    def save(self, model: Model, path: Path, skip: Sequence[Layer] = ()) -> None:
        content: list[Hdf5Content] = []

        def copy_all() -> None:
            if self._legacy:
                content.append(legacy_weights_content(model))
            else:
                content.append(all_weights(model, model.optimizer is not None, skip))

        uses.read("save_weights", model.name, frozenset((model, *model.weights)), copy_all)
        write_whole(path, [hdf5_bytes(content[0])])

    def check(self) -> None:
        check_installed()

    def match(self, model: Model, path: Path, by_name: bool, skip: Sequence[Layer] = ()) -> Match:
        content, _ = read_hdf5_file(path)
        if "model_weights" in content.groups:
            content = content.within("model_weights")
        if content.texts("", "layer_names"):
            return match_legacy(model, content, str(path), by_name)
        _refuse_names(path, by_name)
        return matched_weights(model, content, str(path), skip=skip)


class _WeightsOfModels:
    """The weights in a file of a whole model."""

    skips = False

    def save(self, model: Model, path: Path, skip: Sequence[Layer] = ()) -> None:
        raise ValueError(
            f"{path.suffix} is for whole models: write save({str(path)!r}), or save weights alone as "
            f"{stem(path.name) + '.safetensors'!r}"
        )

    def check(self) -> None:
        raise ValueError("weights alone are saved as .safetensors or .weights.h5")

    def match(self, model: Model, path: Path, by_name: bool, skip: Sequence[Layer] = ()) -> Match:
        if path.suffix == ENDING:
            content = read_model(path)
            layers = layers_of(content.description.get("layers"))
            return _match_paths(model, part_of(content.arrays, WEIGHT), layers, path, by_name)
        _refuse_names(path, by_name)
        return matched_weights(model, read_keras_file(path).weights, str(path))


def _refuse_names(path: Path, by_name: bool) -> None:
    if by_name:
        raise ValueError(
            f"{path} is in the layout of Keras 3, which has no names of layers to go by; by_name is for .h5 "
            "files of whole models or of Keras 2, for .safetensors and .streamfit"
        )


def _match_paths(
    model: Model, arrays: Mapping[str, Array], layers: Layers, path: Path, by_name: bool
) -> Match:
    match, weights = Match(), dict(model.weight_paths())
    if by_name:
        _match_layers(match, model, arrays, layers, path)
        return match
    missing, extra = [n for n in weights if n not in arrays], [n for n in arrays if n not in weights]
    if missing or extra:
        match.summary = (
            f"{path} was written for another model: it holds {len(arrays)} weights, the model has "
            f"{len(weights)}; missing in the file: {missing[:5]}, not in the model: {extra[:5]}"
        )
    match.problems.extend(f"{path} has nothing for weight {name}" for name in missing)
    match.problems.extend(f"{path} has {name}, which the model has not" for name in extra)
    for name, weight in weights.items():
        if name not in arrays:
            continue
        if arrays[name].shape == weight.memory.shape:
            match.pairs.append((weight, arrays[name]))
        else:
            match.problems.append(
                f"weight {name} has shape {arrays[name].shape} in {path}, but {weight.memory.shape} in the "
                "model"
            )
    return match


def _match_layers(
    match: Match, model: Model, arrays: Mapping[str, Array], layers: Layers, path: Path
) -> None:
    if not layers:
        raise ValueError(f"{path} has no names of layers, load it with by_name=False")
    for name, layer in model.names_in_files():
        places: Sequence[str] = layers.get(name, ())
        if lost := [place for place in places if place not in arrays]:
            raise ValueError(f"{path} is damaged: it has no weight {lost[0]!r}")
        if places:
            match.add_layer(layer.name, layer.weights, [arrays[place] for place in places])


register_model_format((ENDING,), _Own())
register_model_format((KERAS_ENDING,), _Keras())
register_model_format(_HDF5_ENDINGS, _Hdf5())
register_weights_format((".safetensors",), _Safetensors())
register_weights_format((".weights.h5",), _Hdf5Weights(legacy=False))
register_weights_format(_HDF5_ENDINGS, _Hdf5Weights(legacy=True))
register_weights_format((ENDING, KERAS_ENDING), _WeightsOfModels())
