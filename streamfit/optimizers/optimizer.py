"""`Optimizer`: turns a gradient into a change of the weights, both one flat vector.

A program asks once for the kernel calls of a step (`bind`) and then runs them at every step. Settings that
may change while training, such as the learning rate, are in the vector `hyper`, which the kernels read; the
state of an optimizer is in the vectors of `state`, one element for each weight.

Guarantee kept here: a setting that is changed counts from the next step on, or the change is refused. A
change that needs other kernels moves `revision`; the runner of the calls then asks for them again.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import ClassVar, Self, TypedDict

import numpy as np

from streamfit._base.configs import Config, Configurable, describe
from streamfit._base.names import Registry, did_you_mean, snake_case
from streamfit._base.specs import Array
from streamfit.kernels import Call
from streamfit.optimizers import schedules
from streamfit.optimizers.hyper import (
    CLIP,
    LEARNING_RATE,
    SIZE,
    WEIGHT_DECAY,
    Flag,
    Hyper,
    at_least_zero,
    positive,
    settings_of,
)
from streamfit.optimizers.rates import RateTable
from streamfit.optimizers.tables import RowRule, Table, table_updates
from streamfit.optimizers.update import Update, stretches
from streamfit.optimizers.work import Work

Schedule = Callable[[int], float]
"""From the count of finished steps to a learning rate."""
LearningRate = float | Schedule | dict[str, object]
"""A number, a schedule, or the description of one."""
registry: Registry[type[Optimizer]] = Registry("optimizer")

_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
_OWN = ("hyper", "name", "work")
_COUNT_AT_ONCE = {*_OWN, "learning_rate", "lr", "decay", "weight_decay", *_CLIPS, "iterations"}


class SharedOptions(TypedDict, total=False):
    """Arguments that every optimizer takes, without the decay of weights; see `Optimizer`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    decay: float
    name: str | None
    lr: float | None


class OptimizerOptions(SharedOptions, total=False):
    """Arguments that every optimizer takes; see `Optimizer`."""

    weight_decay: float | None


class Optimizer(Configurable):
    """Base of all optimizers.

    A subclass names its state vectors in `state_names` and returns its kernel calls from `step`.

    Settings are attributes and may be changed at any time: a change counts from the next step on. A change
    that cannot count is refused; so is, for the optimizers of this library, an attribute that is no setting.

    Args:
        learning_rate: A number, or a schedule: a function from the count of finished steps to a number. It
            depends on nothing else, and may be called for several steps ahead.
        weight_decay: Share of each weight, times the learning rate, that each step subtracts, apart from the
            gradient (Loshchilov and Hutter, "Decoupled weight decay", 2019); or None.
        clipnorm: Largest norm of the gradient of each weight array, or None.
        clipvalue: Largest absolute value of each element of the gradient, or None.
        global_clipnorm: Largest norm of the whole gradient, or None.
        decay: The learning rate is divided by ``1 + decay * iterations`` (Keras 2).
        name: A name; by default the class name in snake case.
        lr: Another name of `learning_rate` (Keras 2).

    Raises:
        ValueError: A number is out of range, or more than one kind of clipping is set.

    Attributes:
        hyper: float64 vector of settings that kernels read.
        work: The steps and the state vectors of the model that uses the optimizer. An optimizer of several
            models has a `Work` for each, and shows that of the model that used it last.
    """

    state_names: ClassVar[dict[str, float]] = {}
    """Name and first value of each vector of `state`."""
    elementwise: ClassVar[bool] = False
    """Whether `step` changes each weight by its own gradient and state alone, so that it may be called for
    parts of the vectors, which several threads then update."""
    hyper: Array
    work: Work
    _rates: RateTable
    _revision: int
    _clipping: str
    _weight_decay: float | None

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
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
        self._schedule: Schedule | None = None
        self._decay = at_least_zero("decay", decay)
        self.learning_rate = learning_rate if lr is None else lr
        self._set_clipping(clipnorm, clipvalue, global_clipnorm)
        self.weight_decay = weight_decay

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        """Make the vector of settings, so that a subclass may set its own before it calls super()."""
        optimizer = super().__new__(cls)
        optimizer._revision = 0
        optimizer.hyper = np.zeros(SIZE, dtype=np.float64)
        optimizer.work = Work()
        optimizer._rates = RateTable()
        optimizer._clipping = ""
        optimizer._weight_decay = None
        return optimizer

    def __setstate__(self, state: dict[str, object]) -> None:
        """Restore a pickled object; settings are copied, because workers may share their memory."""
        self.__dict__.update(state)
        self.hyper, self._rates = np.array(self.hyper), RateTable()

    def _set_clipping(self, norm: float | None, value: float | None, whole: float | None) -> None:
        given = {n: v for n, v in zip(_CLIPS, (norm, value, whole), strict=True) if v is not None}
        if len(given) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm can be set, got {given}")
        for name, limit in given.items():
            self._clip(name, limit)

    # -- settings -------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: object) -> None:
        kind = type(self)
        if not name.startswith("_"):
            if not hasattr(kind, name) and name not in _OWN and kind.__module__.startswith("streamfit."):
                known = settings_of(kind)
                raise AttributeError(
                    f"{kind.__name__} has no setting {name!r}, so {name} = {value!r} would do nothing."
                    f"{did_you_mean(name, known)} Its settings are {', '.join(known)}"
                )
            if name not in _COUNT_AT_ONCE and not isinstance(getattr(kind, name, None), (Hyper, Flag)):
                self.restructure()  # perhaps `step` reads it
        super().__setattr__(name, value)

    @property
    def revision(self) -> int:
        """Return a number that changes whenever `bind` would return other calls than before."""
        return self._revision

    def restructure(self) -> None:
        """Have the calls of a step made again before the next one."""
        self._revision += 1

    @property
    def state(self) -> dict[str, Array]:
        """Return the vectors by name, with all rows up to date; `bind` makes them."""
        self.work.settle(wake=True)
        return self.work.state

    @property
    def variables(self) -> list[Array]:
        """List the count of steps, the learning rate, and the state of each weight; copies of the numbers."""
        return [np.array(self.iterations), np.array(self.learning_rate), *self.work.arrays()]

    @property
    def decay(self) -> float:
        """Return the decay of the learning rate (Keras 2)."""
        return self._decay

    @decay.setter
    def decay(self, value: float) -> None:
        before = self.needs_prepare
        self._decay = at_least_zero("decay", value)
        if self.needs_prepare != before:
            self.restructure()
        self._write_rate(self.iterations)

    @property
    def learning_rate(self) -> float:
        """Return the learning rate: of the next step where a schedule sets it."""
        return self._rate if self._schedule is None else float(self._schedule(self.iterations))

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        if isinstance(value, dict):
            value = schedules.get(value)
        if callable(value):
            if not self.needs_prepare:
                self.restructure()
            self._schedule = value
            self._rate = float(value(self.iterations))
        elif self._schedule is not None:
            raise TypeError(
                "the learning rate of this optimizer follows a schedule and cannot be set to "
                f"{value!r}; make the optimizer with a number to set it later"
            )
        else:
            self._rate = at_least_zero("learning_rate", value)
        self._write_rate(self.iterations)

    @property
    def lr(self) -> float:
        """Return the learning rate; its name in Keras 2."""
        return self.learning_rate

    @lr.setter
    def lr(self, value: LearningRate) -> None:
        self.learning_rate = value

    @property
    def weight_decay(self) -> float | None:
        """Return the decoupled weight decay, or None."""
        return self._weight_decay

    @weight_decay.setter
    def weight_decay(self, value: float | None) -> None:
        before = self._weight_decay
        self._weight_decay = None if value is None else at_least_zero("weight_decay", value)
        self.hyper[WEIGHT_DECAY] = self._weight_decay or 0.0
        if bool(before) != bool(self._weight_decay):
            self.restructure()

    @property
    def clipnorm(self) -> float | None:
        """Return the largest norm of the gradient of each weight array, or None."""
        return self._limit("clipnorm")

    @clipnorm.setter
    def clipnorm(self, value: float | None) -> None:
        self._clip("clipnorm", value)

    @property
    def clipvalue(self) -> float | None:
        """Return the largest absolute value of each element of the gradient, or None."""
        return self._limit("clipvalue")

    @clipvalue.setter
    def clipvalue(self, value: float | None) -> None:
        self._clip("clipvalue", value)

    @property
    def global_clipnorm(self) -> float | None:
        """Return the largest norm of the whole gradient, or None."""
        return self._limit("global_clipnorm")

    @global_clipnorm.setter
    def global_clipnorm(self, value: float | None) -> None:
        self._clip("global_clipnorm", value)

    def _limit(self, name: str) -> float | None:
        return float(self.hyper[CLIP]) if self._clipping == name else None

    def _clip(self, name: str, value: float | None) -> None:
        """Set, change or end one kind of clipping."""
        before = self._clipping
        if value is not None:
            if before not in ("", name):
                raise ValueError(
                    f"only one of clipnorm, clipvalue and global_clipnorm can be set: {before} is "
                    f"{self._limit(before)}; set {before} = None before {name} = {value!r}"
                )
            self.hyper[CLIP], self._clipping = positive(name, value), name
        elif before == name:
            self._clipping = ""
        if self._clipping != before:
            self.restructure()

    @property
    def iterations(self) -> int:
        """Return how many steps have been finished."""
        return int(self.work.step_state[1])

    @iterations.setter
    def iterations(self, value: int) -> None:
        try:
            steps = operator.index(value.item() if isinstance(value, np.ndarray) else value)
        except TypeError:
            raise TypeError(f"iterations must be a whole number, got {value!r}") from None
        if steps < 0:
            raise ValueError(f"iterations must be zero or positive, got {value!r}")
        self.work.step_state[1] = steps

    # -- called by a program --------------------------------------------------------------------

    @property
    def follows_schedule(self) -> bool:
        """Return whether a schedule sets the learning rate."""
        return self._schedule is not None

    @property
    def needs_prepare(self) -> bool:
        """Return whether the learning rate depends on the step, so that `prepare` comes before steps."""
        return self._schedule is not None or self.decay > 0.0

    def prepare(self, iteration: int, steps: int = 1) -> int:
        """Compute the learning rates of the steps after `iteration` finished ones.

        Args:
            iteration: How many steps are finished.
            steps: For how many steps the rates are wanted.

        Returns:
            For how many of them they are ready, at least 1; where a schedule raises for a later step, for
            those before it.
        """
        return self._rates.fill(self._rate_after, iteration, steps)

    def _write_rate(self, iteration: int) -> None:
        """Write the learning rate that counts where it does not depend on the step."""
        self.hyper[LEARNING_RATE] = self._rate_after(iteration)

    def _rate_after(self, iteration: int) -> float:
        rate = self._rate if self._schedule is None else float(self._schedule(iteration))
        return rate / (1.0 + self._decay * iteration)

    def bind(self, weights: Array, grads: Array, sizes: Array, step_state: Array) -> list[Call]:
        """Return the kernel calls of one step, in which no weight is updated by rows; see `update`."""
        return self.update(weights, grads, sizes, step_state).calls({})

    def update(
        self, weights: Array, grads: Array, sizes: Array, step_state: Array, tables: Sequence[Table] = ()
    ) -> Update:
        """Return the update of one step, which gives its calls, to be run in their order.

        State of the right size is kept, so that training continues; with other weights it starts again,
        unless `Work.arrange` has made it fit.

        Args:
            weights: All trainable weights, one float vector; changed in place.
            grads: Their gradient; clipping changes it in place. The parts of tables are not used.
            sizes: int64 vector: the number of elements of each weight array.
            step_state: int64 vector [seed, finished steps]; the caller increments it after the step.
            tables: Weights that may be updated by rows; `Update.tables` says which of them are.
        """
        self.work.settle()
        self.work.drop_unneeded(self.first_values())
        if any(not self._fits(vector, weights) for vector in self._own_vectors()):
            self.reset()
        step_state[1] = max(int(step_state[1]), self.iterations)
        self.work.step_state = step_state
        self._make_state(weights)
        decays, states = bool(self.weight_decay), [self.work.state[name] for name in self.first_values()]
        vectors = (weights, states, sizes)
        by_rows = table_updates(self.row_rule(), tables, *vectors, self.hyper, step_state, decays)
        between = stretches(sizes, by_rows)
        first = [self._rates.call(step_state, self.hyper)] if self.needs_prepare else []
        step_on = functools.partial(self._step_on, self.work, weights, grads, step_state)
        steps = [call for stretch in between for call in step_on(stretch.place)]
        made = (weights, grads, sizes, self.hyper, self._clipping, decays, between, first, steps, by_rows)
        self.work.update = Update(*made, step_on if self.elementwise else None)
        return self.work.update

    def _step_on(
        self, work: Work, weights: Array, grads: Array, step_state: Array, place: slice
    ) -> list[Call]:
        """Return the calls of the own step for some elements of the vectors, with the state in `work`."""
        shown, self.work = self.work, work.part(place, weights.size)
        try:
            return self.step(weights[place], grads[place], step_state)
        finally:
            self.work = shown

    def row_rule(self) -> RowRule | None:
        """Return the kernels that update rows of a table; None if tables are updated as a whole."""
        return None

    def _own_vectors(self) -> list[Array]:
        return [self.work.state[name] for name in self.first_values() if name in self.work.state]

    @staticmethod
    def _fits(vector: Array, weights: Array) -> bool:
        return vector.shape == weights.shape and vector.dtype == weights.dtype

    def _make_state(self, weights: Array) -> None:
        for name, first in self.first_values().items():
            if name not in self.work.state:
                self.work.state[name] = np.full(weights.shape, first, dtype=weights.dtype)

    def first_values(self) -> dict[str, float]:
        """Return the name and the first value of each vector of `state` that the settings need."""
        return dict(self.state_names)

    def step(self, weights: Array, grads: Array, step_state: Array) -> list[Call]:
        """Return the kernel calls of the optimizer's own step."""
        raise TypeError(f"{type(self).__name__} must define step(self, weights, grads, step_state)")

    def work_for(self, owner: object) -> Work:
        """Return the state for one model, and show it from now on.

        The model whose steps are shown continues; another model starts from zero, and the state of the first
        does not change. Steps that were set before there was any model belong to the first one.
        """
        if self.work.owner is None:
            self.work.owner = owner
        elif self.work.owner is not owner:
            self.work = Work(owner)
            self._write_rate(0)
        return self.work

    def reset(self) -> None:
        """Forget the state and the count of steps."""
        self.work.forget()
        self._write_rate(0)
        self.restructure()

    def restore(self, state: dict[str, Array], hyper: Array, iterations: int) -> None:
        """Continue from the saved `state`, `hyper` and `iterations` of an optimizer of the same kind."""
        self.work.settle()
        for name, vector in state.items():
            if name in self.work.state and self.work.state[name].shape == vector.shape:
                self.work.state[name][...] = vector  # kernels may be bound to it
            else:
                self.work.state[name] = np.array(vector)
                self.work.places = None
        self.hyper[...] = hyper
        self.iterations = iterations
        self.restructure()

    def get_config(self) -> Config:
        """Return the arguments that make an equal optimizer, without its state."""
        config = {key: value for key, value in super().get_config().items() if key != "lr"}
        if self._schedule is not None:
            known = isinstance(self._schedule, Configurable)
            config["learning_rate"] = describe(self._schedule) if known else self._schedule
        return config
