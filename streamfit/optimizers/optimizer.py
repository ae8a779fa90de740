"""`Optimizer`: turns a gradient into a change of the weights, both one flat vector.

A program asks once for the kernel calls of a step (`bind`) and then runs them at every step. What may
change while training, such as the learning rate, lies in the vector `hyper`, which the kernels read;
what an optimizer remembers lies in the vectors of `state`, one element for each weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from streamfit._base.configs import Configurable, describe
from streamfit._base.names import Registry, snake_case
from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.optimizers import schedules
from streamfit.optimizers.clipping import clip_by_norm, clip_by_value, decay_weights
from streamfit.optimizers.hyper import CLIP, LEARNING_RATE, SIZE, WEIGHT_DECAY, at_least_zero, positive

Schedule = Callable[[int], float]
registry: Registry[Any] = Registry("optimizer")

_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


class Optimizer(Configurable):
    """Base of all optimizers.

    A subclass names its memories in `memories` and returns its kernel calls from `step`.

    Args:
        learning_rate: A number, or a schedule: a function from the count of finished steps to a number.
        weight_decay: Share of each weight, times the learning rate, that is taken off at each step,
            apart from the gradient (Loshchilov and Hutter, "Decoupled weight decay", 2019); or None.
        clipnorm: Largest norm of the gradient of each weight array, or None.
        clipvalue: Largest absolute value of each element of the gradient, or None.
        global_clipnorm: Largest norm of the whole gradient, or None.
        decay: The learning rate is divided by ``1 + decay * iterations`` (Keras 2).
        name: A name; by default the class name in snake case.
        lr: Another name of `learning_rate` (Keras 2).

    Raises:
        ValueError: A number is out of range, or more than one kind of clipping is asked for.

    Attributes:
        hyper: float64 vector of settings that kernels read.
        state: Vectors by name, made by `bind`.
    """

    memories: ClassVar[dict[str, float]] = {}
    """Name and first value of each vector of `state`."""
    hyper: Array

    def __init__(
        self,
        learning_rate: float | Schedule = 0.001,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        decay: float = 0.0,
        name: str | None = None,
        lr: float | None = None,
    ) -> None:
        self.name = name or snake_case(type(self).__name__)
        self.state: dict[str, Array] = {}
        self._clock: Array = np.zeros(2, dtype=np.int64)
        self._schedule: Schedule | None = None
        self.decay = at_least_zero("decay", decay)
        self.learning_rate = learning_rate if lr is None else lr
        self._set_clipping(clipnorm, clipvalue, global_clipnorm)
        self.weight_decay = weight_decay

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the vector of settings, so that a subclass may set its own before it calls super()."""
        optimizer = super().__new__(cls)
        optimizer.hyper = np.zeros(SIZE, dtype=np.float64)
        return optimizer

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled; arrays are copied: a worker may get them in memory that all share."""
        self.__dict__.update(state)
        self.hyper, self._clock = np.array(self.hyper), np.array(self._clock)
        self.state = {name: np.array(vector) for name, vector in self.state.items()}

    def _set_clipping(self, norm: float | None, value: float | None, whole: float | None) -> None:
        given = {n: v for n, v in zip(_CLIPS, (norm, value, whole), strict=True) if v is not None}
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm can be set, got {given}")
        for name, limit in given.items():
            self.hyper[CLIP] = positive(name, limit)
        self._clipping = next(iter(given), "")

    # -- settings -------------------------------------------------------------------------------

    @property
    def learning_rate(self) -> Any:
        """Return the learning rate: a float, of the coming step where a schedule sets it."""
        return self._rate if self._schedule is None else float(self._schedule(self.iterations))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(value, dict):
            value = schedules.get(value)
        if callable(value):
            self._schedule = value
            self._rate = float(value(self.iterations))
        elif self._schedule is not None:
            raise TypeError(
                "the learning rate of this optimizer follows a schedule and cannot be set to "
                f"{value!r}; make the optimizer with a number to set it later"
            )
        else:
            self._rate = at_least_zero("learning_rate", value)
        self.prepare(self.iterations)

    @property
    def lr(self) -> Any:
        """Return the learning rate; its name in Keras 2."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: Any) -> None:
        self.learning_rate = value

    @property
    def weight_decay(self) -> float | None:
        """Return the decoupled weight decay, or None."""
        return self._weight_decay

    @weight_decay.setter
    def weight_decay(self, value: float | None) -> None:
        self._weight_decay = None if value is None else at_least_zero("weight_decay", value)
        self.hyper[WEIGHT_DECAY] = self._weight_decay or 0.0

    @property
    def clipnorm(self) -> float | None:
        """Return the largest norm of the gradient of each weight array, or None."""
        return self._limit("clipnorm")

    @property
    def clipvalue(self) -> float | None:
        """Return the largest absolute value of each element of the gradient, or None."""
        return self._limit("clipvalue")

    @property
    def global_clipnorm(self) -> float | None:
        """Return the largest norm of the whole gradient, or None."""
        return self._limit("global_clipnorm")

    def _limit(self, name: str) -> float | None:
        return float(self.hyper[CLIP]) if self._clipping == name else None

    @property
    def iterations(self) -> int:
        """Return how many steps have been finished."""
        return int(self._clock[1])

    @iterations.setter
    def iterations(self, value: int) -> None:
        self._clock[1] = value

    # -- what a program asks --------------------------------------------------------------------

    @property
    def follows_schedule(self) -> bool:
        """Tell whether a schedule sets the learning rate."""
        return self._schedule is not None

    @property
    def needs_prepare(self) -> bool:
        """Tell whether `prepare` must be called before each step: the learning rate changes by itself."""
        return self._schedule is not None or self.decay > 0.0

    def prepare(self, iteration: int) -> None:
        """Write the learning rate of the step after `iteration` finished ones."""
        rate = self._rate if self._schedule is None else float(self._schedule(iteration))
        self.hyper[LEARNING_RATE] = rate / (1.0 + self.decay * iteration)

    def bind(self, weights: Array, grads: Array, sizes: Array, clock: Array) -> list[Call]:
        """Return the kernel calls of one step.

        Args:
            weights: All trainable weights, one float vector; changed in place.
            grads: Their gradient; clipping changes it in place.
            sizes: int64 vector: how many elements belong to each weight array.
            clock: int64 vector [seed, finished steps]; the caller counts it up after the step.

        Returns:
            Calls to be run in this order. State of the right size is kept, so that training goes on; with
            other weights it starts anew.
        """
        if any(not self._fits(vector, weights) for vector in self._own_vectors()):
            self.reset()
        clock[1] = max(int(clock[1]), self.iterations)
        self._clock = clock
        self._make_state(weights)
        calls = self._clip_calls(grads, sizes)
        if self.weight_decay:
            calls.append((decay_weights, (weights, self.hyper)))
        return calls + self.step(weights, grads, clock)

    def _clip_calls(self, grads: Array, sizes: Array) -> list[Call]:
        if self._clipping == "clipvalue":
            return [(clip_by_value, (grads, self.hyper))]
        if self._clipping == "clipnorm":
            return [(clip_by_norm, (grads, sizes, self.hyper))]
        if self._clipping == "global_clipnorm":
            return [(clip_by_norm, (grads, np.array([grads.size], dtype=np.int64), self.hyper))]
        return []

    def _own_vectors(self) -> list[Array]:
        return [self.state[name] for name in self.first_values() if name in self.state]

    @staticmethod
    def _fits(vector: Array, weights: Array) -> bool:
        return vector.shape == weights.shape and vector.dtype == weights.dtype

    def _make_state(self, weights: Array) -> None:
        for name, first in self.first_values().items():
            if name not in self.state:
                self.state[name] = np.full(weights.shape, first, dtype=weights.dtype)

    def first_values(self) -> dict[str, float]:
        """Return the name and the first value of each vector of `state` that the settings ask for."""
        return dict(self.memories)

    def step(self, weights: Array, grads: Array, clock: Array) -> list[Call]:
        """Return the kernel calls of the optimizer's own step."""
        raise TypeError(f"{type(self).__name__} must define step(self, weights, grads, clock)")

    def reset(self) -> None:
        """Forget the state and the count of steps."""
        self.state = {}
        self._clock = np.zeros(2, dtype=np.int64)
        self.prepare(0)

    def restore(self, state: dict[str, Array], hyper: Array, iterations: int) -> None:
        """Go on with what was saved of an optimizer of the same kind: `state`, `hyper` and `iterations`."""
        for name, vector in state.items():
            if name in self.state and self.state[name].shape == vector.shape:
                self.state[name][...] = vector  # kernels may be bound to it
            else:
                self.state[name] = np.array(vector)
        self.hyper[...] = hyper
        self.iterations = iterations

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make an equal optimizer, its state apart."""
        config = {key: value for key, value in super().get_config().items() if key != "lr"}
        if self._schedule is not None:
            known = isinstance(self._schedule, Configurable)
            config["learning_rate"] = describe(self._schedule) if known else self._schedule
        return config
