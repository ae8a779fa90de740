"""`SavingMethods`: what a model says about itself to be saved, and takes over when it is loaded."""

from __future__ import annotations

import inspect
import itertools
import json
import os
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object
from streamfit._base.specs import Array, Spec
from streamfit._base.text import dtype_name, dtype_of
from streamfit._base.tree import flatten, pack, transform
from streamfit.models.file_objects import written
from streamfit.models.formats import model_format
from streamfit.models.generator_methods import GeneratorMethods
from streamfit.models.graph_model import GraphModel
from streamfit.models.model_content import described_model
from streamfit.ops.core import Tensor
from streamfit.optimizers.work import places_of
from streamfit.program.memory import padded_sizes
from streamfit.training import TrainableFlags

_COMPILED = ("optimizer", "loss", "metrics", "weighted_metrics", "loss_weights", "sample_weight_mode")


def check_options(options: Mapping[str, object]) -> None:
    """Refuse arguments of `save` that mean something else than what it does.

    Raises:
        ValueError: There is one.
    """
    if "save_format" in options:
        raise ValueError(
            "`save_format` is no argument any more, the ending of the path says the form: write "
            "'model.streamfit', 'model.keras' or 'model.h5'"
        )
    if not options.get("zipped", True):
        raise ValueError("zipped=False would write a folder; a model is always one file, leave zipped out")
    if unknown := sorted(set(options) - {"zipped"}):
        raise ValueError(f"{', '.join(unknown)}: no such arguments are known, `save` takes those of its list")


class SavingMethods(GeneratorMethods):
    """Add `save`, `to_json` and what `load_model` needs to a model that can be trained."""

    def save(
        self,
        filepath: str | os.PathLike[str] | BinaryIO,
        overwrite: bool = True,
        include_optimizer: bool = True,
        **options: object,
    ) -> None:
        """Write the whole model to a file: layers, weights, arguments of `compile`, state of the optimizer.

        The file is written whole or not at all: after a crash at any moment there is the old file or the new
        one. `load_model` makes an equal model of it, also in another process or on another machine.

        Args:
            filepath: A path whose ending says the format: ``.streamfit``; for Keras ``.keras``, or ``.h5``
                and ``.hdf5`` as in Keras 2 (these need h5py). Folders of it that are missing are made. Or
                a file object, to which the form of ``.streamfit`` is written.
            overwrite: Whether an existing file may be replaced.
            include_optimizer: Whether the arguments of `compile` and the optimizer are saved, too.
            options: ``zipped=True``, accepted for Keras' sake.

        Raises:
            ValueError: Another ending or argument; or the model uses a lambda, whose code is not saved, or
                something that this format has no place for.
            TypeError: A layer has an argument that cannot be described; the message says what to define.
            FileExistsError: The file exists and `overwrite` is false.
            MissingExtraError: h5py is needed and not installed.
        """
        check_options(options)
        if not isinstance(filepath, (str, os.PathLike)):
            with written(filepath) as path:
                self.save(path, include_optimizer=include_optimizer)
            return
        path, form = model_format(filepath)
        form.check(self, include_optimizer)
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
        path.parent.mkdir(parents=True, exist_ok=True)
        form.save(self, path, include_optimizer)

    def check_saving(self, filepath: str | os.PathLike[str]) -> None:
        """Raise the error that `save` would raise for this path or for this model, before it is trained."""
        model_format(filepath)[1].check(self, include_optimizer=True)

    def to_json(self, **options: Any) -> str:
        """Return the description of the model, without its weights, as JSON; see `model_from_json`.

        Args:
            options: Passed on to `json.dumps`.
        """
        return json.dumps(described_model(self), **options)

    def export(
        self, filepath: str | os.PathLike[str], format: str = "onnx", verbose: bool | None = False
    ) -> None:
        """Write what the model computes in inference to a file that other programs run.

        Weights are part of the file; training, loss and optimizer are not. Axes whose length is None keep it
        free, the first one as ``batch``. Layers that run where batches are loaded (`StringLookup`) are left
        out: the file is fed what they return, as inputs that have their names. Equal models give equal bytes,
        and the file is written whole or not at all.

        Args:
            filepath: A path that ends in ``.onnx``.
            format: ``"onnx"`` (operators of version 18); needs ``pip install 'streamfit[onnx]'``.
            verbose: Whether to print the names of inputs and outputs.

        Raises:
            ValueError: Another format or ending; the model is not built, has an operation that ONNX lacks
                (the message names it and its layer), or more than 2 GB of weights.
            MissingExtraError: The package `onnx` is not installed.
        """
        from streamfit.export import FORMATS, export_onnx  # here, so that models load without translators

        if format not in FORMATS:
            raise ValueError(
                f"export writes {', '.join(FORMATS)}, got format={format!r}: the formats of TensorFlow, "
                "LiteRT, OpenVINO and PyTorch are written by these libraries alone. Write format='onnx'; to "
                "continue in streamfit or Keras, use model.save"
            )
        export_onnx(self, filepath, bool(verbose))

    # -- how it was built -----------------------------------------------------------------------

    _first_inputs: Any = None
    """Tensors like those that a subclass with a `call` was built for, where it has no graph."""

    def ensure_built(self, inputs: object) -> None:
        """Create the weights for inputs of these shapes, unless they exist."""
        if not self.built and type(self).call is not GraphModel.call:
            names = (f"{self.name}_input{place or ''}" for place in itertools.count())
            first = transform(lambda x: Tensor(Spec((None, *x.shape[1:]), x.dtype), next(names)), inputs)
            object.__setattr__(self, "_first_inputs", first)
        super().ensure_built(inputs)

    def get_build_config(self) -> Config | None:
        """Return the inputs that a subclass with a `call` was built for; None for other models.

        One that was not trained yet was built for the arrays that it was first called on.
        """
        if type(self).call is GraphModel.call:
            return None
        structure = self._first_inputs
        if self.inputs:
            structure = self._input_structure if self._is_called() else None
        if structure is None or not self._takes_one_argument():
            return None
        tensors = flatten(structure)
        places = iter(range(len(tensors)))
        inputs = [
            {"shape": list(tensor.shape), "dtype": dtype_name(tensor.dtype), "name": tensor.name}
            for tensor in tensors
        ]
        return {"inputs": inputs, "structure": transform(lambda leaf: next(places), structure)}

    def _takes_one_argument(self) -> bool:
        """Return whether `call` needs no other argument than its inputs."""
        try:
            inspect.signature(self.call).bind(None)
        except TypeError:
            return False
        return True

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Build a subclass with a `call` for the inputs of `get_build_config`, here or in Keras."""
        if self.outputs or type(self).call is GraphModel.call:
            return
        if config.get("input_shape"):
            self._build_on(_inputs_of_shapes(config["input_shape"], self.dtype, f"{self.name}_input"))
        if not config.get("inputs"):
            return
        tensors = [
            Tensor(Spec((None, *each["shape"][1:]), dtype_of(each["dtype"])), str(each["name"]))
            for each in config["inputs"]
        ]
        structure = config.get("structure", 0)
        self._build_on(pack(structure, [tensors[int(place)] for place in flatten(structure)]))

    # -- how it is trained ----------------------------------------------------------------------

    def get_compile_config(self) -> Config | None:
        """Return the arguments of `compile` as plain values; None before it.

        Raises:
            TypeError, ValueError: One of them cannot be described, such as a lambda.
        """
        if self._compiled is None:
            return None
        given = self._compiled.given()
        return {name: serialize_keras_object(given[name]) for name in _COMPILED}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile the model with the result of `get_compile_config`.

        Raises:
            UnknownNameError: It names a loss or a metric that is not known.
        """
        self.compile(**{name: deserialize_keras_object(config.get(name)) for name in _COMPILED})

    def trained_places(self) -> list[int] | None:
        """Return the numbers of the weights that training changes, as it was when the model was compiled."""
        if self._compiled is None or not self.built:
            return None
        trained = set(self._compiled.flags.weights(self))
        return [place for place, weight in enumerate(self.weights) if weight in trained]

    def set_trained_places(self, places: Sequence[int]) -> None:
        """Train these weights, and no others, from now on."""
        if self._compiled is not None:
            chosen = set(places)
            flags = {weight: place in chosen for place, weight in enumerate(self.weights)}
            self._compiled.flags = TrainableFlags(self, flags)

    def optimizer_state(self) -> tuple[dict[str, Array], int]:
        """Return the state of the optimizer for each weight, by ``"vector/weight path"``, and its steps."""
        optimizer = self.optimizer
        if optimizer is None:
            return {}, 0
        paths: dict[Hashable | None, str] = {weight: path for path, weight in self.weight_paths()}
        optimizer.work.settle()
        parts = optimizer.work.by_weight({weight: weight.memory.size for weight in self.weights})
        paths[None] = ""
        state = {
            f"{name}/{paths[weight]}": array
            for name, found in parts.items()
            for weight, array in found.items()
        }
        return state, optimizer.iterations

    def restore_optimizer(self, state: Mapping[str, Array], iterations: int, where: str) -> None:
        """Let the optimizer continue with the result of `optimizer_state`.

        Raises:
            ValueError: It is not that of this optimizer and these weights.
        """
        optimizer = self.optimizer
        weights = [] if self._compiled is None else self._compiled.flags.weights(self)
        paths = {weight: path for path, weight in self.weight_paths()}
        vectors: dict[str, Array] = {}
        sizes, left = padded_sizes(weights), dict(state)
        for name in dict.fromkeys(key.split("/", 1)[0] for key in state):
            if f"{name}/" in left:
                vectors[name] = left.pop(f"{name}/")
                continue
            parts = [left.pop(f"{name}/{paths[weight]}", None) for weight in weights]
            for weight, part in zip(weights, parts, strict=True):
                if part is None or part.shape != (weight.memory.size,) or part.dtype != weight.dtype:
                    raise ValueError(f"{where} is damaged: the optimizer's {name!r} does not fit {weight!r}")
            vectors[name] = self._vector(name, parts, sizes)
        if left:
            raise ValueError(f"{where} is damaged: it holds {sorted(left)[0]!r}, which no trained weight has")
        optimizer.restore(vectors, np.array(optimizer.hyper), iterations)
        optimizer.work.places = places_of(weights, sizes) if vectors else None

    def _vector(self, name: str, parts: Sequence[Array | None], sizes: Array) -> Array:
        """Return a vector of the optimizer, with its first value in the gaps."""
        known = [part for part in parts if part is not None]
        first = self.optimizer.first_values().get(name, 0.0)
        vector = np.full(int(sizes.sum()), first, known[0].dtype if known else np.float32)
        for part, end, size in zip(known, np.cumsum(sizes), sizes, strict=True):
            vector[end - size : end - size + part.size] = part
        return vector


def _inputs_of_shapes(shapes: Any, dtype: str, name: str) -> Any:
    if isinstance(shapes, Mapping):
        return {key: _inputs_of_shapes(shape, dtype, str(key)) for key, shape in shapes.items()}
    if shapes and isinstance(shapes[0], (list, tuple)):
        return [_inputs_of_shapes(shape, dtype, f"{name}_{place}") for place, shape in enumerate(shapes)]
    return Tensor(Spec((None, *shapes[1:]), dtype_of(dtype)), name)
