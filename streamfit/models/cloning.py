"""`clone_model`: the same layers again, with new weights."""

from __future__ import annotations

from collections.abc import Callable

from streamfit._base.tree import flatten, pack
from streamfit.layers import InputLayer
from streamfit.layers.base import Layer
from streamfit.models.graph_description import graph_again
from streamfit.models.graph_model import GraphModel
from streamfit.models.model import Model
from streamfit.models.sequential import Sequential
from streamfit.ops.core import Tensor
from streamfit.ops.public_calls import FUNCTIONS


def clone_model(
    model: Model,
    input_tensors: object = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., object] | None = None,
    recursive: bool = False,
    **options: object,
) -> Model:
    """Return a model of new layers with the same arguments, and with new first weights.

    Args:
        model: A functional model, a `Sequential`, or a subclass that can be made of its config.
        input_tensors: Tensors to begin with in the place of the model's inputs; by default new ones like
        them. clone_function: Called with each layer, returns the one to use; by default one of the same
        config. It
            may return the layer itself, which is then shared. Not for a subclass with a `call`.
        call_function: Called as ``call_function(layer, *args, **kwargs)`` for each use of a layer in a graph,
            returns its outputs; by default the layer is called. Not for `Sequential`.
        recursive: Whether `clone_function` is called for the layers inside models inside the model, too.
        options: None are known.

    Raises:
        ValueError: An argument that has no meaning for this kind of model.
        TypeError: It is no model; or an unknown argument.

    Example:
        >>> from streamfit import Input, layers
        >>> stack = Sequential([Input((3,)), layers.Dense(2)])
        >>> twin = clone_model(stack)
        >>> twin.output_shape, twin.layers[0] is stack.layers[0]
        ((None, 2), False)
    """
    if options:
        raise TypeError(f"clone_model has no argument {next(iter(options))!r}")
    if not isinstance(model, Model):
        raise TypeError(f"clone_model takes a model, got {model!r} of type {type(model).__name__}")
    clone = _Clone(clone_function, call_function, recursive)
    if isinstance(model, Sequential):
        if call_function is not None:
            raise ValueError(
                "`call_function` has no meaning for a Sequential model, which calls its layers in turn"
            )
        return _compiled_as(model, clone.stack(model, input_tensors))
    if type(model).call is not GraphModel.call:
        if any(argument is not None for argument in (input_tensors, clone_function, call_function)):
            raise ValueError(
                "Arguments clone_function, call_function and input_tensors are only supported for "
                "Sequential "
                f"models or Functional models. Received model of type {type(model).__name__!r}, which has "
                "a call "
                "of its own"
            )
        return type(model).from_config(model.get_config())
    return _compiled_as(model, clone.graph(model, input_tensors))


def _compiled_as(model: Model, clone: Model) -> Model:
    config = model.get_compile_config()
    if config is not None:
        clone.compile_from_config(config)
    return clone


def _again(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())


class _Clone:
    def __init__(
        self,
        clone_function: Callable[[Layer], Layer] | None,
        call_function: Callable[..., object] | None,
        recursive: bool,
    ) -> None:
        self.clone_function, self.call_function, self.recursive = clone_function, call_function, recursive

    def layer(self, layer: Layer) -> Layer:
        """Return the layer that takes the place of another."""
        if (
            isinstance(layer, Model)
            and self.recursive
            and type(layer).call in (GraphModel.call, Sequential.call)
        ):
            return self.stack(layer, None) if isinstance(layer, Sequential) else self.graph(layer, None)
        made = (self.clone_function or _again)(layer)
        if not isinstance(made, Layer):
            raise ValueError(f"clone_function must return a layer, got {made!r} for layer {layer.name!r}")
        return made

    def stack(self, model: Sequential, input_tensors: object) -> Sequential:
        """Return the clone of a stack."""
        layers = [self.layer(layer) for layer in model.layers]
        given = flatten(input_tensors) if input_tensors is not None else []
        if len(given) > 1:
            raise ValueError(
                f"Argument input_tensors must contain a single tensor for a Sequential, got {len(given)}"
            )
        start: list[object] = list(given)
        if not given and model.inputs:
            start = [_like(model.inputs[0])]
        return Sequential([*start, *layers], name=model.name)

    def graph(self, model: Model, input_tensors: object) -> Model:
        """Return the clone of a functional model."""
        graph = model.described_graph()
        wanted = _structure(model.input)
        if input_tensors is not None and wanted not in (0, found := _structure(input_tensors)):
            raise ValueError(
                f"input_tensors must have the structure of the inputs of model {model.name!r}: {wanted!r}, "
                f"got {found!r}"
            )
        starts = (
            [_like(tensor) for tensor in model.inputs] if input_tensors is None else flatten(input_tensors)
        )
        if len(starts) != len(model.inputs):
            raise ValueError(
                f"model {model.name!r} has {len(model.inputs)} inputs, got {len(starts)} input_tensors"
            )
        made: dict[str, object] = {}
        for entry in graph.entries:
            if isinstance(entry.what, Layer):
                made[entry.name] = self._called(self.layer(entry.what))
            elif isinstance(entry.what, str):
                made[entry.name] = FUNCTIONS[entry.what]
        made.update(zip([tensor.name for tensor in model.inputs], starts, strict=True))
        inputs, outputs = graph_again(graph, made)
        return Model(pack(inputs, flatten(inputs)), outputs, name=model.name)

    def _called(self, layer: Layer) -> Callable[..., object]:
        if self.call_function is None or isinstance(layer, InputLayer):
            return layer
        call = self.call_function
        return lambda *args, **kwargs: call(layer, *args, **kwargs)


def _structure(tensors: object) -> object:
    """Return lists and dictionaries with the number of each tensor in its place; 0 for one tensor."""
    numbered = pack(tensors, list(range(len(flatten(tensors)))))
    return list(numbered) if isinstance(numbered, tuple) else numbered


def _like(tensor: Tensor) -> Tensor:
    return Tensor(tensor.spec, tensor.name)
