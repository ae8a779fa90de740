"""`Model`: a layer that can be trained. A facade of short methods over the graph and the one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from streamfit._base.checks import is_mapping
from streamfit._base.names import did_you_mean
from streamfit._base.specs import Spec
from streamfit._base.telling import tell
from streamfit._base.tree import flatten, pack
from streamfit.layers.base import Layer
from streamfit.models.copies import become, state_of
from streamfit.models.network import check_graph, in_order, layers_of, output_names, run_graph
from streamfit.models.summary import summary_text
from streamfit.models.trainer import Trainer
from streamfit.ops.core import Tensor
from streamfit.saving import check_weights_path, read_state, read_weights, save_weights, write_state
from streamfit.training import TrainingState


class Model(Trainer, Layer):
    """Group layers into something that can be trained, evaluated and asked for predictions.

    Args:
        inputs: A tensor made with `Input`, or a list or dictionary of them.
        outputs: Tensors computed from them by layers and `ops`, or a list or dictionary of them.
        name: A name.

    Without `inputs` and `outputs`, subclass it: create layers in ``__init__`` and use them in ``call``.

    Raises:
        ValueError: The outputs cannot be computed from the inputs.

    Example:
        >>> import streamfit as sf
        >>> x = sf.Input((4,), name="x")
        >>> model = sf.Model(x, sf.layers.Dense(2, name="y")(x))
        >>> model.output_names, model.count_params()
        (['y'], 10)
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, *, name: str | None = None, **settings: Any
    ) -> None:
        super().__init__(name=name, **settings)
        self._reset_trainer()
        self._set_graph([], [], None)
        if (inputs is None) != (outputs is None):
            raise ValueError(
                "Model needs both inputs and outputs, or neither (for a subclass with a call method)"
            )
        if inputs is not None:
            self._connect(inputs, outputs)

    # -- the graph ------------------------------------------------------------------------------

    def _set_graph(self, inputs: list[Tensor], outputs: list[Tensor], structure: Any) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._output_structure = structure
        self.output_names: list[str] = []

    def _connect(self, inputs: Any, outputs: Any) -> None:
        tensors, results = flatten(inputs), flatten(outputs)
        check_graph(tensors, results)
        self._set_graph(tensors, results, outputs)
        named = is_mapping(outputs)
        self.output_names = sorted(outputs, key=str) if named else output_names(results)
        if type(self).call is Model.call:
            for layer in layers_of(results, tensors):
                if layer is not self and not any(layer is known for known in self._layers):
                    self._layers.append(layer)
        self.built = True

    @property
    def input_names(self) -> list[str]:
        """List the names of the inputs."""
        return [tensor.name for tensor in self.inputs]

    @property
    def layers(self) -> list[Layer]:
        """List the layers directly inside the model."""
        return self.layers_inside

    @property
    def input_shape(self) -> Any:
        """Return the shape of the input, or a list of shapes."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """Return the shape of the output, or a list of shapes."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the model on tensors or arrays; subclasses compose layers here."""
        if not self.outputs:
            raise ValueError(f"model {self.name!r} is not built: pass inputs and outputs, or define call")
        values = in_order(inputs, self.input_names)
        results = run_graph(self.inputs, self.outputs, values, training)
        return pack(self._output_structure, results)

    def build_for(self, x: Any) -> None:
        """Build the graph for inputs like `x`, unless there is one."""
        if not self.outputs:
            tensors = [
                Tensor(
                    Spec(
                        (None, *np.shape(leaf)[1:]) if np.ndim(leaf) > 1 else (None, 1), np.dtype(self.dtype)
                    ),
                    name,
                )
                for leaf, name in zip(flatten(x), _names_of(x, self.name), strict=True)
            ]
            self._build_on(pack(x, list(tensors)))

    def _build_on(self, inputs: Any) -> None:
        self._connect(inputs, self(inputs))

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

    # -- looking and saving ---------------------------------------------------------------------

    def summary(self, line_length: int | None = None, print_fn: Callable[[str], object] = tell) -> None:
        """Print a table of the layers, their output shapes and their numbers of weights.

        Args:
            line_length: Width in characters; 65 by default.
            print_fn: Gets the whole text.
        """
        print_fn(summary_text(self, line_length or 65))

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write all weights to a safetensors file, whole or not at all.

        Args:
            filepath: A path that ends in ``.safetensors``.
            overwrite: Whether an existing file may be replaced.

        Raises:
            ValueError: Another ending, or the model has no weights yet.
            FileExistsError: The file exists and `overwrite` is false.
        """
        self._need_weights("save_weights")
        paths = [path for path, _ in self.weight_paths()]
        save_weights(list(zip(paths, self.get_weights(), strict=True)), filepath, overwrite)

    def check_weights_path(self, filepath: Any) -> None:
        """Raise what `save_weights` would raise for this path, before there is anything to save.

        Raises:
            ValueError: Another ending.
        """
        check_weights_path(filepath)

    def load_weights(self, filepath: Any) -> None:
        """Read all weights from a file that `save_weights` wrote for a model of the same layers.

        Raises:
            ValueError: The file has other weights than the model.
            ModelInUseError: Another thread trains the model.
        """
        self._need_weights("load_weights")
        self.put_weights("load_weights", self.weights, read_weights(self.weight_paths(), filepath))

    def write_state(self, state: TrainingState, filepath: Any) -> None:
        """Write a training state, whole or not at all; see `BackupAndRestore`."""
        write_state(state.arrays, state.facts, filepath)

    def read_state(self, filepath: Any) -> TrainingState:
        """Read a training state that `write_state` wrote.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is damaged.
        """
        return TrainingState(*read_state(filepath))

    def _need_weights(self, what: str) -> None:
        if not self.built and not self.weights:
            raise ValueError(
                f"{what} needs the weights, but model {self.name!r} has none yet: give it an Input or an "
                "input_shape, or train it once"
            )

    def _note_setting(self, key: str, value: Any) -> None:
        """Attributes of a model are no settings: what it computes is its graph."""

    def weight_paths(self) -> list[tuple[str, Any]]:
        """List (path, weight): paths are made of positions, so that automatic names do not matter."""
        return [(f"{i:04d}/{weight.name}", weight) for i, weight in enumerate(self.weights)]

    # -- copies ---------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        become(self, state)

    def __copy__(self) -> Model:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))  # a second name for the same layers, weights and programs
        return twin


def _names_of(x: Any, base: str) -> list[str]:
    if is_mapping(x):
        return sorted(x, key=str)
    count = len(flatten(x))
    return [f"{base}_input"] if count == 1 else [f"{base}_input_{i}" for i in range(count)]
