"""The choice of the number of threads: the fastest is used, and it follows what changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.kernels.thread_choice import SHORTEST, ThreadChoice

Machine = Callable[[float, int], float]
"""From the seconds since the beginning and the number of threads to the time of a step."""


@dataclass
class Run:
    """What a choice did on an imagined machine: (seconds at the end, threads, steps) for each `add`."""

    choice: ThreadChoice
    looks: list[tuple[float, int, int]]

    def share(self, threads: int, begin: float, end: float) -> float:
        """Return the share of the time between two moments that ran with so many threads."""
        spent, before = 0.0, 0.0
        for at, used, _ in self.looks:
            if begin <= before < end and used == threads:
                spent += at - before
            before = at
        return spent / (end - begin)

    def seconds_per_step(self) -> float:
        return self.looks[-1][0] / sum(steps for _, _, steps in self.looks)


def ran(machine: Machine, seconds: float, most: int = 2) -> Run:
    choice, now = ThreadChoice(most), 0.0
    run = Run(choice, [])
    while now < seconds:
        threads, steps = choice.threads, choice.steps
        spent = sum(machine(now, threads) for _ in range(steps))
        now += spent
        run.looks.append((now, threads, steps))
        choice.add(spent, steps)
    return run


def noisy(step: float, factors: dict[int, float], seed: int = 0) -> Machine:
    draw = random.Random(seed)
    return lambda now, threads: step * factors[threads] * draw.uniform(0.9, 1.1)


STEPS = [60e-6, 3e-4, 1e-3, 1e-2]


@pytest.mark.parametrize("step", STEPS)
def test_two_threads_that_are_faster_are_used(step: float) -> None:
    run = ran(noisy(step, {1: 1, 2: 0.55}), 10)
    assert run.choice.fastest == 2
    assert run.share(2, 1, 10) > 0.93
    assert run.seconds_per_step() < 1.04 * 0.55 * step


@pytest.mark.parametrize("step", [*STEPS, 0.1])
@pytest.mark.parametrize("factor", [1.0, 2.0, 6.0, 30.0])
def test_two_threads_that_are_slower_cost_little(step: float, factor: float) -> None:
    run = ran(noisy(step, {1: 1, 2: factor}), 120)
    assert factor == 1 or run.choice.fastest == 1
    assert run.seconds_per_step() < 1.06 * step


@pytest.mark.parametrize("step", STEPS)
def test_a_core_that_becomes_busy_and_free_is_noticed(step: float) -> None:
    draw = random.Random(1)

    def machine(now: float, threads: int) -> float:
        if threads == 1:
            return step
        return step * (draw.choice([0.6, 0.6, 10]) if 5 < now < 10 else 0.55)

    run = ran(machine, 20)
    assert run.share(2, 2, 5) > 0.9
    assert run.share(2, 5.5, 10) < 0.1
    assert run.share(2, 12, 20) > 0.9


def test_short_steps_stay_on_one_thread() -> None:
    run = ran(noisy(0.9 * SHORTEST, {1: 1, 2: 0.01}), 2)
    assert {threads for _, threads, _ in run.looks} == {1}
    assert run.choice.is_short


def test_steps_that_become_long_get_more_threads() -> None:
    run = ran(lambda now, threads: (0.5 if now < 1 else 20) * SHORTEST / threads, 3)
    assert run.share(2, 0, 1) == 0
    assert run.share(2, 2, 3) > 0.9


@pytest.mark.parametrize("best", [1, 2, 4, 8, 12])
def test_the_best_of_many_numbers_is_found(best: int) -> None:
    numbers = (1, 2, 4, 8, 12)
    distance = {n: abs(numbers.index(n) - numbers.index(best)) for n in numbers}
    run = ran(noisy(1e-3, {n: 1.3 ** distance[n] for n in numbers}), 3, most=12)
    assert run.choice.numbers == numbers
    assert run.share(best, 0.5, 3) > 0.9


def test_one_thread_at_most_is_one_thread() -> None:
    run = ran(noisy(1e-3, {1: 1}), 2, most=1)
    assert {threads for _, threads, _ in run.looks} == {1}
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ThreadChoice(0)


@pytest.mark.parametrize("share", [0.002, 0.02, 0.2])
@pytest.mark.parametrize("fast", [0.55, 0.9])
@pytest.mark.parametrize("step", STEPS)
def test_helpers_that_are_interrupted_now_and_then_cost_little(
    step: float, fast: float, share: float
) -> None:
    draw, slice_of_time = random.Random(2), 0.004

    def machine(now: float, threads: int) -> float:
        if threads == 1:
            return step
        return step * fast + (slice_of_time if draw.random() < share else 0)

    best = min(step, step * fast + slice_of_time * share)
    assert ran(machine, 20).seconds_per_step() < 1.15 * best


def test_one_slow_step_changes_nothing() -> None:
    slow = iter([3.0])
    machine = noisy(1e-3, {1: 1, 2: 0.6})
    run = ran(lambda now, n: machine(now, n) + (next(slow, 0) * 1e-3 if now > 2 else 0), 3)
    assert run.share(2, 2, 3) > 0.9


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5)), max_size=60),
)
def test_any_times_give_a_number_that_may_be_used(most: int, times: list[tuple[float, int]]) -> None:
    choice = ThreadChoice(most)
    for seconds, steps in times:
        choice.add(seconds, steps)
        assert choice.threads in choice.numbers
        assert choice.fastest in choice.numbers
        assert choice.steps >= 1
        assert choice.numbers[0] == 1
        assert choice.numbers[-1] == most
