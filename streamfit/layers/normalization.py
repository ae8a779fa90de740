"""Layers that normalize their inputs."""

from __future__ import annotations

from typing import Unpack

from streamfit import constraints, initializers, ops, regularizers
from streamfit._base.configs import Config, describe
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Shape
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import Checked, at_least_zero, fraction
from streamfit.ops.axes import one_axis
from streamfit.ops.core import Value


class BatchNormalization(Layer):
    """Normalize each channel by the mean and variance of the batch, in inference by moving averages of them.

    In training ``gamma (x - mean) / sqrt(variance + epsilon) + beta`` with the moments of the batch (Ioffe
    and Szegedy, 2015); the moving averages become ``moving * momentum + moment * (1 - momentum)`` at the
    end of the step, unless the step is stopped because a number is not finite. In inference, and where
    ``trainable = False`` (a frozen layer), the moving averages take the place of the moments and do not
    change. Positions that are masked do not count in the moments.

    Args:
        axis: The axis of the channels.
        momentum: Share of the old value in the moving averages.
        epsilon: Added to the variance.
        center: Whether to add `beta`.
        scale: Whether to multiply by `gamma`.
        beta_initializer: First values of beta, shape (channels,).
        gamma_initializer: First values of gamma.
        moving_mean_initializer: First values of the moving mean.
        moving_variance_initializer: First values of the moving variance.
        beta_regularizer: Penalty on beta, or None.
        gamma_regularizer: Penalty on gamma, or None.
        beta_constraint: Applied to beta after each update by the optimizer, or None; see
            `streamfit.constraints`.
        gamma_constraint: Likewise, to gamma.
        **options: As for `Layer`.

    Raises:
        ValueError: `momentum` is not in [0, 1], or `epsilon` is negative.
        ShapeError: When built: the axis of the channels has no fixed length.

    Example:
        >>> import numpy as np
        >>> layer = BatchNormalization(momentum=0.5)
        >>> layer(np.array([[1.0], [3.0]], "float32"), training=True).ravel().round(2).tolist()
        [-1.0, 1.0]
        >>> layer.moving_mean.numpy().tolist()
        [1.0]
    """

    fixed = Layer.fixed | {
        *("axis", "center", "scale", "beta_initializer", "gamma_initializer"),
        *("moving_mean_initializer", "moving_variance_initializer", "beta_regularizer", "gamma_regularizer"),
        *("beta_constraint", "gamma_constraint"),
    }
    supports_masking = True
    momentum = Checked(fraction)
    epsilon = Checked(at_least_zero)

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: object = "zeros",
        gamma_initializer: object = "ones",
        moving_mean_initializer: object = "zeros",
        moving_variance_initializer: object = "ones",
        beta_regularizer: object = None,
        gamma_regularizer: object = None,
        beta_constraint: object = None,
        gamma_constraint: object = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def build(self, input_shape: Shape) -> None:
        """Create gamma, beta and the moving averages."""
        place = one_axis("BatchNormalization", self.axis, len(input_shape))
        channels = input_shape[place]
        if place == 0 or channels is None:
            raise ShapeError(
                f"layer {self.name!r} normalizes along axis {self.axis}, which must have a fixed length; got "
                f"inputs of shape {tuple(input_shape)}"
            )
        shape = (channels,)
        if self.scale:
            self.gamma = self.add_weight(
                "gamma",
                shape,
                self.gamma_initializer,
                self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
        if self.center:
            self.beta = self.add_weight(
                "beta", shape, self.beta_initializer, self.beta_regularizer, constraint=self.beta_constraint
            )
        self.moving_mean = self.add_weight(
            "moving_mean", shape, self.moving_mean_initializer, trainable=False
        )
        self.moving_variance = self.add_weight(
            "moving_variance", shape, self.moving_variance_initializer, trainable=False
        )

    def call(self, x: Value, training: bool = False, mask: Value | None = None) -> Value:
        """Normalize."""
        place = one_axis("BatchNormalization", self.axis, len(x.shape))
        if x.shape[place] != self.moving_mean.shape[0]:
            raise ShapeError(
                f"layer {self.name!r} was built for {self.moving_mean.shape[0]} channels along axis "
                f"{self.axis}, "
                f"got shape {tuple(x.shape)}"
            )
        x = ops.cast(x, self.dtype)
        last = len(x.shape) - 1
        if place == last:
            return self._normalized(x, training, mask)
        order = [*(axis for axis in range(len(x.shape)) if axis != place), place]
        back = sorted(range(len(order)), key=lambda axis: order[axis])
        return ops.transpose(self._normalized(ops.transpose(x, order), training, mask), back)

    def _normalized(self, x: Value, training: bool, mask: Value | None) -> Value:
        """Normalize along the last axis."""
        ones, zeros = ops.ones_like(self.moving_mean), ops.zeros_like(self.moving_mean)
        gamma, beta = self.gamma if self.scale else ones, self.beta if self.center else zeros
        if training and self.trainable:
            y, mean, variance = ops.batch_normalize(x, gamma, beta, self.epsilon, _positions(mask, x))
            for moving, moment in ((self.moving_mean, mean), (self.moving_variance, variance)):
                part = ops.multiply(moment, 1.0 - self.momentum)
                ops.assign(moving, ops.add(ops.multiply(moving, self.momentum), part))
            return y
        factor = ops.divide(gamma, ops.sqrt(ops.add(self.moving_variance, self.epsilon)))
        return ops.scale_shift(x, factor, ops.subtract(beta, ops.multiply(self.moving_mean, factor)))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": describe(self.beta_initializer),
            "gamma_initializer": describe(self.gamma_initializer),
            "moving_mean_initializer": describe(self.moving_mean_initializer),
            "moving_variance_initializer": describe(self.moving_variance_initializer),
            "beta_regularizer": describe(self.beta_regularizer),
            "gamma_regularizer": describe(self.gamma_regularizer),
            "beta_constraint": describe(self.beta_constraint),
            "gamma_constraint": describe(self.gamma_constraint),
        }


def _positions(mask: Value | None, x: Value) -> Value | None:
    """Return a weight for each position of x, which may have more axes in front of the channels than the
    mask.
    """
    if mask is None or len(mask.shape) == len(x.shape) - 1:
        return mask
    counts = ops.cast(mask, x.dtype)
    for axis in range(len(mask.shape), len(x.shape) - 1):
        counts = ops.expand_dims(counts, axis)
    return ops.add(counts, ops.zeros_like(ops.sum(x, -1)))
