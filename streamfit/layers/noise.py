"""Layers that draw random numbers in training and do nothing otherwise.

There is no generator with a state: the numbers are a function of the program's seed, the iteration, the
layer's stream and the position in the batch. So a resumed training draws the same numbers as an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Unpack

import numpy as np

from streamfit import ops
from streamfit._base.config import next_seed
from streamfit._base.configs import Config
from streamfit._base.keys import derive, seed_or_none
from streamfit._base.specs import Array
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import Checked, at_least_zero
from streamfit.layers.checks import rate as checked_rate
from streamfit.ops.core import STEP_STATE, Value, is_symbolic


class KeyedLayer(Layer):
    """Base of layers that draw random numbers in training.

    Args:
        seed: A whole number that fixes the layer's `stream`, or None: a model then numbers its keyed
            layers in their order.
        **options: As for `Layer`.
    """

    supports_masking = True
    fixed = Layer.fixed | {"seed"}

    def __init__(self, *, seed: int | None = None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(**options)
        self.seed = seed_or_none(seed)
        self.stream: int | None = None if self.seed is None else derive(self.seed, "layer") >> 1
        self._calls = 0

    def key(self, x: Value) -> tuple[Value, int]:
        """Return the step state, which is the program's for tensors and new for arrays, and the stream."""
        stream = derive(0, self.name) >> 1 if self.stream is None else self.stream
        return (STEP_STATE if is_symbolic(x) else self._own_step_state()), stream

    def _own_step_state(self) -> Array:
        if self.seed is None:
            return np.array([next_seed(), 0], dtype=np.int64)
        self._calls += 1
        return np.array([derive(self.seed, "clock") >> 1, self._calls], dtype=np.int64)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "seed": self.seed}


def number_streams(layers: Iterable[Layer]) -> None:
    """Give each keyed layer of a model without a `stream` the first free number, in order.

    So equal models draw equal numbers, whatever the names of their layers are.

    Args:
        layers: The layers of the model, in order; layers inside layers are found.

    Example:
        >>> first, second = Dropout(0.1), Dropout(0.1)
        >>> number_streams([first, second])
        >>> first.stream, second.stream
        (0, 1)
    """
    keyed = [layer for layer in _all_layers(layers) if isinstance(layer, KeyedLayer)]
    taken = {layer.stream for layer in keyed}
    free = (number for number in count() if number not in taken)
    for layer in keyed:
        if layer.stream is None:
            layer.stream = next(free)


def _all_layers(layers: Iterable[Layer]) -> Iterator[Layer]:
    for layer in layers:
        yield layer
        yield from _all_layers(layer.layers_inside)


class Dropout(KeyedLayer):
    """Set a share of the inputs to zero in training, and scale the others by ``1 / (1 - rate)``.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014,
    in the inverted form, in which inference needs no scaling.

    Args:
        rate: The share, in [0, 1).
        seed: See `KeyedLayer`.
        **options: As for `Layer`.

    Raises:
        ValueError: The rate is outside [0, 1).

    Example:
        >>> import numpy as np
        >>> x = np.ones((1, 4), "float32")
        >>> Dropout(0.5)(x)
        array([[1., 1., 1., 1.]], dtype=float32)
        >>> sorted(set(Dropout(0.5, seed=1)(np.ones((1, 99)), training=True).ravel().tolist()))
        [0.0, 2.0]
    """

    rate = Checked(checked_rate)

    def __init__(self, rate: float, seed: int | None = None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(seed=seed, **options)
        self.rate = rate

    def call(self, x: Value, training: bool = False) -> Value:
        """Drop in training; return `x` otherwise."""
        if not training or self.rate == 0.0:
            return x
        step_state, stream = self.key(x)
        return ops.dropout(x, self.rate, step_state, stream)

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "rate": self.rate}


class GaussianNoise(KeyedLayer):
    """Add normal noise in training.

    Args:
        stddev: Its standard deviation, zero or positive.
        seed: See `KeyedLayer`.
        **options: As for `Layer`.

    Raises:
        ValueError: The deviation is negative.

    Example:
        >>> import numpy as np
        >>> GaussianNoise(0.1)(np.zeros((1, 2)))
        array([[0., 0.]])
    """

    stddev = Checked(at_least_zero)

    def __init__(self, stddev: float, seed: int | None = None, **options: Unpack[LayerOptions]) -> None:
        super().__init__(seed=seed, **options)
        self.stddev = stddev

    def call(self, x: Value, training: bool = False) -> Value:
        """Add noise in training; return `x` otherwise."""
        if not training or self.stddev == 0.0:
            return x
        step_state, stream = self.key(x)
        return ops.add(x, ops.multiply(ops.random_normal(x, step_state, stream), self.stddev))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        return {**super().get_config(), "stddev": self.stddev}
