"""The benchmark of permutations: its promise is for each kind of work of ours, and for no peer."""

from __future__ import annotations

import pytest
from oracles.benchmarks import BENCHMARKS, load


def test_promises_are_for_what_was_measured_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = load(BENCHMARKS / "permutation.py", monkeypatch)
    rows = {
        "streamfit: all of 10^7": driver.summarize([21.0, 25.0, 29.0]),
        "streamfit: batches of 256 of 10^12": driver.summarize([18.0, 19.0, 22.0]),
        "NumPy: all of 10^7": driver.summarize([1.0]),
    }
    assert [(target.value, target.met) for target in driver.targets(rows)] == [(25.0, True), (19.0, False)]
