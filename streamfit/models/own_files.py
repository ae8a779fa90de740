"""Models of ``.streamfit`` files; see `streamfit.storage.model_file`."""

from __future__ import annotations

from collections.abc import Mapping

from streamfit._base.specs import Array
from streamfit._base.tree import part_of
from streamfit.models.descriptions import described_object, with_known_names
from streamfit.models.layer_state import load_state
from streamfit.models.model import Model
from streamfit.models.model_content import OPTIMIZER, WEIGHT
from streamfit.ops import Variable
from streamfit.storage.model_file import ModelFile


def model_of(content: ModelFile, where: str, compile: bool) -> Model:
    """Make the model that a model file describes.

    Raises:
        ValueError: The file does not hold what its description says.
    """
    model = described_object(content.description.get("model"), where)
    put_weights(model, part_of(content.arrays, WEIGHT), where)
    load_state(model, content.arrays, where)
    compiled = content.description.get("compile")
    if compile and compiled:
        with_known_names(lambda: model.compile_from_config(compiled), where)
        trained = content.description.get("trained")
        if isinstance(trained, list):
            model.set_trained_places([int(place) for place in trained])
        state = part_of(content.arrays, OPTIMIZER)
        model.restore_optimizer(state, int(content.description.get("iterations") or 0), where)
    return model


def put_weights(model: Model, arrays: Mapping[str, Array], where: str) -> None:
    """Give a model the weights of a file.

    Raises:
        ValueError: They are not all of its weights, or have other shapes.
    """
    weights = dict(model.weight_paths())
    for path in dict.fromkeys([*weights, *arrays]):
        weight, array = weights.get(path), arrays.get(path)
        if weight is None or array is None or _form(weight) != (array.shape, array.dtype):
            raise ValueError(
                f"{where} is damaged: for weight {path} it holds "
                f"{'nothing' if array is None else f'shape {array.shape} of {array.dtype}'}, the model "
                "that it "
                f"describes has {'none' if weight is None else f'shape {_form(weight)[0]} of {weight.dtype}'}"
            )
    for path, weight in weights.items():
        weight.put(arrays[path])


def _form(weight: Variable) -> tuple[object, object]:
    return weight.memory.shape, weight.memory.dtype
