"""Learning rate schedules: functions from the count of finished steps to a learning rate.

Any function of that kind can be an optimizer's learning rate; these are Keras' classes.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence

from streamfit._base.configs import Configurable, resolve
from streamfit._base.names import Registry

registry: Registry[type[LearningRateSchedule]] = Registry("learning rate schedule")

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "get",
]


def _steps(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value!r}")
    return value


class LearningRateSchedule(Configurable):
    """Base of all schedules.

    Example:
        >>> class Halving(LearningRateSchedule):
        ...     def __call__(self, step):
        ...         return 0.5**step
        >>> Halving()(2)
        0.25
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        raise TypeError(f"{type(self).__name__} must define __call__(self, step)")


class ExponentialDecay(LearningRateSchedule):
    """Compute ``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Args:
        initial_learning_rate: The rate of the first step.
        decay_steps: Steps for one factor of `decay_rate`, positive.
        decay_rate: The factor.
        staircase: Whether the exponent is rounded down.

    Raises:
        ValueError: `decay_steps` is not positive.

    Example:
        >>> ExponentialDecay(1.0, 10, 0.5)(20)
        0.25
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate, self.decay_rate = initial_learning_rate, decay_rate
        self.decay_steps, self.staircase = _steps("decay_steps", decay_steps), staircase

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        passed = step / self.decay_steps
        exponent = math.floor(passed) if self.staircase else passed
        return float(self.initial_learning_rate * self.decay_rate**exponent)


class InverseTimeDecay(LearningRateSchedule):
    """Compute ``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Args:
        initial_learning_rate: The rate of the first step.
        decay_steps: Steps for one `decay_rate`, positive.
        decay_rate: The number that each `decay_steps` add to the denominator.
        staircase: Whether ``step / decay_steps`` is rounded down.

    Raises:
        ValueError: `decay_steps` is not positive.

    Example:
        >>> InverseTimeDecay(1.0, 10, 1.0)(30)
        0.25
    """

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False
    ) -> None:
        self.initial_learning_rate, self.decay_rate = initial_learning_rate, decay_rate
        self.decay_steps, self.staircase = _steps("decay_steps", decay_steps), staircase

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        passed = step / self.decay_steps
        return self.initial_learning_rate / (
            1.0 + self.decay_rate * (math.floor(passed) if self.staircase else passed)
        )


class PiecewiseConstantDecay(LearningRateSchedule):
    """Use one value up to and including each boundary, and the last after all of them.

    Args:
        boundaries: Steps in rising order.
        values: One more than there are boundaries.

    Raises:
        ValueError: The lengths do not fit, or the boundaries do not rise.

    Example:
        >>> rate = PiecewiseConstantDecay([10], [1.0, 0.1])
        >>> rate(10), rate(11)
        (1.0, 0.1)
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        self.boundaries, self.values = list(boundaries), [float(value) for value in values]
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay needs one value more than boundaries, got {len(self.values)} values "
                f"and {len(self.boundaries)} boundaries"
            )
        if sorted(set(self.boundaries)) != self.boundaries:
            raise ValueError(f"boundaries must rise, got {self.boundaries}")

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        return self.values[bisect.bisect_left(self.boundaries, step)]


class PolynomialDecay(LearningRateSchedule):
    """Go from the first rate to the last as ``(1 - step / decay_steps) ** power``.

    Args:
        initial_learning_rate: The rate of the first step.
        decay_steps: Steps on the way, positive.
        end_learning_rate: The rate at the end.
        power: The power.
        cycle: Whether `decay_steps` grows to the next multiple once it is passed; else the rate stays at
            its end.

    Raises:
        ValueError: `decay_steps` is not positive.

    Example:
        >>> PolynomialDecay(1.0, 10, end_learning_rate=0.0)(5)
        0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate, self.end_learning_rate = initial_learning_rate, end_learning_rate
        self.decay_steps, self.power, self.cycle = _steps("decay_steps", decay_steps), power, cycle

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        whole = self.decay_steps * (max(1, math.ceil(step / self.decay_steps)) if self.cycle else 1)
        left = 1.0 - min(step, whole) / whole
        return float(
            (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate
        )


class CosineDecay(LearningRateSchedule):
    """Go down half a cosine, after a linear warm-up if wanted.

    Source: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, equation 5.

    Args:
        initial_learning_rate: The rate of the first step.
        decay_steps: Steps on the way down, positive.
        alpha: The last rate, as a share of the first.
        warmup_target: The rate at the end of the warm-up, from which the decay starts; None for no
            warm-up.
        warmup_steps: Steps of the warm-up.

    Raises:
        ValueError: `decay_steps` is not positive, or a warm-up has no steps.

    Example:
        >>> CosineDecay(1.0, 10)(5)
        0.5
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate, self.alpha = initial_learning_rate, alpha
        self.decay_steps = _steps("decay_steps", decay_steps)
        if warmup_target is not None:
            _steps("warmup_steps", warmup_steps)
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        top = self.initial_learning_rate
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, step = self.warmup_target, step - self.warmup_steps
        return top * _cosine(min(step / self.decay_steps, 1.0), self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Go down half a cosine again and again.

    Source: Loshchilov and Hutter, 2017, section 3.

    Args:
        initial_learning_rate: The rate of the first step.
        first_decay_steps: Steps of the first way down, positive.
        t_mul: Each way down has this many times the steps of the one before, at least 1.
        m_mul: Each starts at this share of the rate of the one before.
        alpha: The last rate of a way down, as a share of the initial rate.

    Raises:
        ValueError: `first_decay_steps` is not positive, or `t_mul` below 1.

    Example:
        >>> rate = CosineDecayRestarts(1.0, 10)
        >>> rate(0), rate(5), rate(10)
        (1.0, 0.5, 1.0)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        self.initial_learning_rate, self.alpha = initial_learning_rate, alpha
        self.first_decay_steps = _steps("first_decay_steps", first_decay_steps)
        if t_mul < 1.0:
            raise ValueError(f"t_mul must be at least 1, got {t_mul!r}")
        self.t_mul, self.m_mul = t_mul, m_mul

    def __call__(self, step: int) -> float:
        """Return the learning rate after `step` finished steps."""
        number, left, length = self._place(step)
        return self.initial_learning_rate * _cosine(left / length, self.alpha, self.m_mul**number)

    def _place(self, step: int) -> tuple[int, float, float]:
        """Return the number of restarts, the steps since the last, and the steps to the next."""
        if self.t_mul == 1.0:
            number = math.floor(step / self.first_decay_steps)
            return number, step - number * self.first_decay_steps, self.first_decay_steps
        growth = 1.0 + step / self.first_decay_steps * (self.t_mul - 1.0)
        # A restart is at a whole step: one that rounding has moved just below it counts.
        number = math.floor(math.log(growth) / math.log(self.t_mul) + 1e-12)
        start = self.first_decay_steps * (self.t_mul**number - 1.0) / (self.t_mul - 1.0)
        return number, max(0.0, step - start), self.first_decay_steps * self.t_mul**number


def _cosine(share: float, alpha: float, height: float = 1.0) -> float:
    return (1.0 - alpha) * 0.5 * height * (1.0 + math.cos(math.pi * share)) + alpha


_cls: type[LearningRateSchedule]
for _cls in (
    ExponentialDecay,
    InverseTimeDecay,
    PiecewiseConstantDecay,
    PolynomialDecay,
    CosineDecay,
    CosineDecayRestarts,
):
    registry.register(_cls, _cls.__name__)


def get(identifier: object) -> Callable[[int], float]:
    """Return the schedule that `identifier` describes.

    Args:
        identifier: A description as ``{'class_name': ..., 'config': ...}``, or a function.

    Example:
        >>> get({"class_name": "CosineDecay", "config": {"initial_learning_rate": 1.0, "decay_steps": 10}})(0)
        1.0
    """
    found: Callable[[int], float] = resolve(registry, identifier)
    return found
