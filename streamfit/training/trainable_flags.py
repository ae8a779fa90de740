"""`TrainableFlags`: the `trainable` flags of a model as they were when it was compiled.

A GAN compiles its discriminator, then freezes it and compiles the whole: each model is trained with the flags
of its own `compile`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from streamfit.ops import Variable
from streamfit.training.model_graph import WeightOwner


class TrainableFlags:
    """Keep the flags of a layer and of all layers and weights inside it, as they are now.

    Args:
        layer: A layer or model, built or not. Layers and weights that are made later count with the flags
            that they have when `weights` is called.
        weights: Whether each weight is trained, whatever its flags say; by default they do.

    Example:
        >>> import numpy as np
        >>> from streamfit.layers import Dense
        >>> layer = Dense(2)
        >>> layer(np.ones((1, 3))).shape
        (1, 2)
        >>> flags = TrainableFlags(layer)
        >>> layer.trainable = False
        >>> [weight.name for weight in flags.weights(layer)]
        ['kernel', 'bias']
    """

    def __init__(self, layer: WeightOwner, weights: Mapping[Variable, bool] | None = None) -> None:
        fixed = weights is not None
        self._flags: dict[WeightOwner | Variable, bool] = {}
        found = {w: w.trainable for w in layer.weights} if weights is None else weights
        self._flags.update(found.items())
        self._flags.update((inner, fixed or inner.trainable) for inner in _nested(layer))

    def weights(self, layer: WeightOwner) -> list[Variable]:
        """List the weights of `layer` that are trained, each once, in the order of its `weights`."""
        return list(dict.fromkeys(self._find(layer))) if self._is_on(layer) else []

    def _find(self, layer: WeightOwner) -> Iterator[Variable]:
        """Yield weights that no flag of their own layer or of their own holds still, as in Keras 3."""
        deeper = {weight for inner in layer.layers_inside for weight in inner.weights}
        if self._is_on(layer):
            yield from (weight for weight in layer.weights if weight not in deeper and self._is_on(weight))
        for inner in layer.layers_inside:
            yield from self._find(inner)

    def _is_on(self, item: WeightOwner | Variable) -> bool:
        return self._flags.get(item, bool(item.trainable))


def _nested(layer: WeightOwner) -> Iterator[WeightOwner]:
    yield layer
    for inner in layer.layers_inside:
        yield from _nested(inner)
