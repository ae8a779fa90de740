"""Layers that apply an activation function and have no weights."""

from __future__ import annotations

from typing import Unpack

from streamfit import activations, ops
from streamfit._base.configs import Config
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import Checked, activation_function, at_least_zero
from streamfit.ops.core import Value


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
        return {**super().get_config(), "activation": activations.name_of(self.activation)}


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
    """Apply the softmax over one axis.

    Args:
        axis: The axis.
        **options: As for `Layer`.

    Example:
        >>> import numpy as np
        >>> Softmax()(np.array([[1.0, 1.0]]))
        array([[0.5, 0.5]])
    """

    supports_masking = True

    def __init__(self, axis: int = -1, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.axis = axis

    def call(self, x: Value) -> Value:
        """Apply the function."""
        return ops.softmax(x, self.axis)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "axis": self.axis}
