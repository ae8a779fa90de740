"""The entries of a metric's result in the logs, and their description before there is a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import metrics
from streamfit.training.results import Measure, all_measures, entries, key_names


class Fixed(metrics.Metric):
    def __init__(self, value: Any, direction: Any = None) -> None:
        super().__init__("fixed")
        self.value, self.direction = value, direction

    def result(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_arrays_are_copies() -> None:
    state = np.zeros(2)
    ((_, value),) = entries(state, "x", "metric 'x'")
    state += 1
    assert value.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("value", [True, np.int8(1), np.array(1.0), 1])
def test_single_numbers_are_floats(value: Any) -> None:
    assert entries(value, "x", "") == [("x", 1.0)]
    assert type(entries(value, "x", "")[0][1]) is float


@pytest.mark.parametrize("value", [None, "1", object(), 1j, np.array(["a"]), [[1], [1, 2]]])
def test_anything_else_is_named(value: Any) -> None:
    with pytest.raises(TypeError, match=r"metric 'x', key 'a', has the result .*must be a number, an array"):
        entries({"a": value}, "x", "metric 'x'")


def test_keys_give_way_to_names_but_for_their_own() -> None:
    taken = {"loss", "f1", "mae"}
    assert key_names([("f1", 0), ("mae", 0), ("mae", 0)], "f1", "", taken) == ["f1", "mae_1", "mae_2"]
    assert key_names([("mae", 0)], "other", "a_", taken) == ["a_mae"]


def test_what_is_known_beforehand() -> None:
    trackers = [
        ("acc", "acc", "acc", ""),
        ("a", "fixed", Fixed(1.0, "up"), ""),
        ("b", "fixed", Fixed(np.zeros((2, 3))), ""),
        ("c", "fixed", Fixed({"x": 1.0, "loss": [1, 2]}, {"x": "down"}), "out_"),
        ("d", "fixed", Fixed(ZeroDivisionError()), ""),
    ]
    assert all_measures(["loss"], trackers) == [
        Measure("loss", "loss", "down"),
        Measure("acc", "acc", "up"),
        Measure("a", "fixed", "up"),
        Measure("b", "fixed", None, (2, 3)),
        Measure("out_x", "x", "down"),
        Measure("out_loss", "loss", None, (2,)),
        Measure("d", "fixed", None, None),
    ]
