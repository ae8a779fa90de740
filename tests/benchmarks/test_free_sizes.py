"""The benchmark of sizes compares equal work, and its dead units are dead."""

from __future__ import annotations

import itertools
from types import ModuleType

import pytest
from oracles.benchmarks import BENCHMARKS, load


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "free_sizes.py", monkeypatch)


def test_both_generators_yield_as_many_samples_an_epoch(driver: ModuleType) -> None:
    steps = len(driver.SIZES)
    sizes = [[len(x) for x, _ in itertools.islice(driver.batches(many), 2 * steps)] for many in (True, False)]
    assert steps == 63
    for epoch in (slice(0, steps), slice(steps, None)):
        assert len(set(sizes[0][epoch])) == 63
        assert len(set(sizes[1][epoch])) == 1
        assert sum(sizes[0][epoch]) == sum(sizes[1][epoch])
    assert sizes[0][:steps] != sizes[0][steps:]


@pytest.mark.timeout(100)
def test_every_side_is_measured(driver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "EPOCHS", 1)
    monkeypatch.setattr(driver, "CALLS", 3)
    monkeypatch.setattr(driver, "DEAD_STEPS", 40)
    monkeypatch.setattr(driver, "DEAD_WIDTH", 8)
    sides, before = driver.Sides(), driver.sf.num_threads()
    assert len(set(sides.names())) == len(sides.names()) == 7
    assert all(0 < sides.measure(name) < 1e6 for name in sides.names())
    assert [len(got) for got in sides.processor.values()] == [1, 1]
    assert {name: len(ratios) for name, ratios in sides.ratios.items()} == dict.fromkeys(
        driver.DEAD.values(), 1
    )
    assert driver.sf.num_threads() == before
    with pytest.raises(ValueError, match="no side 'nobody'"):
        sides.measure("nobody")


def test_units_that_live_are_an_error(driver: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = object.__new__(driver.Sides)
    monkeypatch.setattr(driver, "DEAD_WIDTH", 8)
    monkeypatch.setattr(driver, "DEAD_BIAS", 1.0)
    with pytest.raises(RuntimeError, match="not dead"):
        sides.dying(40)


def test_a_step_is_the_median_of_the_times_between_stamps(driver: ModuleType) -> None:
    assert driver.Watch().step([0.0, 1.0, 2.0, 50.0]) == pytest.approx(0.1)


def test_promises_compare_the_figures_of_one_question(driver: ModuleType) -> None:
    figures = {driver.MANY: 30.0, driver.ONE: 10.0, **dict.fromkeys(driver.ROW.values(), 20.0)}
    figures |= {driver.PROCESSOR[driver.MANY]: 15.0, driver.PROCESSOR[driver.ONE]: 10.0}
    rows = {name: driver.summarize([value]) for name, value in figures.items()}
    ratios = {name: driver.summarize([1.2]) for name in driver.DEAD.values()}
    found = driver.targets(rows, ratios)
    assert [(target.value, target.met) for target in found] == [
        (3.0, False),
        (1.5, True),
        (20.0, True),
        (20.0, True),
        (1.2, False),
        (1.2, False),
    ]
    assert driver.targets({}, {}) == []
