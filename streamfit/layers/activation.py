"""Layers that apply an activation function and have no weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from streamfit import activations, ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.specs import may_equal
from streamfit.activations.lookup import serialize
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import Checked, activation_function, at_least_zero
from streamfit.ops.core import Value

_VERY_SMALL = -1e9  # as in Keras; its exponential is 0 beside that of anything else


class Activation(Layer):
    """Apply an activation function.

    Args:
        activation: A name or a function.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> Activation("relu")(np.array([-1.0, 2.0]))
        array([0., 2.])
    """

    supports_masking = True
    activation = Checked(activation_function)

    def __init__(self, activation: object, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.activation = activation

    def call(self, x: Value) -> Value:
        """Apply the function."""
        return self.activation(x)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "activation": serialize(self.activation)}


class ReLU(Layer):
    """Apply `streamfit.activations.relu`.

    Args:
        max_value: Largest output, or None.
        negative_slope: Slope below the threshold.
        threshold: Inputs at or above it pass through.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument is negative.

    Example:
        >>> import numpy as np
        >>> ReLU(max_value=1.0)(np.array([-1.0, 2.0]))
        array([0., 1.])
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        given = {"max_value": max_value or 0.0, "negative_slope": negative_slope, "threshold": threshold}
        for name, value in given.items():
            at_least_zero(name, value)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold

    def call(self, x: Value) -> Value:
        """Apply the function."""
        return activations.relu(x, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        own = {
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
        return {**super().get_config(), **own}


class LeakyReLU(Layer):
    """Multiply negative inputs by a slope (0.3 by default, as in Keras' layer).

    Args:
        negative_slope: The slope.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> LeakyReLU(0.5)(np.array([-1.0, 2.0]))
        array([-0.5,  2. ])
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.negative_slope = negative_slope

    def call(self, x: Value) -> Value:
        """Apply the function."""
        return ops.leaky_relu(x, self.negative_slope)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """Replace negative inputs by ``alpha * (exp(x) - 1)``.

    Args:
        alpha: The factor.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> ELU()(np.array([0.0, 2.0]))
        array([0., 2.])
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.alpha = alpha

    def call(self, x: Value) -> Value:
        """Apply the function."""
        return ops.elu(x, self.alpha)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "alpha": self.alpha}


class Softmax(Layer):
    """Apply the softmax over one axis, or over several together.

    With a mask, positions that do not count are left out and get 0. A mask with fewer axes than the input
    has its first axes, as masks of layers do (samples and steps, say); else it is broadcast like an array.
    One that says nothing about places along `axis` changes no number.

    Args:
        axis: The axis, or a list of axes that add up to 1 together.
        **options: As for `Layer`.

    Raises:
        ShapeError: When called: a mask that does not fit the input.

    Example:
        >>> import numpy as np
        >>> Softmax()(np.array([[1.0, 1.0]]))
        array([[0.5, 0.5]])
        >>> Softmax()(np.array([[1.0, 1.0, 3.0]]), mask=np.array([[True, True, False]]))
        array([[0.5, 0.5, 0. ]])
    """

    supports_masking = True

    def __init__(self, axis: int | Sequence[int] = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = axis

    def call(self, x: Value, mask: Value | None = None) -> Value:
        """Apply the function."""
        axes = [self.axis] if isinstance(self.axis, int) else list(self.axis)
        kept = None if mask is None else self._kept(x, mask, axes)
        if kept is None:
            return _softmax(x, axes)
        return ops.where(kept, _softmax(ops.where(kept, x, _VERY_SMALL), axes), 0.0)

    def _kept(self, x: Value, mask: Value, axes: Sequence[int]) -> Value | None:
        """Return which values count, in as many axes as the input; None where the mask does not matter."""
        rank, whole, shape = len(x.shape), tuple(x.shape), tuple(mask.shape)
        if mask.dtype != np.bool_:
            mask = ops.greater(mask, 0.5)
        if len(shape) < rank and may_equal(shape, whole[: len(shape)]):
            if all(axis % rank >= len(shape) for axis in axes):
                return None
            return ops.reshape(mask, (*shape, *[1] * (rank - len(shape))))
        fits = len(shape) <= rank and all(
            length == 1 or may_equal((length,), (found,))
            for length, found in zip(reversed(shape), reversed(whole), strict=False)
        )
        if not fits:
            raise ShapeError(
                f"layer {self.name!r}: a mask must not have more dimensions than the input and must be "
                f"broadcastable to it; the input has the shape {whole}, the mask {shape}"
            )
        return mask

    def compute_mask(self, inputs: Value, mask: Value | None = None) -> Value | None:
        """Pass on a mask that has the first axes of the input."""
        fits = mask is not None and may_equal(tuple(mask.shape), tuple(inputs.shape)[: len(mask.shape)])
        return mask if fits else None

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}


def _softmax(x: Value, axes: Sequence[int]) -> Value:
    if len(axes) == 1:
        return ops.softmax(x, axes[0])
    powers = ops.exp(x - ops.max(x, axes, keepdims=True))
    return powers / ops.sum(powers, axes, keepdims=True)
