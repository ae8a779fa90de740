"""`concatenate` against the sum of lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import READINGS, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import source
from streamfit.streams.stages import Pass
from streamfit.testing import assert_same_bits
from streamfit.testing.strategies import NumberBatches


@pytest.mark.parametrize("second", READINGS)
@pytest.mark.parametrize("first", READINGS)
@given(a=st.integers(1, 9), b=st.integers(1, 9), size=st.integers(1, 5))
def test_against_lists(first: Any, second: Any, a: int, b: int, size: int) -> None:
    joined = first(a).concatenate(second(b, 20))
    expected = [*range(a), *range(20, 20 + b)]
    assert listed(joined) == expected
    assert listed(joined.batch(size)) == [expected[at : at + size] for at in range(0, a + b, size)]


def test_it_seeks_and_shuffles_as_a_whole() -> None:
    joined = numbers(5).concatenate(numbers(5, 50), numbers(2, 100)).shuffle()
    assert len(joined) == 12
    assert sorted(listed(joined)) == [*range(5), *range(50, 55), 100, 101]


def test_batches() -> None:
    joined = numbers(3).batch(2).concatenate(numbers(3, 10).batch(2))
    assert listed(joined) == [[0, 1], [2], [10, 11], [12]]
    members = joined.stage.members(Pass(0, 0), np.arange(4))
    assert members is not None
    assert [ids.tolist() for ids in members] == [[0, 1], [2], [3, 4], [5]]
    assert listed([joined.stage.load(Pass(0, 0), 2, np.array([4]))]) == [[11]]


def test_draws_are_the_same_wherever_reading_begins_if_only_some_samples_have_ids() -> None:
    named, unnamed = numbers(2).batch(2), source(NumberBatches([2]))
    joined = named.concatenate(unnamed, numbers(2, 50).batch(2))
    opened = joined.map(noisy, per="sample").open_source(seed=1)
    tickets = list(opened.tickets(0))
    for start in range(3):
        for ticket in opened.tickets(0, start):
            assert_same_bits(list(opened.load(ticket)), list(opened.load(tickets[ticket.number])))


def test_equal_maps_draw_apart() -> None:
    first, second = np.split(np.array(listed(numbers(30).map(noisy).concatenate(numbers(30).map(noisy)))), 2)
    assert (first != second).any()


def test_different_dtypes_are_named_when_composed_or_when_loaded() -> None:
    other = source(np.zeros(2, np.float32))
    with pytest.raises(DataError, match="x has dtype int64 in the first and float32 in the second; cast"):
        numbers(2).concatenate(other)
    with pytest.raises(DataError, match="x has dtype float64 in the first and float32 in the second"):
        list(numbers(2).map(np.sin).concatenate(other).batch(4))


def test_batches_and_samples() -> None:
    with pytest.raises(ValueError, match=r"concatenate\(\) needs inputs of one kind"):
        numbers(2).concatenate(numbers(2).batch(2))
