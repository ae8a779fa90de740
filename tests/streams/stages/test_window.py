"""`window` against slices of a list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import READINGS, flat, in_order, listed, noisy, numbers, resumed

from streamfit._base.errors import DataError
from streamfit.streams import source


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
