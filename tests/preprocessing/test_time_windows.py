"""`TimeseriesGenerator`: the batches of Keras-Preprocessing; drawn windows belong to seed, pass and batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamfit import stream
from streamfit.preprocessing.sequence import TimeseriesGenerator
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


def test_drawn_windows_belong_to_seed_pass_and_batch() -> None:
    series = np.arange(30)
    windows = TimeseriesGenerator(series, series, 3, shuffle=True, batch_size=8)
    found = []
    for workers in (0, 2):
        with stream(windows, seed=1, workers=workers) as batches:
            found.append([[(x.tolist(), y.tolist()) for x, y in batches] for _ in range(2)])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    assert all(
        [y - 3, y - 2, y - 1] == x
        for each in found[0]
        for xs, ys in each
        for x, y in zip(xs, ys, strict=True)
    )


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
