"""`shard` against slices of a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import READINGS, flat, in_order, listed, numbers, resumed


@pytest.mark.parametrize("make", READINGS)
@given(count=st.integers(1, 12), shards=st.integers(1, 5), data=st.data())
def test_against_slices(make: Any, count: int, shards: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, shards - 1))
    assert listed(make(count).shard(shards, index)) == list(range(count))[index::shards]
    shuffled = make(count).shuffle()
    assert listed(shuffled.shard(shards, index)) == listed(shuffled.elements(0))[index::shards]


def test_shards_of_each_pass_make_up_the_whole() -> None:
    shuffled = numbers(23).shuffle()
    for number in range(3):
        found = [listed(shuffled.shard(4, index).elements(number)) for index in range(4)]
        assert sorted(flat(found)) == list(range(23))


def test_resuming() -> None:
    expected, *others = resumed(
        in_order(11).shard(3, 1).batch(1), None, lambda: in_order(11).shard(3, 1).batch(1)
    )
    assert all(other == expected for other in others)


def test_wrong_numbers() -> None:
    with pytest.raises(ValueError, match="index=2: with num_shards=2 write 0 to 1"):
        numbers(4).shard(2, 2)
    with pytest.raises(ValueError, match="num_shards must be at least 1, got 0"):
        numbers(4).shard(0, 0)
