"""`Wrapper`: the base of layers that hold another one."""

from __future__ import annotations

from typing import Any, Self, Unpack

from streamfit._base.configs import Config
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object
from streamfit.layers.base import Layer, LayerOptions


class Wrapper(Layer):
    """Base of layers that hold another one and do something with it in `call`.

    Args:
        layer: The layer that it holds.
        **options: As for `Layer`.

    Raises:
        ValueError: `layer` is no layer.

    Example:
        >>> import numpy as np
        >>> from streamfit.layers import ReLU
        >>> class Negated(Wrapper):
        ...     def call(self, x):
        ...         return -self.layer(x)
        >>> Negated(ReLU())(np.array([[-1.0, 2.0]], "float32")).tolist()
        [[-0.0, -2.0]]
    """

    def __init__(self, layer: Layer, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        if not isinstance(layer, Layer):
            raise ValueError(f"layer must be a layer, got {layer!r} of type {type(layer).__name__}")
        self.layer = layer

    def build(self, input_shape: Any) -> None:
        """Build the layer inside for the same inputs."""
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "layer": serialize_keras_object(self.layer)}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make a layer from the result of `get_config`."""
        return super().from_config({**config, "layer": deserialize_keras_object(config.get("layer"))})
