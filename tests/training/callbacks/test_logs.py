"""Logs are fresh dictionaries of Python floats."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streamfit.training.callbacks.logs import plain_logs


@given(st.dictionaries(st.text(), st.floats(width=32) | st.integers(-(2**20), 2**20)))
def test_numbers_of_any_kind_become_floats_in_the_same_order(values: dict[str, float]) -> None:
    kinds = [float, np.float32, np.float64, np.asarray]
    logs = {name: kinds[n % len(kinds)](value) for n, (name, value) in enumerate(values.items())}
    plain = plain_logs(logs)
    assert list(plain) == list(values)
    assert all(type(value) is float for value in plain.values())
    np.testing.assert_array_equal(list(plain.values()), [float(value) for value in values.values()])
    json.dumps(plain)


def test_what_is_no_single_number_stays() -> None:
    per_class = np.array([0.1, 0.2])
    logs = {"f1": per_class, "note": "7", "one": np.array([3.0]), "none": None}
    plain = plain_logs(logs)
    assert plain["f1"] is per_class
    assert plain["note"] == "7"
    assert plain["one"] is logs["one"]
    assert plain["none"] is None


def test_copy_is_fresh() -> None:
    logs = {"loss": 1.0}
    plain_logs(logs)["extra"] = 2.0
    assert logs == {"loss": 1.0}
    assert plain_logs(None) == {}
