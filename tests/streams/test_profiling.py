"""`profile`: time is counted for the stage that works, once, and what is read is what others read."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from streamfit import source


def slow(x: Any) -> Any:
    until = time.perf_counter() + 0.002
    while time.perf_counter() < until:
        pass
    return x


def quick(x: Any) -> Any:
    return x


@pytest.mark.parametrize("in_order", [False, True])
def test_the_stage_that_works_longest_is_found(in_order: bool) -> None:
    data = source(np.arange(40.0))
    if in_order:
        data = data.filter(lambda x: x >= 0)
    pipeline = data.map(quick).map(slow).batch(5).map(quick)
    found = pipeline.profile(4)
    assert found.elements == 4
    assert found.stages[found.busiest] == "map(slow)"
    assert sum(found.seconds) <= found.waiting
    # At least two milliseconds for each of the twenty samples, and nearly all of the time is theirs.
    assert found.seconds[found.busiest] >= 0.04
    assert "map(slow) limits" in str(found)
    assert next(batch.tolist() for batch in pipeline) == [0.0, 1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="elements"):
        pipeline.profile(0)
