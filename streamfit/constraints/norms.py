"""Constraints on the norms of weights, with the formulas and the default arguments of Keras 3.

Squares are added up in float64 and each element is rounded once, so a norm of float32 weights neither
overflows nor loses small elements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from streamfit import ops
from streamfit._base.checks import integer, real
from streamfit._base.config import epsilon
from streamfit._base.specs import Array, Spec
from streamfit.constraints.constraint import Constraint, registry
from streamfit.kernels import Call, kernel
from streamfit.ops.axes import Axis, several_axes
from streamfit.ops.casting import floating, operand
from streamfit.ops.core import Op, Operand, Value, apply, workspace


@kernel
def scale_to_norm(w: Array, out: Array, factors: Array, limits: Array) -> None:
    """Scale the vectors along the middle axis of w (outer, middle, inner).

    `limits` holds the smallest norm, the largest, the share of the way to go, and the number that is added to
    the norm that divides. `out` may be `w`.
    """
    smallest, largest, rate, fuzz = limits[0], limits[1], limits[2], limits[3]
    for i in range(w.shape[0]):
        for k in range(w.shape[2]):
            factors[k] = 0
        for j in range(w.shape[1]):
            for k in range(w.shape[2]):
                v = np.float64(w[i, j, k])
                factors[k] += v * v
        for k in range(w.shape[2]):
            norm = np.sqrt(factors[k])
            wanted = smallest if norm < smallest else norm
            wanted = largest if wanted > largest else wanted
            if rate != 1:
                wanted = rate * wanted + (1 - rate) * norm
            factors[k] = wanted / (norm + fuzz)
        for j in range(w.shape[1]):
            for k in range(w.shape[2]):
                out[i, j, k] = w[i, j, k] * factors[k]


class ScaleToNorm(Op):
    """Scale the vectors along neighbouring axes; it works in place too, with the input as output.

    Args:
        first: The first of the axes.
        last: The axis behind the last of them.
        limits: The smallest norm, the largest, and the share of the way to go.
    """

    def __init__(self, first: int, last: int, limits: tuple[float, float, float]) -> None:
        self._axes = first, last
        self._limits = np.array([*limits, epsilon()])

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the input."""
        return specs[:1]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        shape = inputs[0].shape
        first, last = self._axes
        folded = math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])
        factors = workspace(folded[2:], np.float64)
        arrays = inputs[0].reshape(folded), outputs[0].reshape(folded), factors
        return [(scale_to_norm, (*arrays, self._limits))]


class NormConstraint(Constraint):
    """Base of the constraints on norms.

    Args:
        axis: The axis along which the norms are taken, or a list of them, or None for all axes.

    Raises:
        TypeError: `axis` is none of these.
        ValueError: It is an empty list.
    """

    def __init__(self, axis: Axis = 0) -> None:
        self.axis = _axis(axis)

    def __call__(self, w: Operand) -> Value:
        """Return the values for the weight `w`.

        Raises:
            ValueError: `w` has no such axis, or one is named twice.
        """
        value = floating(operand(w))
        rank = len(value.shape)
        axes = several_axes(type(self).__name__, self.axis, rank)
        start = axes[0] if axes else 0
        if axes == list(range(start, start + len(axes))):
            return apply(ScaleToNorm(start, start + len(axes), self._limits()), value)
        order = axes + [axis for axis in range(rank) if axis not in axes]  # the vectors come first
        scaled = apply(ScaleToNorm(0, len(axes), self._limits()), ops.transpose(value, order))
        return ops.transpose(scaled, [order.index(axis) for axis in range(rank)])

    def _limits(self) -> tuple[float, float, float]:
        """Return the smallest norm, the largest, and the share of the way to go."""
        raise TypeError(f"{type(self).__name__} must define _limits(self)")


class MaxNorm(NormConstraint):
    """Scale vectors of weights whose norm is larger than `max_value`.

    Each vector w is multiplied by ``min(norm, max_value) / (norm + epsilon)``, as in Keras 3, with the
    `streamfit.epsilon`. A vector of zeros stays as it is; one that holds a NaN becomes NaN.

    Args:
        max_value: The largest norm, zero or positive.
        axis: The axis along which the norms are taken, or a list of them, or None for all axes. 0 takes the
            weights into each unit of a `Dense` layer; ``[0, 1, 2]`` those into each filter of a convolution
            of images.

    Raises:
        ValueError: `max_value` is negative or no number.

    Example:
        >>> MaxNorm(1.0)([[3.0, 0.3], [4.0, 0.4]]).round(4)
        array([[0.6, 0.3],
               [0.8, 0.4]], dtype=float32)
    """

    def __init__(self, max_value: float = 2.0, axis: Axis = 0) -> None:
        super().__init__(axis)
        self.max_value = _at_least_zero("max_value", max_value)

    def _limits(self) -> tuple[float, float, float]:
        return 0.0, self.max_value, 1.0


class UnitNorm(NormConstraint):
    """Scale vectors of weights to a norm of 1: each is divided by ``norm + epsilon``, as in Keras 3.

    A vector of zeros stays as it is; one that holds a NaN becomes NaN.

    Args:
        axis: As for `MaxNorm`.

    Example:
        >>> UnitNorm()([[3.0, 0.3], [4.0, 0.4]]).round(4)
        array([[0.6, 0.6],
               [0.8, 0.8]], dtype=float32)
    """

    def __init__(self, axis: Axis = 0) -> None:
        super().__init__(axis)

    def _limits(self) -> tuple[float, float, float]:
        return 1.0, 1.0, 1.0


class MinMaxNorm(NormConstraint):
    """Bring the norms of vectors of weights between two limits, or nearer to them.

    Each vector w is multiplied by ``wanted / (norm + epsilon)`` with ``wanted = rate * clip(norm, min_value,
    max_value) + (1 - rate) * norm``, as in Keras 3. A vector of zeros stays as it is; one that holds a NaN
    becomes NaN.

    Args:
        min_value: The smallest norm, zero or positive.
        max_value: The largest norm, at least `min_value`.
        rate: Share of the way that each step goes, in [0, 1]; 1 keeps the limits strictly.
        axis: As for `MaxNorm`.

    Raises:
        ValueError: A limit is negative or no number, or the limits are the wrong way round, or `rate` is not
            in [0, 1].

    Example:
        >>> MinMaxNorm(1.0, 2.0, rate=0.5)([[3.0, 0.3], [4.0, 0.4]]).round(4)
        array([[2.1 , 0.45],
               [2.8 , 0.6 ]], dtype=float32)
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ) -> None:
        super().__init__(axis)
        self.min_value = _at_least_zero("min_value", min_value)
        self.max_value = _at_least_zero("max_value", max_value)
        if self.max_value < self.min_value:
            raise ValueError(f"max_value {max_value!r} is less than min_value {min_value!r}")
        self.rate = _at_least_zero("rate", rate)
        if self.rate > 1:
            raise ValueError(f"rate must be a number in [0, 1], got {rate!r}")

    def _limits(self) -> tuple[float, float, float]:
        return self.min_value, self.max_value, self.rate


def _at_least_zero(name: str, value: object) -> float:
    number = real(value)
    if number is None or not number >= 0:
        raise ValueError(f"{name} must be a number that is zero or positive, got {value!r}")
    return number


def _axis(value: Axis) -> Axis:
    """Return an argument as None, a whole number or a list of them."""
    if value is None:
        return None
    several = isinstance(value, (Sequence, np.ndarray))
    given = list(value) if isinstance(value, (Sequence, np.ndarray)) else [value]
    numbers = [number for number in map(integer, given) if number is not None]
    if len(numbers) < len(given):
        raise TypeError(f"axis must be a whole number, a list of them, or None for all axes, got {value!r}")
    if not numbers:
        raise ValueError(f"axis must name at least one axis, or be None for all of them, got {value!r}")
    return numbers if several else numbers[0]


max_norm, min_max_norm, unit_norm = MaxNorm, MinMaxNorm, UnitNorm

registry.register(MaxNorm, "max_norm", "MaxNorm")
registry.register(MinMaxNorm, "min_max_norm", "MinMaxNorm")
registry.register(UnitNorm, "unit_norm", "UnitNorm")
