"""`GraphModel`: a layer that is a graph of layers, with inputs, outputs and weights that can be saved."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from streamfit._base.names import UniqueNames, did_you_mean, snake_case
from streamfit._base.specs import Spec
from streamfit._base.telling import tell, warn
from streamfit._base.text import TEXT, holds_text
from streamfit._base.tree import flatten, pack
from streamfit.layers import InputLayer
from streamfit.layers.base import Layer
from streamfit.layers.building import marks_itself
from streamfit.layers.mask_scope import mask_of, set_mask
from streamfit.models.formats import WeightsFormat, weights_format
from streamfit.models.network import (
    as_declared,
    check_graph,
    dtypes_read,
    in_order,
    layers_of,
    output_names,
    run_graph,
)
from streamfit.models.summary import summary_text
from streamfit.ops import Variable
from streamfit.ops.core import Tensor
from streamfit.program import sorted_nodes
from streamfit.storage import read_state, write_state
from streamfit.training import TrainingState


class GraphModel(Layer):
    """A layer that is a graph of layers.

    Attributes:
        inputs: The input tensors; empty until the model is built.
        outputs: The output tensors; likewise.
        output_names: A name for each output.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    output_names: list[str]
    _starts: tuple[InputLayer, ...] | None
    _input_structure: object
    _output_structure: object
    sole_output: Sequence[str] = ()
    """A name for the output, where it is known that there is one before its name is; else empty."""

    def _set_graph(self, inputs: object = (), outputs: object = ()) -> None:
        self.inputs, self.outputs = flatten(inputs), flatten(outputs)
        self._input_structure, self._output_structure = inputs, outputs
        self.output_names = []
        object.__setattr__(self, "_starts", None)

    def _connect(self, inputs: object, outputs: object) -> None:
        tensors, results = flatten(inputs), flatten(outputs)
        check_graph(tensors, results)
        self._set_graph(inputs, outputs)
        if self.activity_regularizer is not None and not self._is_called():
            raise ValueError(
                f"model {self.name!r} computes its graph, where activity_regularizer would not count: give "
                f"{self.activity_regularizer!r} to the layer that makes the output"
            )
        self.output_names = (
            sorted(outputs, key=str) if isinstance(outputs, Mapping) else output_names(results)
        )
        if type(self).call is GraphModel.call:
            for layer in layers_of(results, tensors):
                if layer is not self:
                    self._hold(layer)
        self.built = True

    def _is_called(self) -> bool:
        """Return whether the graph is a call of this model, as it is for a subclass."""
        return any(
            getattr(node.op, "layer", None) is self for node in sorted_nodes(self.outputs, self.inputs)
        )

    @property
    def input_names(self) -> list[str]:
        """List the names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    def _trial_dtype(self, which: int | str) -> np.dtype[np.generic]:
        """Return the dtype of an input, given by number or name; that of a layer, where there is no such
        input.
        """
        keys = self.input_names if isinstance(which, str) else range(len(self.inputs))
        found = [tensor.dtype for key, tensor in zip(keys, self.inputs, strict=True) if key == which]
        return found[0] if found else super()._trial_dtype(which)

    @property
    def layers(self) -> list[Layer]:
        """List the layers directly inside the model; a functional model begins with one for each input."""
        return [*self._input_layers(), *self.layers_inside]

    def _input_layers(self) -> Sequence[Layer]:
        """Make the layers that stand for the inputs of a functional model, once."""
        if not self.inputs or type(self).call is not GraphModel.call:
            return ()
        if self._starts is None:
            starts = tuple(InputLayer(input_tensor=tensor, name=tensor.name) for tensor in self.inputs)
            object.__setattr__(self, "_starts", starts)  # not a layer that the model holds
        return self._starts or ()

    @property
    def input(self) -> Any:
        """Return the input tensor of the model, or the list or dictionary that it was made with.

        Raises:
            AttributeError: The model is not built.
        """
        self._need_graph("input")
        return self._input_structure

    @property
    def output(self) -> Any:
        """Return the output tensor of the model, or the list or dictionary that it was made with.

        Raises:
            AttributeError: The model is not built.
        """
        self._need_graph("output")
        return self._output_structure

    @property
    def input_shape(self) -> Any:
        """Return the shape of the input, or a list of shapes; raises `AttributeError` before `build`."""
        self._need_graph("input_shape")
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Return the shape of the output, or a list of shapes; raises `AttributeError` before `build`."""
        self._need_graph("output_shape")
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def _need_graph(self, what: str) -> None:
        if not self.outputs:
            raise AttributeError(
                f"model {self.name!r} has no {what} yet, as it is not built: give it an Input(...) or an "
                "input_shape, or fit it first"
            )

    @marks_itself
    def build(self, input_shape: Any) -> None:
        """Do nothing: the layers inside a subclass are built when its `call` uses them."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model on tensors or arrays; subclasses compose layers here."""
        if not self.outputs:
            raise ValueError(f"model {self.name!r} is not built: pass inputs and outputs, or define call")
        values = list(map(as_declared, in_order(inputs, self.input_names), self.inputs))
        masks = [tensor.mask for tensor in self.outputs]
        wanted = [*self.outputs, *(mask for mask in masks if mask is not None)]
        results = run_graph(self.inputs, wanted, values, training)
        found = iter(results[len(masks) :])
        for result, mask in zip(results, masks, strict=False):
            set_mask(result, mask_of(result) if mask is None else next(found))
        return pack(self._output_structure, results[: len(masks)])

    def build_for(self, x: object) -> None:
        """Build the graph for inputs like `x`, unless there is one."""
        if not self.outputs:
            names = _names_of(x, self.name)
            tensors = [self._input_like(leaf, name) for leaf, name in zip(flatten(x), names, strict=True)]
            self._build_on(pack(x, list(tensors)))

    def _input_like(self, array: ArrayLike, name: str) -> Tensor:
        shape = (None, *np.shape(array)[1:]) if np.ndim(array) > 1 else (None, 1)
        if holds_text(array):
            return Tensor(Spec(shape, TEXT), name)
        whole = getattr(array, "dtype", np.dtype(float)).kind in "iu"
        return Tensor(Spec(shape, np.dtype(np.float64 if whole else self.dtype)), name)

    def _build_on(self, inputs: object) -> None:
        """Build the graph; where whole numbers are given, the layers decide in which dtype they are read."""
        outputs, tensors = self(inputs), flatten(inputs)
        dtypes = dtypes_read(tensors, flatten(outputs), np.dtype(self.dtype))
        if dtypes != [tensor.dtype for tensor in tensors]:
            made = zip(tensors, dtypes, strict=True)
            inputs = pack(inputs, [Tensor(Spec(each.shape, dtype), each.name) for each, dtype in made])
            outputs = self(inputs)
        self._connect(inputs, outputs)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by name or by index.

        Raises:
            ValueError: There is none, or neither was given.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"the model has {len(self.layers)} layers, got index {index}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise ValueError(f"no layer named {name!r}; the layers are {names}.{did_you_mean(str(name), names)}")

    # -- summary and saving ---------------------------------------------------------------------

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], object] = tell) -> None:
        """Print a table of the layers, their output shapes and their numbers of weights.

        Args:
            line_length: Width in characters; 65 by default.
            print_fn: Gets the whole text.
        """
        print_fn(summary_text(self, line_length or 65))

    def save_weights(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        objects_to_skip: Sequence[Layer] | None = None,
    ) -> None:
        """Write all weights to a file, whole or not at all.

        Args:
            filepath: A path that ends in ``.safetensors``, in ``.weights.h5`` for Keras 3, or in ``.h5`` as
                Keras 2 saves weights (both need h5py).
            overwrite: Whether an existing file may be replaced.
            objects_to_skip: Layers whose weights, with those inside them, are left out; for ``.weights.h5``.

        Raises:
            ValueError: Another ending, or the model has no weights yet.
            FileExistsError: The file exists and `overwrite` is false.
            MissingExtraError: h5py is needed and not installed.
        """
        path, form = weights_format(filepath)
        form.check()
        self._need_weights("save_weights")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
        form.save(self, path, _to_skip(form, objects_to_skip))

    def check_weights_path(self, filepath: str | os.PathLike[str]) -> None:
        """Raise the error that `save_weights` would raise for this path, before there are weights.

        Raises:
            ValueError: Another ending.
            MissingExtraError: h5py is needed and not installed.
        """
        weights_format(filepath)[1].check()

    def load_weights(
        self,
        filepath: str | os.PathLike[str],
        by_name: bool = False,
        skip_mismatch: bool = False,
        objects_to_skip: Sequence[Layer] | None = None,
        **options: object,
    ) -> None:
        """Read weights from a file that `save_weights` or `save` wrote, here or in Keras.

        Args:
            filepath: A path that ends in ``.safetensors``, ``.streamfit``, ``.keras`` or ``.h5``.
            by_name: Whether layers of the model get the weights of the layer of the same name, and those
                without one stay as they are; else the file is of a model of the same layers. Files in the
                layout of Keras 3 have no names to go by.
            skip_mismatch: Whether weights for which the file has nothing of their shape stay as they are,
                with a warning that names them.
            objects_to_skip: Layers that stay as they are, with those inside them; for ``.weights.h5``.
            options: There are no others: a ValueError says so, as in Keras.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is damaged, or has other weights than the model.
            ModelInUseError: Another thread trains the model.
            MissingExtraError: h5py is needed and not installed.
        """
        if options:
            raise ValueError(f"load_weights has no arguments {sorted(options)}")
        path, form = weights_format(filepath)
        self._need_weights("load_weights")
        match = form.match(self, path, by_name, _to_skip(form, objects_to_skip))
        if by_name and not (match.pairs or match.calls or match.problems):
            names = [layer.name for layer in self.layers if layer.weights]
            raise ValueError(
                f"by_name=True loads nothing: no layer of the model has the name of one in {path}; those of "
                f"the model with weights are {names}"
            )
        if not skip_mismatch:
            match.check(str(path))
        for problem in match.problems:
            warn(f"{problem}; left as it is, as skip_mismatch=True asks")
        weights = [weight for weight, _ in match.pairs]
        self.put_weights("load_weights", weights, [array for _, array in match.pairs])
        for call in match.calls:
            call()

    def layer_weight_paths(self) -> dict[str, list[str]]:
        """Return the paths of the weights of each layer of the model, by its name; see `names_in_files`."""
        paths = {weight: path for path, weight in self.weight_paths()}
        found: dict[str, list[str]] = {}
        for name, layer in self.names_in_files():
            if layer.weights:
                found.setdefault(name, [paths[weight] for weight in layer.weights])
        return found

    def names_in_files(self) -> list[tuple[str, Layer]]:
        """List the layers with the names by which files know them.

        An automatic name, which depends on all layers that were made before, is counted within the model: so
        equal models give equal files.
        """
        names, found = UniqueNames(), list[tuple[str, Layer]]()
        for layer in self.layers:
            name = layer.name  # asked for first: it makes the automatic ones
            found.append((name if layer.is_named else names.new(snake_case(type(layer).__name__)), layer))
        return found

    def write_state(self, state: TrainingState, filepath: str | os.PathLike[str]) -> None:
        """Write a training state, whole or not at all; see `BackupAndRestore`."""
        write_state(state.arrays, state.facts, filepath)

    def read_state(self, filepath: str | os.PathLike[str]) -> TrainingState:
        """Read a training state that `write_state` wrote.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is damaged.
        """
        return TrainingState(*read_state(filepath))

    def _need_weights(self, what: str) -> None:
        if not self.built and not (self.weights and all(layer.built for layer in self.layers)):
            raise ValueError(
                f"{what} needs the weights, but model {self.name!r} is not built yet: give it an Input or an "
                "input_shape, or call it on a batch once"
            )

    def _note_setting(self, key: str, value: object) -> None:
        """Do nothing: attributes of a model are no settings, it computes its graph."""

    def weight_paths(self) -> list[tuple[str, Variable]]:
        """List (path, weight): paths are made of positions, so that automatic names do not matter."""
        return [(f"{i:04d}/{weight.name}", weight) for i, weight in enumerate(self.weights)]


def _to_skip(form: WeightsFormat, objects: Sequence[Layer] | None) -> Sequence[Layer]:
    """Return the layers to skip, if files of this form can be without some."""
    if objects is not None and not form.skips:
        raise ValueError(
            "objects_to_skip only supports '.weights.h5' files: leave it out, or write such a file"
        )
    return objects or ()


def _names_of(x: object, base: str) -> list[str]:
    if isinstance(x, Mapping):
        return sorted(x, key=str)
    count = len(flatten(x))
    return [f"{base}_input"] if count == 1 else [f"{base}_input_{i}" for i in range(count)]
