"""The comparison of two commits: what its interval says, and that it measures what it asked for."""

from __future__ import annotations

import numpy as np
import pytest
from compare_speed import WORKLOADS, Workload, interval


def test_the_interval_holds_the_median_and_narrows_with_more_turns() -> None:
    draws = np.random.default_rng(3).normal(1.1, 0.1, 400).tolist()
    lower, upper = interval(draws)
    assert lower < np.median(draws) < upper
    few = interval(draws[:10])
    assert few[1] - few[0] > upper - lower


@pytest.mark.parametrize(("slower", "reaches"), [(1.0, True), (1.2, False)])
def test_a_real_loss_does_not_reach_the_limit(slower: float, reaches: bool) -> None:
    noise = np.random.default_rng(5).normal(1.0, 0.03, 20)
    assert (interval((noise * slower).tolist())[0] <= 1.05) is reaches


def test_times_are_per_step_or_batch() -> None:
    step, batches = WORKLOADS[0], Workload("some", ("x",), {"lead": 1, "batches": 4})
    assert step.seconds({"per_step": [3.0, 1.0, 2.0]}) == 2.0
    assert batches.seconds({"seconds": 8.0}) == 2.0
