"""Stacks of layers for images, and `Pipeline`, the layer that is such a stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self, Unpack

from streamfit._base.configs import Config
from streamfit._base.keys import derive, each_key
from streamfit._base.serialization import deserialize_keras_object, serialize_keras_object
from streamfit._base.specs import Array
from streamfit._base.tree import flatten
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.image_layer import ImageLayer
from streamfit.layers.layer_call import call_arguments
from streamfit.layers.reshaping import Rescaling
from streamfit.ops.core import is_symbolic

Transformed = Callable[[object, object, Array], tuple[object, object]]


def preprocesses(layers: Sequence[Layer]) -> bool:
    """Return whether layers preprocess images, and do nothing else: then a stack of them works on a source.

    Called on arrays it augments, as each of its layers does.
    """
    stacks = [layer.layers_inside for layer in layers if is_stack(layer)]
    own = [layer for layer in layers if not is_stack(layer)]
    return (
        all(isinstance(layer, (ImageLayer, Rescaling)) for layer in own)
        and all(map(preprocesses, stacks))
        and (bool(stacks) or any(isinstance(layer, ImageLayer) for layer in own))
    )


def is_stack(layer: Layer) -> bool:
    """Return whether a layer sends its input through the layers inside it, one after the other."""
    return bool(getattr(type(layer), "stacks_layers", False))


def applied_now(layers: Sequence[Layer], inputs: object, training: bool) -> object:
    """Return what layers make of arrays, one after the other."""
    for layer in layers:
        inputs = layer(inputs, training=training)
    return inputs


def transformed_batch(layers: Sequence[Layer], x: object, y: object, keys: Array) -> tuple[object, object]:
    """Return x and y of a batch behind layers that preprocess; see `ImageLayer.transform_batch`."""
    for number, layer in enumerate(layers):
        own = each_key(derive(number, "layer"), keys)
        if isinstance(layer, ImageLayer):
            x, y = layer.transform_batch(x, y, own)
        elif is_stack(layer):
            x, y = transformed_batch(layer.layers_inside, x, y, own)
        else:
            x = layer(x)
    return x, y


def batch_transform(stack: Layer) -> Transformed:
    """Return what `map` of a source calls for a stack of layers.

    Raises:
        AttributeError: Not all of them preprocess images.
    """
    layers = stack.layers_inside
    if not preprocesses(layers):
        raise AttributeError("transform_batch: only stacks of layers that preprocess images have it")
    return lambda x, y, keys: transformed_batch(layers, x, y, keys)


def mixes_samples(layers: Sequence[Layer]) -> bool:
    """Return whether a layer, or one inside it, mixes the samples of a batch, as `MixUp` does."""
    return any(
        mixes_samples(layer.layers_inside)
        if is_stack(layer)
        else isinstance(layer, ImageLayer) and layer.needs_batch
        for layer in layers
    )


class LayerPipeline(Layer):
    """Layers one after the other, as one layer; mostly of those that preprocess images.

    Called on arrays it behaves as in training unless `training` is False, as in Keras.

    Args:
        layers: The layers.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> from streamfit import layers
        >>> pipeline = layers.Pipeline([layers.Resizing(2, 2), layers.Rescaling(1 / 255)])
        >>> pipeline(np.full((1, 4, 4, 1), 255, "uint8")).ravel().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """

    stacks_layers = True

    def __init__(self, layers: Sequence[Layer], **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self._stack = list(layers)

    @property
    def layers(self) -> list[Layer]:
        """List the layers."""
        return list(self._stack)

    @property
    def transform_batch(self) -> Transformed:
        """What `map` of a source calls, where all layers preprocess images."""
        return batch_transform(self)

    @property
    def needs_batch(self) -> bool:
        """Whether a layer mixes the samples of a batch, so that on a source it must stand behind `batch`."""
        return mixes_samples(self._stack)

    def __call__(self, *inputs: object, training: bool | None = None, **settings: object) -> object:
        """Apply the layers to tensors, or now to arrays: in training unless `training` is False."""
        if any(is_symbolic(leaf) for leaf in flatten(inputs)):
            return super().__call__(*inputs, training=training, **settings)
        (given,) = inputs
        self.ensure_built(given)
        return self.call(given, training is None or bool(training), settings.get("mask"))

    def call(self, inputs: object, training: bool = True, mask: object = None) -> object:
        """Apply the layers; the first one gets the mask, and each other that of the one before it."""
        for layer in self._stack:
            takes = mask is not None and "mask" in call_arguments(type(layer))
            made = layer(inputs, training=training, **({"mask": mask} if takes else {}))
            inputs, mask = made, layer.compute_mask(inputs, mask)
        return inputs

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "layers": [serialize_keras_object(layer) for layer in self._stack]}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make the layers, and this one of them.

        Raises:
            ValueError: There is no list of layers.
        """
        described = config.get("layers")
        if not isinstance(described, (list, tuple)):
            raise ValueError(
                "`Pipeline` config must contain a `layers` key mapping to a list of serialized layers. "
                f"Received config with layers={described}."
            )
        made = [deserialize_keras_object(layer) if isinstance(layer, dict) else layer for layer in described]
        return super().from_config({**config, "layers": made})


# Files know it by the name that it has in Keras, which here is that of a source with its stages, too.
LayerPipeline.__name__ = LayerPipeline.__qualname__ = "Pipeline"
Pipeline = LayerPipeline
