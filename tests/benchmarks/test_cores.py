"""The benchmark of cores: the promises and how two processes count."""

from __future__ import annotations

from types import ModuleType

import pytest
from oracles.benchmarks import BENCHMARKS, load


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that measures."""
    return load(BENCHMARKS / "cores.py", monkeypatch)


def test_promises_compare_the_right_sides(cores: ModuleType) -> None:
    def summary(median: float) -> object:
        return cores.Summary(median, median, median, median, 3)

    rows = {
        cores.WHOLE: summary(100.0),
        cores.ONE: summary(104.0),
        cores.TWO: summary(60.0),
        cores.PAIR: summary(51.0),
        cores.BUSY_ONE: summary(200.0),
        cores.BUSY_TWO: summary(240.0),
        cores.DEAD: summary(63.0),
    }
    met = {target.what.split(":")[0]: target.met for target in cores.targets(rows)}
    assert list(met.values()) == [True, True, False, True]
    assert cores.targets({}) == []


def test_two_processes_share_the_steps(cores: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    times = {cores.WHOLE: 100.0, cores.SECOND: 300.0}
    monkeypatch.setattr(cores.Field, "measure", lambda self, name: times[name])
    field = cores.Cores.__new__(cores.Cores)
    assert field.measure(cores.PAIR) == pytest.approx(75.0)
