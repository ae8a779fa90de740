"""Normalization of channels by the mean and variance of a batch, and by fixed ones, with their gradients.

An array is read as a matrix: a row for each position, a column for each channel, which is the last axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.ops.casting import cast
from streamfit.ops.core import Op, Operand, Value, apply, flat, rows, workspace
from streamfit.ops.public_calls import recorded

_NO_WEIGHTS = np.empty(0)
MASK_EPSILON = np.array([1e-7])
"""What Keras adds to the sum of the weights of masked moments (`keras.config.epsilon`)."""


@kernel
def channel_moments(
    x: Array, weights: Array, epsilon: Array, mean: Array, variance: Array, totals: Array
) -> None:
    """Compute the mean and the biased variance of each column, in float64, in two passes.

    An empty `weights` counts each row once; else row i counts weights[i], and epsilon is added to their sum.
    """
    count = float(x.shape[0])
    if weights.shape[0]:
        count = epsilon[0]
        for i in range(weights.shape[0]):
            count += weights[i]
    for j in range(x.shape[1]):
        totals[0, j] = 0.0
        totals[1, j] = 0.0
    for i in range(x.shape[0]):
        if weights.shape[0]:
            if weights[i] != 0:  # not times 0: a row that does not count may be NaN
                for j in range(x.shape[1]):
                    totals[0, j] += weights[i] * x[i, j]
        else:
            for j in range(x.shape[1]):
                totals[0, j] += x[i, j]
    for j in range(x.shape[1]):
        totals[0, j] /= count
    for i in range(x.shape[0]):
        if weights.shape[0]:
            if weights[i] != 0:
                for j in range(x.shape[1]):
                    distance = x[i, j] - totals[0, j]
                    totals[1, j] += weights[i] * distance * distance
        else:
            for j in range(x.shape[1]):
                distance = x[i, j] - totals[0, j]
                totals[1, j] += distance * distance
    for j in range(x.shape[1]):
        mean[j] = totals[0, j]
        variance[j] = totals[1, j] / count


@kernel
def normalize_rows(
    x: Array,
    mean: Array,
    variance: Array,
    gamma: Array,
    beta: Array,
    epsilon: Array,
    inverse: Array,
    factors: Array,
    y: Array,
) -> None:
    """Compute y = gamma (x - mean) / sqrt(variance + epsilon) + beta; keep 1 / sqrt(variance + epsilon)."""
    one = x.dtype.type(1)
    for j in range(x.shape[1]):
        inverse[j] = one / np.sqrt(variance[j] + x.dtype.type(epsilon[0]))
        factors[j] = gamma[j] * inverse[j]
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = (x[i, j] - mean[j]) * factors[j] + beta[j]


@kernel
def channel_sums(
    x: Array, mean: Array, inverse: Array, gy: Array, ggamma: Array, gbeta: Array, totals: Array
) -> None:
    """Compute the gradients of gamma and beta: sums of gy times the normalized x, and of gy; in float64."""
    for j in range(x.shape[1]):
        totals[0, j] = 0.0
        totals[1, j] = 0.0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            totals[0, j] += gy[i, j] * ((x[i, j] - mean[j]) * inverse[j])
            totals[1, j] += gy[i, j]
    for j in range(x.shape[1]):
        ggamma[j] = totals[0, j]
        gbeta[j] = totals[1, j]


@kernel
def normalize_backward(
    x: Array,
    mean: Array,
    inverse: Array,
    gamma: Array,
    weights: Array,
    epsilon: Array,
    gy: Array,
    gmean: Array,
    gvariance: Array,
    totals: Array,
    gx: Array,
) -> None:
    """Compute the gradient of x from the sums that `channel_sums` left in `totals`, shape (4, channels).

    With S the sum of the weights (or the number of rows), A = sum(gy h) for the normalized x h, and B =
    sum(gy): row i gets gamma inverse gy - w_i (a + (x - mean) b), where
    a = (gamma inverse (B - A s) - gmean + 2 gvariance mean e / S) / S, b = (gamma inverse^2 A - 2
    gvariance) / S and s = mean e inverse / S. Here e is epsilon, which is in S where there are weights,
    else 0: then the weighted sum of x - mean is mean e, not 0.
    """
    count = float(x.shape[0])
    extra = 0.0
    if weights.shape[0]:
        extra = epsilon[0]
        count = extra
        for i in range(weights.shape[0]):
            count += weights[i]
    for j in range(x.shape[1]):
        factor = gamma[j] * inverse[j]
        rest = mean[j] * extra / count
        part = factor * (totals[1, j] - totals[0, j] * rest * inverse[j])
        totals[2, j] = (part - gmean[j] + 2.0 * gvariance[j] * rest) / count
        totals[3, j] = (factor * inverse[j] * totals[0, j] - 2.0 * gvariance[j]) / count
    for i in range(x.shape[0]):
        weight = weights[i] if weights.shape[0] else 1.0
        if weight == 0:
            for j in range(x.shape[1]):
                gx[i, j] = gamma[j] * inverse[j] * gy[i, j]
        else:
            for j in range(x.shape[1]):
                rise = totals[2, j] + (x[i, j] - mean[j]) * totals[3, j]
                gx[i, j] = gamma[j] * inverse[j] * gy[i, j] - weight * rise


@kernel
def scale_shift_forward(x: Array, scale: Array, shift: Array, y: Array) -> None:
    """Compute y = x * scale + shift, column by column."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = x[i, j] * scale[j] + shift[j]


@kernel
def scale_backward(scale: Array, gy: Array, gx: Array) -> None:
    """Compute gx = gy * scale, column by column."""
    for i in range(gy.shape[0]):
        for j in range(gy.shape[1]):
            gx[i, j] = gy[i, j] * scale[j]


class BatchNormalize(Op):
    """Normalize channels by the moments of the batch; outputs are the result, the means and the variances."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the specs of the result, the means and the variances."""
        x, gamma = specs[:2]
        _check_channels("batch_normalize", x, *specs[1:3])
        if len(specs) > 3 and not may_equal(specs[3].shape, x.shape[:-1]):
            raise ShapeError(
                f"batch_normalize needs a mask of shape {x.shape[:-1]} for x {x.shape}, got {specs[3].shape}"
            )
        return x, gamma, gamma

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of 1 / sqrt(variance + epsilon)."""
        return (specs[1],)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call for the moments and one for the result."""
        x, gamma, beta = inputs[:3]
        y, mean, variance = outputs
        totals, factors = workspace((2, len(gamma)), np.float64), workspace(gamma.shape, gamma.dtype)
        moments, epsilon = (mean, variance, gamma, beta), np.array([self.epsilon])
        return [
            (channel_moments, (rows(x), _weights(inputs), MASK_EPSILON, mean, variance, totals)),
            (normalize_rows, (rows(x), *moments, epsilon, scratch[0], factors, rows(y))),
        ]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for the sums over each channel and for the gradient of x."""
        x, gamma, mean, gy = rows(inputs[0]), inputs[1], outputs[1], rows(output_grads[0])
        gx, ggamma, gbeta = input_grads[:3]
        totals = workspace((4, len(gamma)), np.float64)
        spare = [workspace(gamma.shape, gamma.dtype) if g is None else g for g in (ggamma, gbeta)]
        calls: list[Call] = [(channel_sums, (x, mean, scratch[0], gy, *spare, totals))]
        if gx is not None:
            arguments = (x, mean, scratch[0], gamma, _weights(inputs), MASK_EPSILON, gy, *output_grads[1:])
            calls.append((normalize_backward, (*arguments, totals, rows(gx))))
        return calls


class ScaleShift(Op):
    """Compute ``x * scale + shift``, channel by channel."""

    rowwise = True

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of x."""
        _check_channels("scale_shift", *specs)
        return (specs[0],)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        x, scale, shift = inputs
        return [(scale_shift_forward, (rows(x), scale, shift, rows(outputs[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the calls for the gradients of x, scale and shift."""
        (x, scale, _), gy = inputs, rows(output_grads[0])
        gx, gscale, gshift = input_grads
        calls: list[Call] = []
        if gscale is not None or gshift is not None:
            spare = [workspace(scale.shape, scale.dtype) if g is None else g for g in (gscale, gshift)]
            zeros, ones = np.zeros_like(scale), np.ones_like(scale)
            totals = workspace((2, len(scale)), np.float64)
            calls.append((channel_sums, (rows(x), zeros, ones, gy, *spare, totals)))
        return calls if gx is None else [*calls, (scale_backward, (scale, gy, rows(gx)))]


def _weights(inputs: Sequence[Array]) -> Array:
    return flat(inputs[3]) if len(inputs) > 3 else _NO_WEIGHTS


def _check_channels(name: str, x: Spec, *vectors: Spec) -> None:
    if not x.shape or any(
        vector.rank != 1 or not may_equal(vector.shape, x.shape[-1:]) for vector in vectors
    ):
        raise ShapeError(
            f"{name} needs vectors of the length of the last axis of x, got x {x.shape} and "
            + ", ".join(str(vector.shape) for vector in vectors)
        )


@recorded
def batch_normalize(
    x: Operand, gamma: Operand, beta: Operand, epsilon: float = 1e-3, mask: Operand | None = None
) -> tuple[Value, Value, Value]:
    """Normalize the channels of a batch: ``gamma (x - mean) / sqrt(variance + epsilon) + beta``.

    Ioffe and Szegedy, "Batch Normalization", 2015, algorithm 1; means and biased variances over all axes but
    the last, computed in float64 and rounded once.

    Args:
        x: Float array or tensor of shape (..., channels).
        gamma: Shape (channels,), the dtype of `x`.
        beta: Likewise.
        epsilon: Added to the variance.
        mask: Weight of each position in the moments, shape (...); positions of weight 0 are normalized, but
            do not count. Keras adds 1e-7 to the sum of the weights, and so does this.

    Returns:
        The result, the means and the variances.

    Raises:
        ShapeError: The shapes do not fit together.

    Example:
        >>> y, mean, variance = batch_normalize(np.array([[1.0], [3.0]]), np.ones(1), np.zeros(1), 0.0)
        >>> y.ravel().tolist(), mean.tolist(), variance.tolist()
        ([-1.0, 1.0], [2.0], [1.0])
    """
    weights = () if mask is None else (cast(mask, "float64"),)
    result: tuple[Value, Value, Value] = apply(  # type: ignore[assignment]  # an op of three outputs
        BatchNormalize(epsilon), x, gamma, beta, *weights
    )
    return result


@recorded
def scale_shift(x: Operand, scale: Operand, shift: Operand) -> Value:
    """Compute ``x * scale + shift`` with a factor and a summand for each channel.

    Args:
        x: Float array or tensor of shape (..., channels).
        scale: Shape (channels,), the dtype of `x`.
        shift: Likewise.

    Returns:
        The shape of `x`.

    Raises:
        ShapeError: The shapes do not fit together.

    Example:
        >>> scale_shift(np.array([[1.0, 2.0]]), np.array([10.0, 100.0]), np.array([1.0, 2.0]))
        array([[ 11., 202.]])
    """
    return apply(ScaleShift(), x, scale, shift)
