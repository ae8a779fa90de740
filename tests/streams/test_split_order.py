"""`SplitOrder`: two parts of exact sizes, any position alone, the same chance for every position."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.streams.split_order import MOST, SplitOrder

compiled = pytest.mark.skipif(not JIT_ENABLED, reason="takes minutes where kernels are plain Python")

TOTALS = st.integers(0, 500) | st.integers(0, 20_000)
FRACTIONS = st.sampled_from([0.0, 1.0, 0.5, 0.8, 0.01, 0.999, 1e-300, 1 - 2**-53]) | st.floats(0, 1)


@given(TOTALS, FRACTIONS, st.integers(0, 5))
def test_two_parts_are_the_whole(total: int, fraction: float, key: int) -> None:
    parts = [SplitOrder(total, fraction, part, key) for part in (0, 1)]
    assert [part.n for part in parts] == [round(total * fraction), total - round(total * fraction)]
    found = [part.at(np.arange(part.n)) for part in parts]
    assert all(bool((np.diff(each) > 0).all()) for each in found)
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(total))


@given(st.integers(1, MOST), FRACTIONS, st.integers(0, 1), st.integers(0, 5), st.data())
def test_any_position_alone(total: int, fraction: float, part: int, key: int, data: st.DataObject) -> None:
    order = SplitOrder(total, fraction, part, key)
    anywhere = st.lists(st.integers(0, order.n - 1), max_size=20) if order.n else st.just([])
    places = np.array(data.draw(anywhere), np.int64)
    found = order.at(places)
    assert found.tolist() == [int(order.at(np.array([place]))[0]) for place in places.tolist()]
    single, first = np.unique(places, return_index=True)
    assert bool((np.diff(found[first]) > 0).all()) or len(single) < 2
    assert all(0 <= position < total for position in found.tolist())


@given(st.integers(1 << 20, MOST), st.floats(0.01, 0.99), st.data())
def test_parts_of_many_share_nothing(total: int, fraction: float, data: st.DataObject) -> None:
    """Where a position of one part is, the positions around it are in one part or the other, each once."""
    first, second = (SplitOrder(total, fraction, part, key=3) for part in (0, 1))
    place = data.draw(st.integers(0, first.n - 200))
    found = first.at(np.arange(place, place + 200))
    low, high = int(found[0]), int(found[-1])
    others = high + 1 - low - 200  # positions between that must be in the other part
    begin = low - place  # so many positions of the second part come before `low`
    between = second.at(np.arange(begin, begin + others))
    assert np.array_equal(np.sort(np.concatenate([found, between])), np.arange(low, high + 1))


def test_these_positions_stay() -> None:
    """Fixed values: what is validation data now is so in later versions."""
    places = np.array([0, 1, 2, 10**10])
    expected = {
        (0.8, 0): [2, 3, 4, 12500000000],
        (0.8, 1): [0, 1, 5, 50000000003],
        (0.05, 0): [27, 29, 31, 200000000018],
        (0.05, 1): [0, 1, 2, 10526315789],
    }
    for (fraction, part), positions in expected.items():
        assert SplitOrder(10**12, fraction, part, 7).at(places).tolist() == positions


@compiled
@pytest.mark.parametrize("fraction", [0.5, 0.3, 0.02])
def test_every_position_has_the_same_chance(fraction: float) -> None:
    draws, total = 2000, 600
    counts = np.zeros(total)
    for key in range(draws):
        order = SplitOrder(total, fraction, 0, key)
        counts[order.at(np.arange(order.n))] += 1
    chances = counts / draws
    deviation = (fraction * (1 - fraction) / draws) ** 0.5
    assert chances.mean() == pytest.approx(fraction, abs=1e-9)
    assert np.abs(chances - fraction).max() < 5 * deviation
    assert chances.std() == pytest.approx(deviation, rel=0.15)


@compiled
def test_neighbours_are_chosen_apart_from_each_other() -> None:
    """A part is no pattern: its gaps are nearly those of draws at random (each chunk has its share)."""
    order = SplitOrder(10**9, 0.1, 0, key=1)
    gaps = np.diff(order.at(np.arange(50_000)))
    for gap in (1, 2, 5):
        assert (gaps == gap).mean() == pytest.approx(0.1 * 0.9 ** (gap - 1), rel=0.2)


@compiled
@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.001])
def test_many_positions_are_quick(fraction: float) -> None:
    order = SplitOrder(10**12, fraction, 0, key=1)
    places = np.random.default_rng(0).integers(0, order.n, 20_000)
    order.at(places[:1])
    begin = time.process_time()
    order.at(places)
    assert time.process_time() - begin < 0.2  # 0.02 at 0.5


@pytest.mark.parametrize("total", [-1, MOST + 1])
def test_sizes_that_cannot_be_are_refused(total: int) -> None:
    with pytest.raises(ValueError, match=r"0 to 2\*\*50 positions"):
        SplitOrder(total, 0.5, 0, 1)


@pytest.mark.parametrize("place", [-1, 5])
def test_places_outside_are_refused(place: int) -> None:
    with pytest.raises(ValueError, match=r"are not all in 0\.\.4"):
        SplitOrder(10, 0.5, 0, 1).at(np.array([place]))
