"""The densely connected layer."""

from __future__ import annotations

from typing import Unpack

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Shape
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import length
from streamfit.layers.kernel_layer import KernelLayer
from streamfit.ops.core import Value


class Dense(KernelLayer):
    """Compute ``activation(x @ kernel + bias)`` over the last axis.

    Args:
        units: Length of the last axis of the output.
        activation: A name, a function, or None for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the kernel, shape (n, units).
        bias_initializer: First values of the bias, shape (units,).
        kernel_regularizer: Penalty on the kernel, or None.
        bias_regularizer: Penalty on the bias, or None.
        kernel_constraint: Applied to the kernel after each update by the optimizer, or None; see
            `streamfit.constraints`.
        bias_constraint: Likewise, to the bias.
        input_dim: Length n of one sample, for the first layer of a `Sequential` model; short for
            ``input_shape=(n,)``.
        **options: As for `Layer`.

    Raises:
        ValueError: `units` is not a whole number of at least 1.

    Example:
        >>> import numpy as np
        >>> layer = Dense(2, activation="relu", kernel_initializer="ones")
        >>> layer(np.array([[1.0, 2.0]], "float32"))
        array([[3., 3.]], dtype=float32)
    """

    supports_masking = True
    fixed = KernelLayer.fixed | {"units"}

    def __init__(
        self,
        units: int,
        activation: object = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: object = None,
        bias_regularizer: object = None,
        kernel_constraint: object = None,
        bias_constraint: object = None,
        *,
        input_dim: int | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        if input_dim is not None:
            options.setdefault("input_shape", (length("input_dim", input_dim),))
        super().__init__(**options)
        self.units = length("units", units)
        self.set_kernel_options(
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint,
            bias_constraint,
        )

    def build(self, input_shape: Shape) -> None:
        """Create the kernel and the bias."""
        if len(input_shape) < 2 or input_shape[-1] is None:
            hint = "give single numbers an axis of length 1"
            if len(input_shape) > 1:
                hint = "n must be known: a layer in front that has a vocabulary must adapt to data first"
            raise ShapeError(
                f"layer {self.name!r} needs inputs of shape (batch, ..., n), got {tuple(input_shape)}; {hint}"
            )
        self.add_kernel((input_shape[-1], self.units))

    def call(self, x: Value) -> Value:
        """Apply the kernel, the bias and the activation."""
        if not x.shape or x.shape[-1] != self.kernel.shape[0]:
            raise ShapeError(
                f"layer {self.name!r} was built for inputs with a last axis of {self.kernel.shape[0]}, "
                f"got shape {tuple(x.shape)}"
            )
        x = ops.cast(x, self.dtype)
        bias = self.bias
        if bias is None:
            return self.activation(ops.matmul(x, self.kernel))
        fused = self.fused_activation
        if fused is not None:
            return ops.dense(x, self.kernel, bias, fused)
        return self.activation(ops.dense(x, self.kernel, bias))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "units": self.units}
