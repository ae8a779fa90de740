"""Operations that turn values of single samples into what training needs: one scalar, and sums.

Sums are taken in float64 whatever the model's dtype: a float32 running mean is off by a factor of two
at 10**9 samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.ops.core import Constant, Op, apply, flat

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


class WeightedMean(Op):
    """Sum of weight times value over the number of values: Keras' ``sum_over_batch_size``."""

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return a float64 scalar."""
        values, weights = specs
        if weights.rank > values.rank or values.shape[: weights.rank] != weights.shape:
            raise ShapeError(f"weights of shape {weights.shape} do not fit losses of shape {values.shape}")
        return (Spec((), _FLOAT64),)

    def forward(self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]) -> list[Call]:
        """Return one call."""
        values, weights = inputs
        repeat = values.size // weights.size
        return [(weighted_mean_forward, (flat(values), flat(weights), repeat, flat(outputs[0])))]

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
        return [(weighted_mean_backward, (flat(weights), repeat, flat(output_grads[0]), flat(input_grads[0])))]


@kernel
def add_term(term: Array, factor: Array, total: Array) -> None:
    """Add factor * term to the total, in float64."""
    total[0] += factor[0] * np.float64(term[0])


@kernel
def term_backward(factor: Array, gtotal: Array, gterm: Array) -> None:
    """Compute the gradient of one term."""
    gterm[0] = factor[0] * gtotal[0]


@kernel
def set_zero(total: Array) -> None:
    """Set a total to zero."""
    total[0] = 0.0


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

    def forward(self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]) -> list[Call]:
        """Return one call for each term."""
        total = flat(outputs[0])
        terms = zip(inputs, self._factors, strict=True)
        return [(set_zero, (total,)), *((add_term, (flat(x), factor, total)) for x, factor in terms)]

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


class State(Constant):
    """A leaf whose array is read and written at every run and belongs to somebody outside."""

    def __init__(self, value: Array) -> None:
        super().__init__(value)
        self.value = value


@kernel
def accumulate_mean(values: Array, weights: Array, repeat: int, state: Array) -> None:
    """Add sum(w * v) and sum(w) to a state of two float64 numbers."""
    total = 0.0
    weight = 0.0
    for i in range(values.shape[0]):
        w = np.float64(weights[i // repeat])
        total += w * np.float64(values[i])
        weight += w
    state[0] += total
    state[1] += weight


@kernel
def accumulate_scalar(value: Array, samples: Array, state: Array) -> None:
    """Add the mean of a batch, times its number of samples, to a state of two float64 numbers."""
    n = samples.shape[0]
    state[0] += np.float64(value[0]) * n
    state[1] += n


@kernel
def accumulate_plain(values: Array, state: Array) -> None:
    """Add sum(v) and the number of values to a state of two float64 numbers."""
    total = 0.0
    for i in range(values.shape[0]):
        total += np.float64(values[i])
    state[0] += total
    state[1] += values.shape[0]


class AccumulateMean(Op):
    """Add a batch of values to a running mean, weighted when weights are given; has no output."""

    differentiable = False

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        if len(specs) == 2:
            return ()
        values, weights, _ = specs
        if weights.rank > values.rank or values.shape[: weights.rank] != weights.shape:
            raise ShapeError(f"weights of shape {weights.shape} do not fit metric values of shape {values.shape}")
        return ()

    def forward(self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]) -> list[Call]:
        """Return one call."""
        if len(inputs) == 2:
            return [(accumulate_plain, (flat(inputs[0]), inputs[1]))]
        values, weights, state = inputs
        repeat = values.size // weights.size
        return [(accumulate_mean, (flat(values), flat(weights), repeat, state))]


class AccumulateScalar(Op):
    """Add the mean of a batch to a running mean over samples; has no output."""

    differentiable = False

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return nothing."""
        return ()

    def forward(self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]) -> list[Call]:
        """Return one call."""
        value, samples, state = inputs
        return [(accumulate_scalar, (flat(value), samples.reshape(samples.shape[0], -1), state))]


def weighted_mean(values: Any, weights: Any) -> Any:
    """Return sum(weights * values) / number of values, as a float64 scalar."""
    return apply(WeightedMean(), values, weights)


def weighted_total(terms: Sequence[Any], factors: Sequence[float]) -> Any:
    """Return the sum of factor * term, as a float64 scalar."""
    return apply(WeightedTotal(factors), *terms)
