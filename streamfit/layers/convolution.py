"""Layers that convolve over one, two or three spatial axes, channels last."""

from __future__ import annotations

from typing import ClassVar, Unpack

from streamfit import ops
from streamfit._base.configs import Config
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Shape
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import length
from streamfit.layers.kernel_layer import KernelLayer
from streamfit.ops.core import Value
from streamfit.ops.sliding_window import (
    PADDINGS,
    SPATIAL_AXES,
    Lengths,
    channels_last,
    lengths_of,
    padding_of,
)


class _Conv(KernelLayer):
    """Compute ``activation(conv(x, kernel) + bias)``; subclasses say over how many spatial axes."""

    rank: ClassVar[int]
    fixed = KernelLayer.fixed | {
        *("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups")
    }

    def __init__(
        self,
        filters: int,
        kernel_size: Lengths,
        strides: Lengths = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Lengths = 1,
        groups: int = 1,
        activation: object = None,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: object = None,
        bias_regularizer: object = None,
        kernel_constraint: object = None,
        bias_constraint: object = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.filters = length("filters", filters)
        self.kernel_size = lengths_of("kernel_size", kernel_size, self.rank)
        self.strides = lengths_of("strides", strides, self.rank)
        self.padding = padding_of(padding, (*PADDINGS, "causal") if self.rank == 1 else PADDINGS)
        self.data_format = channels_last(data_format)
        self.dilation_rate = lengths_of("dilation_rate", dilation_rate, self.rank)
        self.groups = length("groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"filters must be a multiple of groups, got {self.filters} and {self.groups}")
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
        """Create the kernel, shape (*kernel_size, channels / groups, filters), and the bias."""
        channels, axes = input_shape[-1], SPATIAL_AXES[self.rank]
        if len(input_shape) != self.rank + 2 or channels is None:
            raise ShapeError(
                f"layer {self.name!r} needs inputs of shape (batch, {axes}, channels) with a known number of "
                f"channels, got {tuple(input_shape)}; give data without channels an axis of length 1"
            )
        if channels % self.groups:
            raise ShapeError(
                f"layer {self.name!r} cannot share {channels} channels of inputs of shape "
                f"{tuple(input_shape)} evenly among groups={self.groups}"
            )
        self.add_kernel((*self.kernel_size, channels // self.groups, self.filters))

    def call(self, x: Value) -> Value:
        """Convolve, add the bias and apply the activation."""
        channels, axes = self.kernel.value.shape[-2] * self.groups, SPATIAL_AXES[self.rank]
        if len(x.shape) != self.rank + 2 or x.shape[-1] != channels:
            raise ShapeError(
                f"layer {self.name!r} was built for inputs of shape (batch, {axes}, {channels}), "
                f"got {tuple(x.shape)}"
            )
        x = ops.cast(x, self.dtype)
        fused = self.fused_activation
        y = ops.conv(
            x,
            self.kernel,
            self.strides,
            self.padding,
            self.data_format,
            dilation_rate=self.dilation_rate,
            groups=self.groups,
            bias=self.bias if self.use_bias else None,
            activation=fused or "linear",
            who=f"layer {self.name!r}",
        )
        return self.activation(y) if fused is None else y

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            "groups": self.groups,
        }


class Conv1D(_Conv):
    """Convolve sequences: compute ``activation(conv(x, kernel) + bias)`` along their steps.

    Formulas and defaults are those of Keras 3; see `streamfit.ops.conv`.

    Args:
        filters: The number of channels of the output.
        kernel_size: The length of the window.
        strides: How far it moves at a time.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the length, ``'causal'``
            for the same in front, so that no output sees later steps.
        data_format: None or ``'channels_last'``; no other layout is supported.
        dilation_rate: The distance of neighbouring elements of the window.
        groups: The number of groups of channels, each with its own share of the filters.
        activation: A name, a function, or None for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the kernel, shape (kernel_size, channels / groups, filters).
        bias_initializer: First values of the bias, shape (filters,).
        kernel_regularizer: Penalty on the kernel, or None.
        bias_regularizer: Penalty on the bias, or None.
        kernel_constraint: Applied to the kernel after each update by the optimizer, or None; see
            `streamfit.constraints`.
        bias_constraint: Likewise, to the bias.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, length, channels), or too short for the window.

    Example:
        >>> import numpy as np
        >>> layer = Conv1D(1, 2, padding="causal", kernel_initializer="ones")
        >>> layer(np.array([[[1.0], [2.0], [4.0]]], "float32")).ravel()
        array([1., 3., 6.], dtype=float32)
    """

    rank = 1


class Conv2D(_Conv):
    """Convolve images: compute ``activation(conv(x, kernel) + bias)`` over height and width.

    Formulas and defaults are those of Keras 3; see `streamfit.ops.conv`.

    Args:
        filters: The number of channels of the output.
        kernel_size: Height and width of the window, or one number for both.
        strides: How far it moves at a time, likewise.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep height and width.
        data_format: None or ``'channels_last'``; no other layout is supported.
        dilation_rate: The distance of neighbouring elements of the window, two numbers or one for both.
        groups: The number of groups of channels, each with its own share of the filters.
        activation: A name, a function, or None for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the kernel, shape (*kernel_size, channels / groups, filters).
        bias_initializer: First values of the bias, shape (filters,).
        kernel_regularizer: Penalty on the kernel, or None.
        bias_regularizer: Penalty on the bias, or None.
        kernel_constraint: Applied to the kernel after each update by the optimizer, or None; see
            `streamfit.constraints`.
        bias_constraint: Likewise, to the bias.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, height, width, channels), or too small for the window.

    Example:
        >>> import numpy as np
        >>> layer = Conv2D(8, 3, activation="relu")
        >>> layer(np.zeros((5, 28, 28, 1), "float32")).shape
        (5, 26, 26, 8)
    """

    rank = 2


class Conv3D(_Conv):
    """Convolve volumes: compute ``activation(conv(x, kernel) + bias)`` over depth, height and width.

    Formulas and defaults are those of Keras 3; see `streamfit.ops.conv`.

    Args:
        filters: The number of channels of the output.
        kernel_size: Depth, height and width of the window, or one number for all.
        strides: How far it moves at a time, likewise.
        padding: ``'valid'`` for none, ``'same'`` for so much that strides of 1 keep the lengths.
        data_format: None or ``'channels_last'``; no other layout is supported.
        dilation_rate: The distance of neighbouring elements of the window, three numbers or one for all.
        groups: The number of groups of channels, each with its own share of the filters.
        activation: A name, a function, or None for none.
        use_bias: Whether to add a bias.
        kernel_initializer: First values of the kernel, shape (*kernel_size, channels / groups, filters).
        bias_initializer: First values of the bias, shape (filters,).
        kernel_regularizer: Penalty on the kernel, or None.
        bias_regularizer: Penalty on the bias, or None.
        kernel_constraint: Applied to the kernel after each update by the optimizer, or None; see
            `streamfit.constraints`.
        bias_constraint: Likewise, to the bias.
        **options: As for `Layer`.

    Raises:
        ValueError: An argument has a value that is not listed here.
        ShapeError: When called: inputs are not (batch, depth, height, width, channels), or too small for the
            window.

    Example:
        >>> import numpy as np
        >>> Conv3D(4, (1, 3, 3), padding="same")(np.zeros((2, 5, 8, 8, 1), "float32")).shape
        (2, 5, 8, 8, 4)
    """

    rank = 3
