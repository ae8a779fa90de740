"""`Metric`: numbers that are gathered batch by batch, in float64, and read at any time.

A program computes a `MeanMetric` inside the step: the mean of values that `call` composes of operations; and
any other `Metric` that says by which operations (`Metric.step_nodes`). The others get each finished batch as
arrays.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Self, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from streamfit import initializers
from streamfit._base.configs import Config, Configurable
from streamfit._base.errors import DataError
from streamfit._base.names import describe_callable, snake_case
from streamfit._base.specs import Array, Shape
from streamfit.kernels.running_sums import grow_all, mean_of
from streamfit.losses.calling import values_of
from streamfit.losses.lookup import CLASS_OF
from streamfit.losses.loss import Loss, per_sample, weights_for
from streamfit.losses.targets import aligned, any_target
from streamfit.metrics.step_nodes import AccumulateMean, StepNodes, sink
from streamfit.ops.core import Operand, Tensor, Value

Result = float | Array | Mapping[str, float | Array]
"""One number, an array of numbers, or these by name."""
Direction = str | Mapping[str, str] | None
"""Which way is better, ``"up"`` or ``"down"``; for a result with keys perhaps by key; None if unknown."""


class MetricState(np.ndarray[tuple[int, ...], np.dtype[np.float64]]):
    """An array with the methods of a Keras variable.

    Example:
        >>> state = np.zeros(2).view(MetricState)
        >>> state.assign_add([1.0, 2.0])
        >>> state.tolist()
        [1.0, 2.0]
    """

    def assign(self, value: ArrayLike) -> None:
        """Overwrite the numbers in place."""
        self[...] = value

    def assign_add(self, value: ArrayLike) -> None:
        """Add to the numbers in place."""
        np.add(self, value, out=self)

    def assign_sub(self, value: ArrayLike) -> None:
        """Subtract from the numbers in place."""
        np.subtract(self, value, out=self)

    def numpy(self) -> Array:
        """Return a copy as a plain array."""
        return np.array(self)


class Metric(Configurable):
    """Base of all metrics.

    A subclass makes its state with `add_variable` in ``__init__``, changes it in `update_state` and
    reads it in `result`. All state is float64 and additive: the state after two runs of data is the sum of
    the states of each.

    Args:
        name: A name; by default the class name in snake case.
        dtype: Kept for Keras' sake; state and results are float64 whatever it is.

    Example:
        >>> class Largest(Metric):
        ...     def __init__(self, name="largest"):
        ...         super().__init__(name=name)
        ...         self.value = self.add_variable((), name="value")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.value.assign(np.maximum(self.value, np.max(y_pred)))
        ...     def result(self):
        ...         return float(self.value)
        >>> metric = Largest()
        >>> metric.update_state([0, 0], [1.0, 3.0])
        >>> metric.result()
        3.0
    """

    default_name: ClassVar[str | None] = None
    direction: Direction = None
    """Which way is better, for callbacks with ``mode="auto"``; see `Direction`."""
    _variables: list[Array]

    # Set up here, not in __init__, so that a subclass may add variables before it calls super().
    def __new__(cls, *args: object, **kwargs: object) -> Self:
        metric = super().__new__(cls)
        metric._variables = []
        return metric

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        self.name = name or self.default_name or snake_case(type(self).__name__)
        self.dtype = None if dtype is None else np.dtype(dtype).name

    def add_variable(
        self,
        shape: Sequence[int] = (),
        initializer: object = "zeros",
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> MetricState:
        """Make a piece of state.

        Args:
            shape: Its shape.
            initializer: Its first value; `reset_state` sets it to zero.
            name: For messages.
            dtype: Kept for Keras' sake; state is float64.
        """
        value = np.asarray(initializers.get(initializer)(tuple(shape), "float64")).view(MetricState)
        self._variables.append(value)
        return value

    def add_weight(
        self,
        name: str | Sequence[int] | None = None,
        shape: Sequence[int] = (),
        initializer: object = "zeros",
        dtype: DTypeLike | None = None,
    ) -> MetricState:
        """Make a piece of state: `add_variable` with the name and the order of arguments of Keras 2."""
        if not isinstance(name, (str, type(None))):
            shape, name = name, None
        return self.add_variable(shape, initializer, name, dtype)

    def _add_total(self) -> Array:
        """Make the running sums of a mean; a plain array, because kernels write to it."""
        total = np.zeros(4)
        self._variables.append(total)
        return total

    @property
    def variables(self) -> list[Array]:
        """List the state."""
        return list(self._variables)

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take a batch into account."""
        raise TypeError(
            f"{type(self).__name__} must define update_state(self, y_true, y_pred, sample_weight=None)"
        )

    # -- in a step ------------------------------------------------------------------------------

    @property
    def traced(self) -> bool:
        """Return whether a program takes batches into account inside its step, by `step_nodes`.

        It does not where a subclass, or the object, has an `update_state` of its own.
        """
        if "update_state" in vars(self):
            return False
        for cls in type(self).__mro__:
            if "step_nodes" in vars(cls):
                return cls is not Metric
            if "update_state" in vars(cls):
                break
        return False

    def step_nodes(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> StepNodes:
        """Return the nodes that do inside a step what `update_state` does on arrays, to the same state.

        All state lies in variables, whose arrays stay the same.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights, float64, whose axes are the first of the predictions; None for ones. What
                weighs 0 may have any value, NaN included.

        Raises:
            ShapeError: The metric cannot be computed for these shapes.
        """
        raise TypeError(f"{type(self).__name__} is not computed in the step: it defines no step_nodes")

    def stop_error(self) -> DataError | None:
        """Return the error for the guard of `step_nodes` that has just stopped a step; None if none has."""
        return None

    def result(self) -> Result:
        """Return the metric of all batches since the last reset."""
        raise TypeError(f"{type(self).__name__} must define result(self)")

    def reset_state(self) -> None:
        """Forget all batches."""
        for state in self._variables:
            state[...] = 0.0

    def reset_states(self) -> None:
        """Forget all batches; the name of `reset_state` in Keras 2."""
        self.reset_state()

    def __call__(self, *args: object, **kwargs: object) -> Result:
        """Take a batch into account and return the result so far."""
        update: Callable[..., None] = self.update_state
        update(*args, **kwargs)
        return self.result()

    def clone(self) -> Self:
        """Return a metric with the same settings and a state of its own, as of now."""
        return copy.deepcopy(self)


def add_to_mean(total: Array, values: ArrayLike, weights: ArrayLike | None = None) -> None:
    """Add a batch of values to the running sums [sum of w * v, sum of w, rounding error of each].

    Args:
        total: float64 array of shape (4,), changed in place; see `streamfit.kernels.running_sums`.
        values: Values of any shape, batch axis first.
        weights: Weights whose axes are the first of `values`, or None for ones.

    Example:
        >>> total = np.zeros(4)
        >>> add_to_mean(total, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
        >>> total.tolist()
        [7.0, 4.0, 0.0, 0.0]
    """
    exact = np.asarray(values, dtype=np.float64)
    if weights is None:
        grow_all(total[:2], total[2:], np.array([exact.sum(), exact.size]))
        return
    factors = np.broadcast_to(weights_for(exact, np.asarray(weights, dtype=np.float64)), exact.shape)
    weighted = np.multiply(exact, factors, where=factors != 0, out=np.zeros_like(exact))  # 0 of NaN is 0
    grow_all(total[:2], total[2:], np.array([weighted.sum(), factors.sum()]))


class MeanMetric(Metric):
    """Base of metrics that are a mean of values: sum(w v) / sum(w), over all batches.

    A subclass defines ``call(y_true, y_pred)``, composed of `streamfit.ops`. A program traces `values` into
    its step; `update_state` does the same on arrays.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Attributes:
        total: float64 array [sum of w * v, sum of w], then the rounding error of each.

    Example:
        >>> class Bias(MeanMetric):
        ...     def call(self, y_true, y_pred):
        ...         return y_pred - y_true
        >>> Bias()(np.zeros(2), np.array([1.0, 2.0]))
        1.5
    """

    rule: ClassVar[Callable[..., Shape]] = staticmethod(any_target)
    """The shape that the targets must have: one of the rules of `streamfit.losses.targets`."""

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.total = self._add_total()

    def call(self, y_true: Value, y_pred: Value) -> Operand:
        """Return values, batch axis first, or one number for the batch."""
        raise TypeError(f"{type(self).__name__} must define call(self, y_true, y_pred)")

    def values(self, y_true: Operand, y_pred: Operand) -> Value:
        """Return the values to average, of tensors or of arrays.

        Raises:
            ShapeError: The targets do not fit the predictions.
        """
        what = f"metric {self.name!r}"
        y_true, y_pred = aligned(self.rule, what, y_true, y_pred)
        return per_sample(values_of(self.call, y_true, y_pred, what), y_pred, what)

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take a batch into account.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights of shape (batch,), or more of the axes of the values.
        """
        add_to_mean(self.total, self.values(y_true, y_pred), sample_weight)

    def step_nodes(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> StepNodes:
        """Return the node that adds the values to `total`."""
        values = cast(Tensor, self.values(y_true, y_pred))  # of tensors, so no array
        weights = () if sample_weight is None else (sample_weight,)
        return StepNodes([sink(AccumulateMean(), values, *weights, self.total)])

    def result(self) -> float:
        """Return the mean so far, 0 if nothing has been seen."""
        return mean_of(self.total)


def _direction_of(function: object) -> Direction:
    """Return the direction of a function; a lower loss is better."""
    if isinstance(getattr(function, "__self__", None), Loss):
        return "down"
    if getattr(function, "__hash__", None) and function in CLASS_OF:
        return "down"
    return getattr(function, "direction", None) or getattr(function, "_direction", None)


class FunctionMetric(MeanMetric):
    """Make a metric of a function ``(y_true, y_pred) -> values``.

    A function may have an attribute `direction`, ``"up"`` or ``"down"``: which way is better.

    Args:
        fn: Composed of `streamfit.ops`; returns values with the batch axis first, or one number.
        name: By default the name of the function.
        dtype: As for `Metric`.
        **settings: Passed on to the function.

    Example:
        >>> from streamfit import ops
        >>> metric = FunctionMetric(lambda y, p: ops.abs(p - y), name="distance")
        >>> metric(np.zeros(2), np.array([1.0, 2.0]))
        1.5
    """

    def __init__(
        self,
        fn: Callable[..., Operand],
        name: str | None = None,
        dtype: DTypeLike | None = None,
        **settings: object,
    ) -> None:
        super().__init__(name or describe_callable(fn), dtype)
        self.fn, self.settings = fn, settings
        self.direction = _direction_of(fn)

    def call(self, y_true: Value, y_pred: Value) -> Operand:
        """Call the function."""
        return self.fn(y_true, y_pred, **self.settings)

    def get_config(self) -> Config:
        """Return the arguments that make an equal metric; the function itself is among them."""
        return {"fn": self.fn, "name": self.name, "dtype": self.dtype, **self.settings}


class Mean(Metric):
    """Average values that are given without targets.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> metric = Mean()
        >>> metric.update_state([1.0, 3.0], sample_weight=[3.0, 1.0])
        >>> metric.result()
        1.5
    """

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.total = self._add_total()

    def update_state(  # type: ignore[override]
        self, values: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take values into account."""
        add_to_mean(self.total, np.asarray(values), sample_weight)

    def result(self) -> float:
        """Return the mean so far, 0 if nothing has been seen."""
        return mean_of(self.total)


class Sum(Metric):
    """Add up values that are given without targets.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> Sum()([1.0, 3.0])
        4.0
    """

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.total = self._add_total()

    def update_state(  # type: ignore[override]
        self, values: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take values into account."""
        add_to_mean(self.total, np.asarray(values), sample_weight)

    def result(self) -> float:
        """Return the weighted sum so far."""
        return float(self.total[0] + self.total[2])


MeanMetricWrapper = FunctionMetric
