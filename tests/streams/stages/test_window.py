"""`window` against slices of a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import READINGS, flat, in_order, listed, noisy, numbers, resumed

from streamfit import files, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.streams import source
from streamfit.streams.stages import Pass


@pytest.mark.parametrize("make", READINGS)
@given(
    count=st.integers(1, 14),
    size=st.integers(1, 4),
    shift=st.integers(1, 6) | st.none(),
    stride=st.integers(1, 3),
    drop=st.booleans(),
)
def test_against_slices(make: Any, count: int, size: int, shift: int | None, stride: int, drop: bool) -> None:
    everything = list(range(count))
    step = size if shift is None else shift
    expected = [everything[at::stride][:size] for at in range(0, count, step)]
    if drop:
        expected = [window for window in expected if len(window) == size]
    windows = make(count).window(size, shift, stride, drop_remainder=drop)
    assert listed(windows) == expected
    if drop and expected:
        assert listed(windows.batch(3)) == [expected[at : at + 3] for at in range(0, len(expected), 3)]
    if make is numbers:
        assert len(windows) == len(expected)


def test_parts_and_shapes() -> None:
    series = source(np.arange(12.0).reshape(6, 2), np.arange(6)).window(3, shift=1)
    x, y = next(iter(series))
    assert (x.shape, y.tolist()) == ((3, 2), [0, 1, 2])
    x, y = next(iter(series.batch(2)))
    assert (x.shape, y.tolist()) == ((2, 3, 2), [[0, 1, 2], [1, 2, 3]])


def test_a_sample_is_the_same_in_each_of_its_windows() -> None:
    for make in READINGS:
        first, second, *_ = listed(make(6).map(noisy).window(3, shift=1))
        assert first[1:] == second[:2]


def test_windows_shuffle() -> None:
    windows = numbers(9).window(2, shift=1).shuffle().batch(3)
    assert sorted(flat(listed(windows))) == [[n, n + 1] for n in range(8)]


@pytest.mark.parametrize("arguments", [(3, 1), (2, 4), (2, 5, 2), (3, 1, 2, False)])
def test_resuming_within_windows(arguments: Any) -> None:
    def build() -> Any:
        return in_order(12).window(*arguments).padded_batch(2, padded_shapes=[arguments[0]])

    expected, *others = resumed(build(), None, build)
    assert all(other == expected for other in others)


def test_batches_are_refused() -> None:
    with pytest.raises(ValueError, match=r"window\(\) needs single samples; write it before .batch"):
        numbers(4).batch(2).window(2)


def test_shorter_windows_need_padding() -> None:
    windows = numbers(5).window(2, drop_remainder=False)
    with pytest.raises(DataError, match="padded_batch"):
        list(windows.batch(3))
    assert listed(windows.padded_batch(3)) == [[[0, 1], [2, 3], [4, 0]]]


def test_wrong_sizes() -> None:
    for wrong in ({"size": 0}, {"size": 2, "shift": 0}, {"size": 2, "stride": 0}):
        with pytest.raises(ValueError, match="must be at least 1, got 0"):
            numbers(3).window(**wrong)


def labelled(count: int) -> Any:
    return source(np.arange(count * 2.0).reshape(count, 2), np.arange(count) * 10)


@given(
    count=st.integers(1, 16),
    size=st.integers(1, 4),
    shift=st.integers(1, 5),
    stride=st.integers(1, 3),
    horizon=st.integers(0, 3) | st.lists(st.integers(0, 3), min_size=1, max_size=3),
    groups=st.lists(st.integers(-1, 2), min_size=16, max_size=16) | st.none(),
    mapped=st.booleans(),
)
def test_targets_and_groups_against_slices(
    count: int, size: int, shift: int, stride: int, horizon: Any, groups: list[int] | None, mapped: bool
) -> None:
    labels = np.zeros(count, int) if groups is None else np.sort(np.array(groups[:count]))
    steps = np.atleast_1d(horizon)
    reach = (size - 1) * stride
    expected = []
    for group in sorted(set(labels[labels >= 0].tolist())):
        rows = np.flatnonzero(labels == group)
        for at in range(0, len(rows) - reach - int(steps.max()), shift):
            y = [int(rows[at + reach + step]) * 10 for step in steps]
            expected.append(
                (rows[at : at + reach + 1 : stride].tolist(), y if isinstance(horizon, list) else y[0])
            )
    data = labelled(count).map(lambda x, y: (x, y)) if mapped else labelled(count)
    windows = data.window(size, shift, stride, horizon=horizon, groups=None if groups is None else labels)
    assert len(windows) == len(expected)
    single = [((x[:, 0] / 2).tolist(), y.tolist()) for x, y in windows]
    batches = [((x[..., 0] / 2).tolist(), y.tolist()) for x, y in windows.batch(3)]
    assert single == expected
    assert [pair for xs, ys in batches for pair in zip(xs, ys, strict=True)] == expected


def test_windows_with_targets_are_the_same_read_in_order_and_by_number() -> None:
    for horizon in (1, (0, 2)):
        assert listed(in_order(9).window(3, 2, horizon=horizon)) == listed(
            numbers(9).window(3, 2, horizon=horizon)
        )


def test_resuming_shuffled_windows_with_targets() -> None:
    def build() -> Any:
        windows = labelled(14).window(3, 2, horizon=1, groups=np.repeat([3, 5], 7))
        return windows.shuffle().batch(2)

    expected, *others = resumed(build(), None, build)
    assert len(others) == 2
    assert all(other == expected for other in others)


def test_x_without_y_is_its_own_target() -> None:
    x, y = next(iter(source(np.arange(8.0)).window(2, shift=1, stride=2, horizon=(1, 3)).batch(2)))
    assert (x.tolist(), y.tolist()) == ([[0, 2], [1, 3]], [[3, 5], [4, 6]])


def test_weights_are_those_of_the_targets() -> None:
    weighted = source(np.arange(5.0), np.arange(5), np.arange(5) / 10).window(2, shift=1, horizon=1)
    assert [(y.tolist(), w.tolist()) for _, y, w in weighted] == [(2, 0.2), (3, 0.3), (4, 0.4)]


def test_gaps_are_in_no_window() -> None:
    series = np.array([0, 1, np.nan, 3, 4, 5])
    windows = source(series).window(2, shift=1, groups=~np.isnan(series))
    assert listed(windows) == [[0, 1], [3, 4], [4, 5]]


def test_specs_are_those_of_the_windows() -> None:
    for horizon in (None, 1, (1, 2)):
        windows = labelled(9).window(3, shift=1, horizon=horizon)
        assert windows.stage.specs() == windows.element_spec
    assert labelled(9).window(2, drop_remainder=False).stage.specs() is None


@pytest.mark.extras
def test_windows_over_blocks_shuffle_whole_blocks(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="reads CSV")
    text = "\n".join(["x", *map(str, range(200))]) + "\n"
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text(text)
    windows = files.csv(tmp_path / "*.csv").window(5, shift=2, groups=np.repeat([0, 1], 200))
    runs = windows.stage.runs(Pass(0, 0))
    assert runs is not None
    assert runs.lengths.tolist() == [98, 98]
    shuffled = [each["x"].tolist() for each in windows.shuffle(seed=1)]
    assert sorted(shuffled) == sorted(each["x"].tolist() for each in windows)
    assert all(window == list(range(window[0], window[0] + 5)) for window in shuffled)
    assert shuffled[0] != [0, 1, 2, 3, 4]


def test_a_bad_row_is_a_bad_window() -> None:
    def checked(x: Any) -> Any:
        if x == 5:
            raise SampleError("five", 0)
        return x

    windows = source(np.arange(9)).map(checked).window(3, shift=3).batch(3)
    with pytest.raises(DataError, match="five"):
        list(windows)
    with (
        stream(windows, seed=0, workers=0, on_bad_sample="skip", max_bad_samples=1) as batches,
        pytest.warns(RuntimeWarning, match=r"samples \[1\].*five"),
    ):
        assert [batch.tolist() for batch in batches] == [[[0, 1, 2], [6, 7, 8]]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": ()}, "horizon is empty"),
        ({"horizon": -1}, "horizon must be at least 0"),
        ({"horizon": 1, "drop_remainder": False}, "drop_remainder=False goes with neither"),
        ({"groups": np.zeros((2, 2))}, r"of shape \(n,\)"),
        ({"groups": [0.5] * 6}, "got float64"),
        ({"groups": [0, 0, 1, 1, 0, 0]}, "group 0 begins at sample 0 and again at sample 4"),
    ],
)
def test_wrong_targets_and_groups(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numbers(6).window(2, **arguments)


def test_groups_need_samples_by_number_and_one_for_each() -> None:
    with pytest.raises(ValueError, match="needs samples that can be reached by number"):
        in_order(6).window(2, groups=[0] * 6)
    with pytest.raises(DataError, match="the groups of 5 samples, and there are 6"):
        len(numbers(6).window(2, groups=[0] * 5))
