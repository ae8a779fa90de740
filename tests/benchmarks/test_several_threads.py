"""The benchmark of threads is fair: all sides of a question compute the same."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from oracles.benchmarks import BENCHMARKS, load


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "several_threads.py", monkeypatch)


def test_all_sides_of_a_question_compute_the_same_products(driver: ModuleType) -> None:
    sides, results = driver.Sides(), []
    for calls in sides.products.values():
        products = [arguments[2] for _, arguments in calls.calls[:2]]
        for product in products:
            product[:] = 0
        calls.run()
        results.append(np.concatenate(products))
    assert len(results) == 6
    assert results[0].any()
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_every_side_has_a_name_of_its_own_and_is_measured(
    driver: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SECONDS", 0.005)
    monkeypatch.setattr(driver, "SETTLE", 0.005)
    sides = driver.Sides()
    assert len(set(sides.names())) == len(sides.names()) == 15
    assert all(0 < sides.measure(name) < 1e6 for name in sides.names() if "asleep" not in name)
    with pytest.raises(ValueError, match="no side 'nobody'"):
        sides.measure("nobody")


def test_promises_compare_the_figures_of_one_question(driver: ModuleType) -> None:
    figures = dict.fromkeys(driver.Sides().names(), 100.0)
    figures["1 x 2 blocks, chosen, free machine"] = 50
    figures["10 x 2 blocks, chosen, one core busy"] = 130
    targets = driver.targets({name: driver.summarize([value]) for name, value in figures.items()})
    assert [(round(target.value, 2), target.met) for target in targets] == [
        (2.0, True),
        (1.0, True),
        (1.0, False),
        (1.3, False),
    ]
