"""`TimeseriesGenerator`: the batches of Keras-Preprocessing; shuffled windows come once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamfit import stream
from streamfit._base.errors import DataError
from streamfit.preprocessing.sequence import TimeseriesGenerator, timeseries_generator_from_json
from streamfit.testing import check_sequence

keras = pytest.importorskip("keras_preprocessing.sequence")


@given(
    st.integers(2, 40),
    st.fixed_dictionaries(
        {
            "length": st.integers(1, 6),
            "sampling_rate": st.integers(1, 4),
            "stride": st.integers(1, 3),
            "start_index": st.integers(0, 5),
            "end_index": st.none() | st.integers(0, 39),
            "reverse": st.booleans(),
            "batch_size": st.integers(1, 7),
        }
    ),
    st.booleans(),
)
def test_batches_are_those_of_keras(steps: int, options: dict[str, Any], lists: bool) -> None:
    last = steps - 1 if options["end_index"] is None else options["end_index"]
    assume(options["start_index"] + options["length"] <= last < steps)
    data: Any = np.arange(steps * 2.0).reshape(steps, 2)
    targets: Any = np.arange(steps) * 10
    if lists:
        data, targets = data.tolist(), targets.tolist()
    ours = TimeseriesGenerator(data, targets, **options)
    theirs = keras.TimeseriesGenerator(data, targets, **options)
    assert len(ours) == len(theirs)
    for index, (x, y) in enumerate(ours):
        np.testing.assert_array_equal(x, theirs[index][0], strict=True)
        np.testing.assert_array_equal(y, theirs[index][1], strict=True)


@given(st.integers(1, 40), st.integers(1, 3), st.integers(1, 7), st.integers(0, 3))
def test_shuffled_windows_are_the_windows_each_once(steps: int, stride: int, size: int, seed: int) -> None:
    series = np.arange(steps + 2)
    options: dict[str, Any] = {"length": 2, "stride": stride, "batch_size": size}
    shuffled = TimeseriesGenerator(series, series, shuffle=True, **options)
    with stream(shuffled, seed=seed, workers=0) as batches:
        found = [(x.tolist(), int(target)) for xs, y in batches for x, target in zip(xs, y, strict=True)]
    plain = TimeseriesGenerator(series, series, **options)
    assert sorted(found) == [(x.tolist(), int(t)) for xs, y in plain for x, t in zip(xs, y, strict=True)]


def test_order_belongs_to_seed_and_pass() -> None:
    series = np.arange(30)
    windows = TimeseriesGenerator(series, series, 3, shuffle=True, batch_size=8)
    found = []
    for workers, seed in ((0, 1), (2, 1), (0, 2)):
        with stream(windows, seed=seed, workers=workers) as batches:
            found.append([[y.tolist() for _, y in batches] for _ in range(2)])
    assert found[0] == found[1] != found[2]
    assert found[0][0] != found[0][1]


def test_json_is_read_again_with_all_windows() -> None:
    series = np.arange(20.0).reshape(10, 2)
    options: dict[str, Any] = {"length": 3, "stride": 2, "start_index": 1, "batch_size": 2}
    ours, theirs = (
        make(series, np.arange(10), **options) for make in (TimeseriesGenerator, keras.TimeseriesGenerator)
    )
    assert ours.get_config() == theirs.get_config()
    assert ours.to_json(indent=1) == theirs.to_json(indent=1)
    again = timeseries_generator_from_json(theirs.to_json())
    assert len(again) == len(ours)
    for (x, y), (x_again, y_again) in zip(ours, again, strict=True):
        np.testing.assert_array_equal(x, x_again, strict=True)
        np.testing.assert_array_equal(y, y_again, strict=True)


def test_what_is_no_json() -> None:
    with pytest.raises(DataError, match="targets cannot be written as JSON"):
        TimeseriesGenerator(list(range(10)), [{1}] * 10, 2).to_json()
    for text in ("", "[]", '{"config": {}}'):
        with pytest.raises(DataError, match="no JSON of a TimeseriesGenerator"):
            timeseries_generator_from_json(text)


def test_windows_keep_the_rules_of_sequences() -> None:
    series = np.sin(np.arange(40.0))[:, None]
    check_sequence(TimeseriesGenerator(series, series, length=8, batch_size=10, shuffle=True), workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 0}, "length must be at least 1"),
        ({"length": 10}, "there is no window"),
        ({"length": 2, "end_index": 10}, "end_index=10 is behind the last step, 9"),
        ({"length": 2, "start_index": -1}, "start_index must be at least 0"),
        ({"length": 2, "targets": range(9)}, "data has 10 steps and targets has 9"),
    ],
)
def test_wrong_arguments_are_named(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TimeseriesGenerator(np.arange(10), **{"targets": range(10), **options})


@pytest.mark.parametrize("index", [-1, 2])
def test_number_of_no_batch(index: int) -> None:
    with pytest.raises(IndexError, match="there are 2"):
        TimeseriesGenerator(range(10), range(10), 2, batch_size=4)[index]
