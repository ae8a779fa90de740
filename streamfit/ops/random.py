"""Stateless randomness: dropout and noise, computed from a key and the index of each element.

An element's number is ``mix(key + index * golden)``, the generator SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", OOPSLA 2014) read at `index`; the key is
``derive(seed, iteration, stream)`` of `streamfit._base.keys`. There is no state to advance, so the
backward pass computes the same numbers again instead of keeping them, and a resumed run repeats the
original.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array, Spec
from streamfit.kernels import Call, kernel
from streamfit.kernels.decorator import inlined
from streamfit.kernels.splitmix import splitmix
from streamfit.ops.casting import floating, operand
from streamfit.ops.core import Op, Operand, Tensor, Value, apply, flat
from streamfit.ops.operation import first_row
from streamfit.ops.public_calls import recorded

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_S11 = np.uint64(11)
_ULP = 2.0**-53
_TURN = 2 * np.pi


@inlined
def mix(value: np.uint64) -> np.uint64:
    """Scramble 64 bits: the finaliser of SplitMix64, after one step of its counter."""
    return splitmix(value, 0)


@inlined
def key_of(state: Array, stream: int) -> np.uint64:
    """Derive the key of one use of randomness in one iteration."""
    key = mix(np.uint64(state[0]))
    key = mix(key ^ np.uint64(state[1]))
    return mix(key ^ np.uint64(stream))


@kernel
def dropout_kernel(
    x: Array, state: Array, y: Array, settings: Array, threshold: Array, stream: int, first: int
) -> None:
    """Keep x times settings[0] where the element's number reaches threshold[0]; else 0.

    Element i of x is element first + i of the whole batch.
    """
    key, least = key_of(state, stream), threshold[0]
    scale, zero = y.dtype.type(settings[0]), y.dtype.type(0)
    for i in range(x.shape[0]):
        y[i] = x[i] * scale if mix(key + np.uint64(first + i) * _GOLDEN) >= least else zero


@kernel
def uniform_kernel(state: Array, y: Array, settings: Array, stream: int, first: int) -> None:
    """Fill y with settings[0] + settings[1] times uniform numbers in [0, 1)."""
    key = key_of(state, stream)
    for i in range(y.shape[0]):
        u = np.float64(mix(key + np.uint64(first + i) * _GOLDEN) >> _S11) * _ULP
        y[i] = settings[0] + settings[1] * u


@kernel
def normal_kernel(state: Array, y: Array, settings: Array, stream: int, first: int) -> None:
    """Fill y with normal numbers, settings = (mean, deviation), by Box and Muller's transform (1958)."""
    key = key_of(state, stream)
    for i in range(y.shape[0]):
        u = np.float64((mix(key + np.uint64(2 * (first + i)) * _GOLDEN) >> _S11) + np.uint64(1)) * _ULP
        v = np.float64(mix(key + np.uint64(2 * (first + i) + 1) * _GOLDEN) >> _S11) * _ULP
        y[i] = settings[0] + settings[1] * np.sqrt(-2.0 * np.log(u)) * np.cos(_TURN * v)


class Dropout(Op):
    """Set elements to 0 at random and scale up the others."""

    rowwise = True

    def __init__(self, rate: float, stream: int) -> None:
        self.rate, self.stream = rate, _checked_stream(stream)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape of the input."""
        return (specs[0],)

    def _calls(self, x: Array, state: Array, y: Array) -> list[Call]:
        settings = np.array([1 / (1 - self.rate)])
        threshold = np.array([round(self.rate * 2.0**64)], dtype=np.uint64)
        return [(dropout_kernel, (flat(x), state, flat(y), settings, threshold, self.stream, _first(x)))]

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        return self._calls(inputs[0], inputs[1], outputs[0])

    def backward(
        self,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        scratch: Sequence[Array],
        output_grads: Sequence[Array],
        input_grads: Sequence[Array | None],
    ) -> list[Call]:
        """Return the call that drops and scales the gradient where the input was dropped and scaled."""
        gx = input_grads[0]
        return [] if gx is None else self._calls(output_grads[0], inputs[1], gx)


class RandomUniform(Op):
    """Draw uniform numbers."""

    rowwise = True
    differentiable = False
    _kernel = staticmethod(uniform_kernel)

    def __init__(self, settings: tuple[float, float], stream: int) -> None:
        self.settings, self.stream = settings, _checked_stream(stream)

    def infer(self, *specs: Spec) -> tuple[Spec, ...]:
        """Return the shape and dtype of the first input."""
        return (specs[0],)

    def forward(
        self, inputs: Sequence[Array], outputs: Sequence[Array], scratch: Sequence[Array]
    ) -> list[Call]:
        """Return one call."""
        settings = np.array(self.settings)
        return [
            (type(self)._kernel, (inputs[1], flat(outputs[0]), settings, self.stream, _first(outputs[0])))
        ]


class RandomNormal(RandomUniform):
    """Draw normal numbers."""

    _kernel = staticmethod(normal_kernel)


def _first(x: Array) -> int:
    """Return the number, in the whole batch, of the first element of a block of rows."""
    return first_row() * (x.size // len(x)) if x.ndim and len(x) else 0


def _checked_stream(stream: int) -> int:
    if isinstance(stream, bool) or not isinstance(stream, (int, np.integer)) or not 0 <= stream < 1 << 63:
        raise ValueError(f"a stream is a whole number in [0, 2**63), got {stream!r}")
    return int(stream)


def _step_state(step_state: Operand) -> Value:
    value = operand(step_state if isinstance(step_state, Tensor) else np.asarray(step_state))
    if value.shape != (2,) or value.dtype != np.int64:
        raise ShapeError(
            f"step_state must be an int64 array [seed, iteration], got {value.dtype} of shape {value.shape}"
        )
    return value


@recorded
def dropout(x: Operand, rate: float, step_state: Operand, stream: int) -> Value:
    """Set a share of the elements to 0 and divide the others by ``1 - rate`` (Srivastava et al., 2014).

    Args:
        x: Array or tensor of any shape.
        rate: The share to drop, in [0, 1).
        step_state: The step state, an int64 array or tensor ``[seed, iteration]``, read when the step runs.
        stream: A whole number of at least 0, a different one for each random operation of a model.

    Returns:
        Same shape, floats. Equal arguments give equal results.

    Raises:
        ValueError: `rate` is not in [0, 1).

    Example:
        >>> dropout([1.0, 1.0, 1.0, 1.0], 0.5, step_state=[1, 0], stream=0)
        array([2., 0., 2., 2.], dtype=float32)
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout rate must lie in [0, 1), got {rate}")
    value = floating(x)
    return value if rate == 0 else apply(Dropout(float(rate), stream), value, _step_state(step_state))


@recorded
def random_uniform(
    like: Operand, step_state: Operand, stream: int, minimum: float = 0.0, maximum: float = 1.0
) -> Value:
    """Draw numbers that are uniform between two limits.

    Args:
        like: Array or tensor whose shape and dtype the result takes.
        step_state: The step state, an int64 array or tensor ``[seed, iteration]``, read when the step runs.
        stream: A whole number of at least 0, a different one for each random operation of a model.
        minimum: The lower end.
        maximum: The upper end, reached only by rounding.

    Returns:
        The shape of `like`, floats. Equal arguments give equal results.

    Example:
        >>> random_uniform([0.0, 0.0], step_state=[1, 0], stream=0)
        array([0.8847898 , 0.40316737], dtype=float32)
    """
    return apply(
        RandomUniform((float(minimum), float(maximum - minimum)), stream),
        floating(like),
        _step_state(step_state),
    )


@recorded
def random_normal(
    like: Operand, step_state: Operand, stream: int, mean: float = 0.0, stddev: float = 1.0
) -> Value:
    """Draw numbers from a normal distribution.

    Args:
        like: Array or tensor whose shape and dtype the result takes.
        step_state: The step state, an int64 array or tensor ``[seed, iteration]``, read when the step runs.
        stream: A whole number of at least 0, a different one for each random operation of a model.
        mean: The mean.
        stddev: The standard deviation.

    Returns:
        The shape of `like`, floats. Equal arguments give equal results.

    Example:
        >>> random_normal([0.0, 0.0], step_state=[1, 0], stream=0)
        array([-0.40599608, -0.52623177], dtype=float32)
    """
    return apply(RandomNormal((float(mean), float(stddev)), stream), floating(like), _step_state(step_state))
