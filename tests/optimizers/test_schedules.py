"""Schedules against their closed forms."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import UnknownNameError
from streamfit.optimizers import schedules

half = math.cos(math.pi / 4) / 2 + 0.5  # a quarter of the way down a cosine

CASES: list[tuple[Any, dict[int, float]]] = [
    (schedules.ExponentialDecay(1.0, 10, 0.25), {0: 1.0, 5: 0.5, 10: 0.25, 20: 0.0625}),
    (schedules.ExponentialDecay(1.0, 10, 0.25, staircase=True), {0: 1.0, 9: 1.0, 10: 0.25, 19: 0.25}),
    (schedules.InverseTimeDecay(1.0, 10, 2.0), {0: 1.0, 5: 0.5, 15: 0.25}),
    (schedules.InverseTimeDecay(1.0, 10, 1.0, staircase=True), {0: 1.0, 9: 1.0, 10: 0.5, 30: 0.25}),
    (schedules.PiecewiseConstantDecay([5, 10], [1.0, 0.5, 0.1]), {0: 1.0, 5: 1.0, 6: 0.5, 10: 0.5, 11: 0.1}),
    (schedules.PolynomialDecay(1.0, 10, 0.5), {0: 1.0, 5: 0.75, 10: 0.5, 99: 0.5}),
    (schedules.PolynomialDecay(1.0, 10, 0.0, power=2.0), {5: 0.25, 10: 0.0}),
    (schedules.PolynomialDecay(1.0, 10, 0.0, cycle=True), {0: 1.0, 10: 0.0, 15: 0.25, 20: 0.0, 21: 0.3}),
    (schedules.CosineDecay(1.0, 20), {0: 1.0, 5: half, 10: 0.5, 20: 0.0, 99: 0.0}),
    (schedules.CosineDecay(2.0, 20, alpha=0.5), {0: 2.0, 10: 1.5, 20: 1.0}),
    (schedules.CosineDecay(0.0, 20, warmup_target=1.0, warmup_steps=10), {0: 0.0, 5: 0.5, 10: 1.0, 20: 0.5}),
    (schedules.CosineDecayRestarts(1.0, 10), {0: 1.0, 5: 0.5, 10: 1.0, 20: 0.5, 30: 1.0, 70: 1.0, 110: 0.5}),
    (schedules.CosineDecayRestarts(1.0, 10, t_mul=1.0, m_mul=0.5), {0: 1.0, 10: 0.5, 15: 0.25, 20: 0.25}),
    (schedules.CosineDecayRestarts(1.0, 10, alpha=0.5), {5: 0.75, 10: 1.0}),
]


@pytest.mark.parametrize(("schedule", "wanted"), CASES, ids=lambda value: type(value).__name__)
def test_rates_are_those_of_the_formula(schedule: Any, wanted: dict[int, float]) -> None:
    np.testing.assert_allclose([schedule(step) for step in wanted], list(wanted.values()), atol=1e-12)


@pytest.mark.parametrize(("schedule", "wanted"), CASES, ids=lambda value: type(value).__name__)
def test_description_makes_an_equal_schedule(schedule: Any, wanted: dict[int, float]) -> None:
    again = schedules.get({"class_name": type(schedule).__name__, "config": schedule.get_config()})
    assert [again(step) for step in range(50)] == [schedule(step) for step in range(50)]


def test_every_schedule_has_a_case() -> None:
    base = schedules.LearningRateSchedule
    found = {cls for cls in vars(schedules).values() if inspect.isclass(cls) and issubclass(cls, base)} - {
        base
    }
    assert found == {type(schedule) for schedule, _ in CASES}


@pytest.mark.parametrize("growth", [1.1, 1.5, 2.0, 3.0, 10.0])
@pytest.mark.parametrize("first", [1, 3, 7, 10])
def test_restarts_are_never_a_step_late(growth: float, first: int) -> None:
    """Rounding must not give the last value of one cosine in place of the first of the next."""
    rate = schedules.CosineDecayRestarts(1.0, first, t_mul=growth)
    start, length = 0.0, float(first)
    for _ in range(6):
        if start == int(start):
            assert rate(int(start)) == pytest.approx(1.0)
        start, length = start + length, length * growth


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedules.ExponentialDecay(1.0, 0, 0.5), "decay_steps must be positive, got 0"),
        (lambda: schedules.InverseTimeDecay(1.0, -1, 0.5), "decay_steps must be positive, got -1"),
        (lambda: schedules.PolynomialDecay(1.0, 0), "decay_steps must be positive, got 0"),
        (lambda: schedules.CosineDecay(1.0, 0), "decay_steps must be positive, got 0"),
        (lambda: schedules.CosineDecay(1.0, 5, warmup_target=2.0), "warmup_steps must be positive, got 0"),
        (lambda: schedules.CosineDecayRestarts(1.0, 0), "first_decay_steps must be positive, got 0"),
        (lambda: schedules.CosineDecayRestarts(1.0, 5, t_mul=0.5), "t_mul must be at least 1, got 0.5"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [1.0]), "got 1 values and 2 boundaries"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [1.0, 2.0, 3.0]), r"must rise, got \[2, 1\]"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_schedule_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Unknown learning rate schedule: 'CosinusDecay'"):
        schedules.get({"class_name": "CosinusDecay"})


def test_base_class_needs_a_call() -> None:
    with pytest.raises(TypeError, match="must define __call__"):
        schedules.LearningRateSchedule()(0)
