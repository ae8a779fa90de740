"""Operations that turn values of single samples into one scalar to minimise, and into running sums.

Sums are float64 for every dtype of the model: a float32 running mean is off by a factor of two at 10**9
samples. Running sums also keep their rounding errors.

Guarantees kept here: a running mean over 10**9 samples is exact to 1e-12; a value of weight 0 adds exactly 0,
even if it is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec, may_equal
from streamfit.kernels import Call, kernel
from streamfit.kernels.matrix import fill_zero
from streamfit.kernels.running_sums import grow
from streamfit.ops.core import Op, Operand, Tensor, Value, apply, flat

_FLOAT64 = np.dtype(np.float64)


@kernel
def weighted_mean_forward(values: Array, weights: Array, repeat: int, out: Array) -> None:
    """Compute sum(w * v) / number of values; each weight serves `repeat` values."""
    total = 0.0
    n = values.shape[0]
    if repeat == 1:
        for i in range(n):
            total += np.float64(weights[i]) * np.float64(values[i])
    else:
        for i in range(n):
            total += np.float64(weights[i // repeat]) * np.float64(values[i])
    out[0] = total / n


@kernel
def weighted_mean_backward(weights: Array, repeat: int, gout: Array, gvalues: Array) -> None:
    """Compute the gradient of the values."""
    n = gvalues.shape[0]
    scale = gout[0] / n
    for i in range(n):
        gvalues[i] = scale * weights[i // repeat]


@kernel
def counted_mean_forward(values: Array, weights: Array, repeat: int, out: Array) -> None:
    """Compute sum(w * v) / number of values, where values of weight 0 may be anything, NaN included."""
    total = 0.0
    n = values.shape[0]
    for i in range(n):
        weight = np.float64(weights[i // repeat])
        if weight != 0:
            total += weight * np.float64(values[i])
    out[0] = total / n


class WeightedMean(Op):
    """Sum of weight times value over the number of values: Keras' ``sum_over_batch_size``.

    Args:
        chosen: Whether the user gives weights, so that some may be 0; else all are 1.
    """

    def __init__(self, chosen: bool = True) -> None:
        self._forward = counted_mean_forward if chosen else weighted_mean_forward

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return a float64 scalar."""
        values, weights = specs
        _check_weights(values, weights, "losses")
        return (Spec((), _FLOAT64),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        values, weights = inputs
        repeat = values.size // weights.size
        return [(self._forward, (flat(values), flat(weights), repeat, flat(outputs[0])))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call; weights get no gradient."""
        values, weights = inputs
        if input_grads[0] is None:
            return []
        repeat = values.size // weights.size
        return [
            (weighted_mean_backward, (flat(weights), repeat, flat(output_grads[0]), flat(input_grads[0])))
        ]


SHARES = {"sum_over_batch_size": 0, "mean": 0, "sum": 1, "mean_with_sample_weight": 2}
"""The divisor of a sum of losses: 0 the number of values that count, 1 nothing, 2 their weights."""


@kernel
def reduced_forward(
    values: Array, weights: Array, mask: Array, repeat: int, share: int, out: Array, scale: Array
) -> None:
    """Compute scale * sum(w * v) over the values that count; an empty `mask` counts all."""
    total = 0.0
    mass = 0.0
    for i in range(values.shape[0]):
        if mask.shape[0] and mask[i] == 0:
            continue  # not times zero: a value that does not count may be NaN
        weight = np.float64(weights[i // repeat])
        if weight != 0:
            total += weight * np.float64(values[i])
        mass += weight if share == 2 else 1.0
    scale[0] = 1.0
    if share != 1:
        scale[0] = 1.0 / mass if mass != 0 else 0.0
    out[0] = total * scale[0]


@kernel
def reduced_backward(
    weights: Array, mask: Array, repeat: int, gout: Array, scale: Array, gvalues: Array
) -> None:
    """Compute the gradient of the values."""
    factor = gout[0] * scale[0]
    for i in range(gvalues.shape[0]):
        if mask.shape[0] and mask[i] == 0:
            gvalues[i] = 0
        else:
            gvalues[i] = factor * weights[i // repeat]


class Reduced(Op):
    """Sum of weight times value over the values that count, divided as `SHARES` says.

    The result is 0 where no value counts.
    """

    def __init__(self, share: int) -> None:
        self._share = share

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return a float64 scalar."""
        values, weights = specs[:2]
        _check_weights(values, weights, "losses")
        if len(specs) > 2 and not may_equal(specs[2].shape, values.shape):
            raise ShapeError(f"a mask of shape {specs[2].shape} does not fit losses of shape {values.shape}")
        return (Spec((), _FLOAT64),)

    def scratch(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the spec of the factor that the gradient needs."""
        return (Spec((1,), _FLOAT64),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        values, weights = inputs[:2]
        repeat = values.size // weights.size
        arguments = (flat(values), flat(weights), _mask(inputs), repeat, self._share)
        return [(reduced_forward, (*arguments, flat(outputs[0]), scratch[0]))]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call; weights and mask get no gradient."""
        values, weights = inputs[:2]
        if input_grads[0] is None:
            return []
        repeat = values.size // weights.size
        arguments = (flat(weights), _mask(inputs), repeat, flat(output_grads[0]), scratch[0])
        return [(reduced_backward, (*arguments, flat(input_grads[0])))]


def _mask(inputs: Sequence[Array]) -> Array:
    return flat(inputs[2]) if len(inputs) > 2 else np.empty(0, np.float32)


def _check_weights(values: Spec, weights: Spec, what: str) -> None:
    if not may_equal(values.shape[: weights.rank], weights.shape):
        raise ShapeError(f"weights of shape {weights.shape} do not fit {what} of shape {values.shape}")


@kernel
def add_term(term: Array, factor: Array, total: Array) -> None:
    """Add factor * term to the total, in float64."""
    total[0] += factor[0] * np.float64(term[0])


@kernel
def term_backward(factor: Array, gtotal: Array, gterm: Array) -> None:
    """Compute the gradient of one term."""
    gterm[0] = factor[0] * gtotal[0]


class WeightedTotal(Op):
    """Sum of scalars, each times a fixed factor, in float64."""

    def __init__(self, factors: Sequence[float]) -> None:
        self._factors = [np.array([factor], dtype=np.float64) for factor in factors]

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return a float64 scalar."""
        for spec in specs:
            if spec.shape != ():
                raise ShapeError(f"a term of the total loss must be a scalar, got shape {spec.shape}")
        return (Spec((), _FLOAT64),)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call for each term."""
        total = flat(outputs[0])
        terms = zip(inputs, self._factors, strict=True)
        return [(fill_zero, (total,)), *((add_term, (flat(x), factor, total)) for x, factor in terms)]

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return one call for each term that needs a gradient."""
        return [
            (term_backward, (factor, flat(output_grads[0]), flat(grad)))
            for factor, grad in zip(self._factors, input_grads, strict=True)
            if grad is not None
        ]


@kernel
def accumulate_scalar(value: Array, samples: Array, state: Array) -> None:
    """Add the mean of a batch, times its number of samples, to a state of two running sums."""
    n = samples.shape[0]
    grow(state, 0, np.float64(value[0]) * n)
    grow(state, 1, np.float64(n))


class AccumulateScalar(Op):
    """Add the mean of a batch to a running mean over samples; has no output.

    The state is that of `mean_of` in `kernels.running_sums`.
    """

    differentiable = False

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        return ()

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        value, samples, state = inputs
        return [(accumulate_scalar, (flat(value), samples.reshape(samples.shape[0], -1), state))]


@overload
def weighted_mean(
    values: Tensor, weights: Operand, mask: Operand | None = None, reduction: str = ..., *, chosen: bool = ...
) -> Tensor: ...
@overload
def weighted_mean(
    values: Operand,
    weights: Operand,
    mask: Operand | None = None,
    reduction: str = ...,
    *,
    chosen: bool = ...,
) -> Value: ...
def weighted_mean(
    values: Operand,
    weights: Operand,
    mask: Operand | None = None,
    reduction: str = "sum_over_batch_size",
    *,
    chosen: bool = True,
) -> Value:
    """Return the losses of a batch as one float64 scalar; a value of weight 0 adds 0 to it, even a NaN.

    Args:
        values: Losses, batch axis first.
        weights: Weights whose axes are the first of `values`.
        mask: 0 where a value does not count, in the shape of `values`; None when all count.
        reduction: ``'sum_over_batch_size'`` (also ``'mean'``) divides sum(w v) by the number of values that
            count, ``'mean_with_sample_weight'`` by the sum of their weights, ``'sum'`` by nothing.
        chosen: Whether the weights are the user's, so that some may be 0; else all are 1.

    Example:
        >>> values, weights = np.array([1.0, 2.0, 9.0]), np.array([1.0, 2.0, 1.0])
        >>> float(weighted_mean(values, weights, np.array([1.0, 1.0, 0.0])))
        2.5
    """
    share = SHARES[reduction]
    if mask is None and share == 0:
        return apply(WeightedMean(chosen), values, weights)
    return apply(Reduced(share), values, weights, *(() if mask is None else (mask,)))


@overload
def weighted_total(terms: Sequence[Tensor], factors: Sequence[float]) -> Tensor: ...
@overload
def weighted_total(terms: Sequence[Operand], factors: Sequence[float]) -> Value: ...
def weighted_total(terms: Sequence[Operand], factors: Sequence[float]) -> Value:
    """Return the sum of factor * term, as a float64 scalar."""
    return apply(WeightedTotal(factors), *terms)
