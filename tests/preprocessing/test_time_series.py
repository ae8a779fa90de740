"""`timeseries_dataset_from_array` against the positions that Keras 3 documents, and over series in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import streamfit as sf
from streamfit import source
from streamfit.utils import timeseries_dataset_from_array

ARGUMENTS = st.fixed_dictionaries(
    {
        "sequence_length": st.integers(1, 5),
        "sequence_stride": st.integers(1, 4),
        "sampling_rate": st.integers(1, 3),
        "batch_size": st.integers(1, 5),
        "start_index": st.none() | st.integers(0, 6),
        "end_index": st.none() | st.integers(7, 20),
    }
)


def expected(steps: int, targets: int | None, options: dict[str, Any]) -> list[tuple[list[int], int | None]]:
    """Return rows and target of each window, as slices of the series."""
    first = options["start_index"] or 0
    end = options["end_index"] or steps
    length, rate = options["sequence_length"], options["sampling_rate"]
    last = end - (length - 1) * rate
    last = last if targets is None else min(last, targets)
    return [
        (list(range(end))[at::rate][:length], None if targets is None else at * 10)
        for at in range(first, last, options["sequence_stride"])
    ]


@given(st.integers(7, 20), st.none() | st.integers(1, 20), ARGUMENTS, st.booleans())
def test_windows_are_slices_and_targets_those_of_the_first_step(
    steps: int, targets: int | None, options: dict[str, Any], shuffle: bool
) -> None:
    assume((options["end_index"] or steps) <= steps)
    data = np.arange(steps * 2.0).reshape(steps, 2)
    y = None if targets is None else np.arange(targets) * 10
    wanted = expected(steps, targets, options)
    if not wanted:
        with pytest.raises(ValueError, match="there is no window"):
            timeseries_dataset_from_array(data, y, **options)
        return
    batches = list(timeseries_dataset_from_array(data, y, **options, shuffle=shuffle, seed=3))
    found: list[Any] = []
    for batch in batches:
        x, got = batch if isinstance(batch, tuple) else (batch, [None] * len(batch))
        found += [
            ((one[:, 0] / 2).tolist(), None if t is None else int(t)) for one, t in zip(x, got, strict=True)
        ]
    assert (sorted(found) if shuffle else found) == wanted


def test_series_in_files_and_maps_give_the_same_windows(tmp_path: Path) -> None:
    series = np.arange(24.0, dtype="float32").reshape(12, 2)
    np.save(tmp_path / "series-0.npy", series[:5])
    np.save(tmp_path / "series-1.npy", series[5:])
    np.save(tmp_path / "whole.npy", series)
    options: dict[str, Any] = {"sequence_length": 4, "batch_size": 3, "shuffle": True, "seed": 1}
    plain, mapped, sharded = (
        [x.tolist() for x in timeseries_dataset_from_array(data, None, **options)]
        for data in (
            series,
            np.load(tmp_path / "whole.npy", mmap_mode="r"),
            sf.files.npy(str(tmp_path / "series-*.npy")),
        )
    )
    assert plain == mapped == sharded


def test_single_windows_and_orders() -> None:
    data = np.arange(30)
    windows = timeseries_dataset_from_array(data, data, 3, batch_size=None, shuffle=True, seed=5)
    one, two = ([int(y) for _, y in windows] for _ in range(2))
    assert one != two
    assert sorted(one) == sorted(two) == list(range(28))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_length": 0}, "sequence_length must be at least 1"),
        ({"start_index": 9, "end_index": 3}, "must be in order and inside of the 10 steps"),
        ({"end_index": 11}, "must be in order and inside"),
        ({"sequence_length": 11}, "there is no window: 11 steps, 1 apart, need 11 steps"),
        ({"data": source(np.arange(10), np.arange(10))}, r"data must be one series, and the elements of"),
        ({"format": "jax"}, "the result is a pipeline"),
        ({"data": iter(range(3))}, "data must be an array, or a pipeline of single samples"),
    ],
)
def test_wrong_arguments_are_named(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        timeseries_dataset_from_array(
            **{"data": np.arange(10), "targets": np.arange(10), "sequence_length": 2, **options}
        )
