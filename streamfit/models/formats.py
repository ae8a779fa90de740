"""The forms in which models and weights are on disk, by the endings of their files.

Each form registers itself, so that models know their files by endings alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from streamfit._base.specs import Array
from streamfit.layers.base import Layer
from streamfit.layers.weight_methods import fitting
from streamfit.ops import Variable
from streamfit.storage.files import stem


@dataclass
class Match:
    """What of a file belongs to a model.

    Attributes:
        pairs: Weights, and the arrays that they get.
        calls: What layers do that read files in a way of their own.
        problems: A sentence for each weight or layer without its arrays, or arrays without their layer.
        summary: What is wrong in one sentence, where there is a better one than the first of the problems.
    """

    pairs: list[tuple[Variable, Array]] = field(default_factory=list)
    calls: list[Callable[[], None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    summary: str = ""

    def add(self, weight: Variable, array: Array, layer: str) -> None:
        """Note an array for a weight, or why it does not fit."""
        try:
            self.pairs.append((weight, fitting(weight, array, layer)))
        except ValueError as error:
            self.problems.append(str(error))

    def add_layer(self, name: str, weights: Sequence[Variable], arrays: Sequence[Array]) -> None:
        """Note the arrays of a layer in the order of its weights, or why they do not fit."""
        if len(weights) != len(arrays):
            self.problems.append(
                f"layer {name!r} has {len(weights)} weights, the file has {len(arrays)} for it"
            )
            return
        for weight, array in zip(weights, arrays, strict=True):
            self.add(weight, array, name)

    def check(self, where: str) -> None:
        """Refuse a file that does not fit.

        Raises:
            ValueError: There are problems.
        """
        if self.problems:
            shown = "; ".join(self.problems[:5])
            raise ValueError(self.summary or f"{where} does not fit the model: {shown}")

    def put(self) -> None:
        """Give the weights their arrays."""
        for weight, array in self.pairs:
            weight.put(array)
        for call in self.calls:
            call()


class ModelFormat(Protocol):
    """A form of files of whole models."""

    def save(self, model: Any, path: Path, include_optimizer: bool) -> None:
        """Write a model, whole or not at all."""

    def check(self, model: Any, include_optimizer: bool) -> None:
        """Raise the error that `save` would raise; for a model that is not built, as far as is known."""

    def load(self, path: Path, compile: bool) -> Any:
        """Read a model."""


class WeightsFormat(Protocol):
    """A form of files with the weights of a model in them."""

    skips: bool
    """Whether weights of some layers can be left out."""

    def save(self, model: Any, path: Path, skip: Sequence[Layer] = ()) -> None:
        """Write the weights, whole or not at all, without those of layers to skip.

        Raises:
            ValueError: Weights alone are not written in this form.
        """

    def check(self) -> None:
        """Raise the error that `save` would raise for any model."""

    def match(self, model: Any, path: Path, by_name: bool, skip: Sequence[Layer] = ()) -> Match:
        """Read a file, and find what in it belongs to the model; layers to skip stay as they are."""


_models: dict[str, ModelFormat] = {}
_weights: dict[str, WeightsFormat] = {}


def register_model_format(endings: Sequence[str], form: ModelFormat) -> None:
    """Have models be saved to and read from files with these endings in a form."""
    _models.update(dict.fromkeys(endings, form))


def register_weights_format(endings: Sequence[str], form: WeightsFormat) -> None:
    """Have weights be saved to and read from files with these endings in a form."""
    _weights.update(dict.fromkeys(endings, form))


def _ending(name: str, endings: Sequence[str]) -> str | None:
    found = [ending for ending in endings if name.endswith(ending) and name != ending]
    return max(found, key=len, default=None)


def model_format(filepath: str | os.PathLike[str]) -> tuple[Path, ModelFormat]:
    """Return the path of a model file and its form.

    Raises:
        ValueError: It has another ending.

    Example:
        >>> model_format("model.zip")
        Traceback (most recent call last):
        ValueError: a model is saved as .streamfit, .keras, .h5, .hdf5, got 'model.zip'; write \
'model.streamfit'
    """
    path = Path(os.fspath(filepath))
    ending = _ending(path.name, list(_models))
    if path.name.endswith(".weights.h5"):
        raise ValueError(
            f"{str(path)!r} is the name of a file of weights: write save_weights and load_weights, or "
            f"{str(path.with_name(stem(path.name) + '.streamfit'))!r} for the whole model"
        )
    if ending is None:
        first = next(iter(_models))
        raise ValueError(
            f"a model is saved as {', '.join(_models)}, got {str(path)!r}; write "
            f"{str(path.with_name(stem(path.name) + first))!r}"
        )
    return path, _models[ending]


def weights_format(filepath: str | os.PathLike[str]) -> tuple[Path, WeightsFormat]:
    """Return the path of a file of weights and its form.

    Raises:
        ValueError: It has another ending.
    """
    path = Path(os.fspath(filepath))
    ending = _ending(path.name, list(_weights))
    if ending is None:
        first, second = list(_weights)[:2]
        raise ValueError(
            f"the path of weights must end in {first!r} or {second!r}, got {str(path)!r}. "
            f"Write {stem(path.name) + first!r}."
        )
    return path, _weights[ending]
