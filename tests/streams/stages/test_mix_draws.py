"""`Draws`: the draws of a mix, found in any order, without a table of all."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import listed, numbers

from streamfit._base.keys import uniforms
from streamfit.streams import mix
from streamfit.streams.stages import mix_draws
from streamfit.streams.stages.mix_draws import Draws


def naive(sizes: list[int], weights: list[float], key: int) -> list[tuple[int, int]]:
    """Draw one position after the other."""
    left, found = list(sizes), []
    for draw in uniforms(key, np.arange(sum(sizes))).tolist():
        open_ = [at for at, count in enumerate(left) if count]
        bounds = np.cumsum([weights[at] for at in open_])
        at = open_[int((bounds / bounds[-1] <= draw).sum())]
        found.append((at, sizes[at] - left[at]))
        left[at] -= 1
    return found


@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    key=st.integers(0, 2**63),
    chunk=st.sampled_from([1, 3, 16, 4096]),
    kept=st.sampled_from([1, 2, 1024]),
    data=st.data(),
)
def test_positions_in_any_order(
    sizes: list[int], key: int, chunk: int, kept: int, data: st.DataObject
) -> None:
    count = len(sizes)
    weights = data.draw(st.lists(st.floats(0.01, 10), min_size=count, max_size=count))
    expected = naive(sizes, weights, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mix_draws, "_CHUNK", chunk)
        patch.setattr(mix_draws, "_CHUNKS_KEPT", kept)
        draws = Draws(np.array(sizes, np.int64), np.array(weights), key)
        anywhere = st.lists(st.integers(0, sum(sizes) - 1), max_size=30) if expected else st.just([])
        for _ in range(3):
            positions = data.draw(anywhere)
            found = draws.locate(np.array(positions, np.int64))
            assert list(zip(*(each.tolist() for each in found), strict=True)) == [
                expected[position] for position in positions
            ]


def test_these_draws_stay() -> None:
    """Fixed values: a run that is resumed by a later version reads the same samples."""
    both = mix([numbers(6), numbers(8, 100)], weights=[1, 3], seed=4)
    assert listed(both.elements(0)) == [100, 101, 102, 0, 103, 1, 104, 2, 3, 105, 106, 107, 4, 5]


def test_the_beginning_of_many_takes_little_memory() -> None:
    draws = Draws(np.array([10**12, 3 * 10**11]), np.array([1.0, 1.0]), key=1)
    tracemalloc.start()
    try:
        numbers, within = draws.locate(np.arange(100_000))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    for at in (0, 1):
        assert np.array_equal(within[numbers == at], np.arange((numbers == at).sum()))
