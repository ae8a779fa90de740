"""The layer that masks steps by their values."""

from __future__ import annotations

from typing import Unpack

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit.layers.base import Layer, LayerOptions
from streamfit.ops.core import Value


class Masking(Layer):
    """Mask the steps of which all features have one value, and set them to 0.

    Layers behind it, losses and metrics then leave these steps out.

    Args:
        mask_value: The value, compared exactly, in the dtype of the layer.
        **options: As for `Layer`.

    Raises:
        ShapeError: When called: inputs have one axis only.

    Example:
        >>> import numpy as np
        >>> layer = Masking(9.0)
        >>> x = np.array([[[1.0, 9.0], [9.0, 9.0]]], "float32")
        >>> layer(x).tolist(), layer.compute_mask(x).tolist()
        ([[[1.0, 9.0], [0.0, 0.0]]], [[True, False]])
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.mask_value = mask_value

    def compute_mask(self, inputs: Value, mask: object = None) -> Value:
        """Return whether any feature of a step has another value, shape (batch, steps)."""
        if len(inputs.shape) < 2:
            raise ShapeError(
                f"layer {self.name!r} needs inputs with an axis of features behind that of the batch, "
                f"got shape {tuple(inputs.shape)}"
            )
        found = ops.not_equal(ops.cast(inputs, self.dtype), self.mask_value)
        return ops.max(found, axis=-1)

    def call(self, x: Value) -> Value:
        """Set the masked steps to 0."""
        x = ops.cast(x, self.dtype)
        return ops.where(ops.expand_dims(self.compute_mask(x), -1), x, 0.0)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "mask_value": self.mask_value}
