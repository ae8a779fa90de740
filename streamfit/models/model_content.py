"""What a model file holds of a model: its description, its weights and the state of its optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from streamfit._base import uses
from streamfit._base.configs import Config
from streamfit._base.serialization import ObjectSharingScope, serialize_keras_object
from streamfit._base.specs import Array
from streamfit.ops import Variable
from streamfit.storage.model_file import ModelFile

WEIGHT, OPTIMIZER = "weight/", "optimizer/"


class SavedModel(Protocol):
    """A model, as saving sees it."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def weights(self) -> list[Variable]:
        """List its weights."""

    def weight_paths(self) -> list[tuple[str, Variable]]:
        """List (path, weight)."""

    def layer_weight_paths(self) -> Mapping[str, Sequence[str]]:
        """Return the paths of the weights of each layer."""

    def get_compile_config(self) -> Config | None:
        """Return how it was compiled."""

    def trained_places(self) -> Sequence[int] | None:
        """Return the numbers of the weights that are trained."""

    def optimizer_state(self) -> tuple[Mapping[str, Array], int]:
        """Return the state of the optimizer, and its steps."""


def content_of(
    model: SavedModel,
    include_optimizer: bool = True,
    more: Callable[[], Mapping[str, Array]] = dict[str, Array],
) -> ModelFile:
    """Return what a model file holds of a model, all of the same moment.

    Args:
        model: The model.
        include_optimizer: Whether the arguments of `compile` and the optimizer are in it.
        more: Returns further arrays by name.

    Raises:
        TypeError, ValueError: Something in the model cannot be described.
    """
    description: dict[str, Any] = {
        "model": described_model(model),
        "layers": model.layer_weight_paths(),
        "compile": None,
    }
    arrays: dict[str, Array] = {}
    if include_optimizer:
        description["compile"] = model.get_compile_config()
        description["trained"] = model.trained_places()

    def copy_all() -> None:  # all of the same moment, whoever trains the model
        arrays.update((f"{WEIGHT}{path}", weight.value.copy()) for path, weight in model.weight_paths())
        arrays.update(more())
        if include_optimizer:
            state, description["iterations"] = model.optimizer_state()
            arrays.update((f"{OPTIMIZER}{name}", vector) for name, vector in state.items())

    uses.read("save", model.name, frozenset((model, *model.weights)), copy_all)
    return ModelFile(description, arrays)


def described_model(model: SavedModel) -> dict[str, Any]:
    """Return the description of a model without its weights.

    Raises:
        TypeError, ValueError: Something in the model cannot be described, such as a lambda.
    """
    with ObjectSharingScope():
        described: dict[str, Any] = serialize_keras_object(model)
    _refuse_lambdas(described, model.name)
    described.pop("compile_config", None)
    return described


def _refuse_lambdas(value: Any, where: str) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if item == "<lambda>":
            raise ValueError(
                f"model {where!r} uses a lambda, whose code is not saved: loading it would mean arbitrary "
                "code "
                "execution. Define a function with `def`, decorated with "
                "@streamfit.saving.register_keras_serializable()"
            )
        waiting.extend(item.values() if isinstance(item, dict) else item if isinstance(item, list) else ())
