"""`Sequential`: a model that is a plain stack of layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from streamfit._base import uses
from streamfit._base.configs import Config
from streamfit._base.specs import Spec
from streamfit._base.text import dtype_name, dtype_of, holds_text
from streamfit._base.tree import flatten
from streamfit.layers import InputLayer
from streamfit.layers.base import Layer
from streamfit.layers.building import marks_itself
from streamfit.layers.layer_pipeline import (
    Transformed,
    applied_now,
    batch_transform,
    mixes_samples,
    preprocesses,
)
from streamfit.layers.operands import takes_text
from streamfit.models.layer_configs import described, made_again
from streamfit.models.model import Model
from streamfit.models.network import as_declared
from streamfit.ops.core import Tensor, is_symbolic


class Sequential(Model):
    """Stack layers, each feeding the next.

    Args:
        layers: Layers, in order. The first entry may be an `Input`; else the first layer's
            ``input_shape``, or the first data, give the shape.
        name: A name.

    Example:
        >>> import streamfit as sf
        >>> model = sf.Sequential([sf.Input((4,)), sf.layers.Dense(3, "relu"), sf.layers.Dense(1)])
        >>> model.output_shape, model.count_params()
        ((None, 1), 19)
    """

    sole_output = ("output",)
    stacks_layers = True

    def __init__(
        self, layers: Iterable[object] | None = None, *, name: str | None = None, **settings: Any
    ) -> None:
        super().__init__(name=name, **settings)
        self._start: Tensor | None = None
        self._between: list[Tensor] = []  # what each layer makes of the one before
        for layer in layers or ():
            self.add(layer)

    def __setattr__(self, key: str, value: object) -> None:
        object.__setattr__(self, key, value)  # only `add` makes layers part of the stack

    def add(self, layer: object) -> None:
        """Put a layer on top of the stack.

        Raises:
            TypeError: It is not a layer.
            ValueError: It is in the stack already, or an `Input` comes second.
            ModelInUseError: Another thread trains the model.
        """
        self._change("add", lambda: self._add(layer))

    def _add(self, layer: object) -> None:
        if isinstance(layer, Tensor):
            self._begin(layer)
        elif not isinstance(layer, Layer):
            advice = f"; write {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"Sequential takes layers, got {layer!r} of type {type(layer).__name__}{advice}")
        elif isinstance(layer, InputLayer):
            self._begin(layer.tensor())
        elif any(layer is known for known in self._layers):
            raise ValueError(
                f"layer {layer.name!r} is in the stack already; make another one, or use the functional API"
            )
        else:
            self._put_on_top(layer)
        self._forget_programs()

    def _put_on_top(self, layer: Layer) -> None:
        """Put a layer on the stack; where it does not fit, the stack stays as it was."""
        start, shape = self._start, _sample_shape(layer)
        self._hold(layer)
        if start is None and shape is not None:
            self._begin_with(shape, f"{layer.name}_input", _dtype_read(layer) or layer.dtype)
        try:
            self._restack()
        except BaseException:
            self._start = start
            self._layers.pop()
            self._restack()
            raise

    def pop(self) -> Layer:
        """Take the top layer off the stack and return it.

        Raises:
            ValueError: The stack is empty.
            ModelInUseError: Another thread trains the model.
        """
        if not self._layers:
            raise ValueError("the stack has no layers")
        layer = self._layers[-1]
        self._change("pop", self._pop)
        return layer

    def _pop(self) -> None:
        layer = self._layers.pop()
        for tensor in self._between[len(self._layers) :]:
            layer.forget_use(tensor.node)
        del self._between[len(self._layers) :]
        self._forget_programs()
        self._restack()

    def _begin(self, tensor: Tensor) -> None:
        if self._layers or self._start is not None:
            raise ValueError("an Input must be the first entry of a Sequential model")
        self._start = tensor

    def _begin_with(self, shape: Sequence[int | None], name: str, dtype: DTypeLike) -> None:
        self._start = Tensor(Spec((None, *shape), dtype_of(dtype)), name)

    def _restack(self) -> None:
        """Make the graph of the stack; layers that were in it before keep their tensors."""
        self._set_graph()
        if self._start is not None and self._layers:
            for layer in self._layers[len(self._between) :]:
                self._between.append(layer(self._between[-1] if self._between else self._start))
            self._connect(self._start, self._between[-1])

    @marks_itself
    def build(self, input_shape: Any) -> None:
        """Build the stack for inputs of `input_shape`, batch axis included."""
        with uses.building:
            self._build(input_shape, None)

    def _build(self, input_shape: Any, dtype: Any) -> None:
        if self._start is None and self._layers:
            first = self._layers[0]
            dtype = dtype or _dtype_read(first) or self.dtype
            self._begin_with(tuple(input_shape[1:]), f"{first.name}_input", dtype)
            self._restack()

    def build_for(self, x: Any) -> None:
        """Build the stack for inputs like `x`, unless it is built."""
        if not self._layers:
            raise ValueError("the Sequential model has no layers: add some, e.g. model.add(Dense(10))")
        if not self.outputs:
            if isinstance(x, (dict, list, tuple)):
                raise ValueError(
                    "a Sequential model has one input, got several; use Model(inputs=..., outputs=...)"
                )
            text = holds_text(x) and takes_text(self._layers[0])
            with uses.building:
                self._build((None, *(np.shape(x)[1:] or (1,))), "string" if text else None)

    def get_config(self) -> Config:
        """Return what makes an equal stack, without the values of its weights.

        Returns:
            The arguments of the model, a description of each layer, and the shape of the input if it is
            known.
        """
        if self._arguments is not None:
            return super().get_config()
        start = self._start
        return {
            **super().get_config(),
            "layers": described(self._layers),
            "build_input_shape": None if start is None else list(start.shape),
            "build_input_dtype": None if start is None else dtype_name(start.dtype),
            "build_input_name": None if start is None else start.name,
        }

    @classmethod
    def from_config(cls, config: Config, custom_objects: Mapping[str, object] | None = None) -> Self:
        """Make a stack from the result of `get_config`.

        Args:
            config: The result.
            custom_objects: Your own classes and functions by name.

        Raises:
            UnknownNameError: The class of a layer is not known.

        Example:
            >>> from streamfit import Input, layers
            >>> stack = Sequential([Input((3,)), layers.Dense(2, "relu")])
            >>> again = Sequential.from_config(stack.get_config())
            >>> again.output_shape, again.layers[0].get_config() == stack.layers[0].get_config()
            ((None, 2), True)
        """
        if "layers" not in config:
            return super().from_config(config, custom_objects)
        options = {key: value for key, value in config.items() if key in ("name", "dtype")}
        make: Callable[..., Self] = cls
        stack = make(
            **options if not isinstance(options.get("dtype"), dict) else {"name": options.get("name")}
        )
        stack._add_described(config, custom_objects or {})
        stack._trainable = bool(config.get("trainable", True))  # that of each layer is in its own description
        return stack

    def _add_described(self, config: Config, custom_objects: Mapping[str, object]) -> None:
        shape, name = config.get("build_input_shape"), config.get("build_input_name")
        found = made_again(config.get("layers", []), custom_objects)
        if shape is not None and not (found and isinstance(found[0], InputLayer)):
            dtype = config.get("build_input_dtype") or (found and _dtype_read(found[0])) or self.dtype
            first = found[0].name if found else self.name
            self._begin_with(tuple(shape[1:]), str(name or f"{first}_input"), dtype)  # type: ignore[index, arg-type]
        for layer in found:
            self.add(layer)

    def _trial_dtype(self, which: int | str) -> np.dtype[np.generic]:
        """Return the dtype of the input: of the first layer, before the model is built."""
        read = None if self.inputs or not self._layers else _dtype_read(self._layers[0])
        return super()._trial_dtype(which) if read is None else dtype_of(read)

    @property
    def transform_batch(self) -> Transformed:
        """What `map` of a source calls, where all layers preprocess images."""
        return batch_transform(self)

    @property
    def needs_batch(self) -> bool:
        """Whether a layer mixes the samples of a batch, so that on a source it must stand behind `batch`."""
        return mixes_samples(self._layers)

    def __call__(self, *inputs: object, training: bool | None = None, **settings: object) -> Any:
        """Run the stack on tensors, or now on arrays.

        A stack of layers that preprocess images alone behaves on arrays as in training, unless `training` is
        False, as its layers do. It need not be built, and takes one image, too.
        """
        symbolic = any(is_symbolic(leaf) for leaf in flatten(inputs))
        if symbolic or len(inputs) != 1 or not preprocesses(self._layers):
            return super().__call__(*inputs, training=training, **settings)
        return applied_now(self._layers, inputs[0], training is None or bool(training))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Run the stack on a tensor or an array."""
        if self._start is not None:
            inputs = as_declared(inputs, self._start)
        for layer in self._layers:
            inputs = layer(inputs, training=training)
        return inputs


def _dtype_read(layer: Layer) -> DTypeLike | None:
    """Return the dtype that a first layer reads, or the input of a model as a first layer; None for any."""
    if isinstance(layer, Model) and len(layer.inputs) == 1:
        return layer.inputs[0].dtype
    if isinstance(layer, Sequential) and layer.layers:
        return _dtype_read(layer.layers[0])
    return layer.input_dtype


def _sample_shape(layer: Layer) -> Sequence[int | None] | None:
    """Return the shape of one sample where a layer has it: from ``input_shape`` or as a built model."""
    if layer.sample_shape is None and isinstance(layer, Model) and len(layer.inputs) == 1:
        return layer.inputs[0].shape[1:]
    return layer.sample_shape
