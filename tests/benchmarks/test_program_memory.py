"""The benchmark of a program's memory counts what is allocated, in activations."""

from __future__ import annotations

from types import ModuleType

import pytest
from oracles.benchmarks import BENCHMARKS, load


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "program_memory.py", monkeypatch)


def test_memory_is_that_of_arena_and_result(driver: ModuleType) -> None:
    network = driver.NETWORKS["Dense"]
    assert network.activation == 1024 * 256 * 4
    few, many = (driver.measure(network, depth, train=False) for depth in (4, 8))
    assert few.arena == many.arena  # it does not grow with depth
    for used in (few, many):
        assert used.arena + 1 <= used.peak <= used.arena + 2  # the result is one activation
    trained = driver.measure(network, 8, train=True)
    assert trained.arena > many.arena + 8


def test_promises_are_for_predicting_with_twenty_layers(driver: ModuleType) -> None:
    rows = {
        driver.name_of(name, depth, train): driver.Used(2.0 + depth / 10, 9.0)
        for name in driver.NETWORKS
        for depth in (20, 40)
        for train in (False, True)
    }
    assert [(target.value, target.met) for target in driver.targets(rows)] == [(4.0, True)] * len(
        driver.NETWORKS
    )
    rows[driver.name_of("Conv2D", 20, False)] = driver.Used(4.1, 9.0)
    assert [target.met for target in driver.targets(rows)].count(False) == 1
