"""`take`, `skip`, `shuffle`, `batch`, `unbatch` against lists; orders at any positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import READINGS, flat, in_order, listed, numbers

from streamfit.streams.order import Order
from streamfit.streams.stages import Pass


@pytest.mark.parametrize("make", READINGS)
@given(count=st.integers(1, 9), n=st.integers(0, 12), size=st.integers(1, 4), drop=st.booleans())
def test_against_lists(make: Any, count: int, n: int, size: int, drop: bool) -> None:
    everything = list(range(count))
    assert listed(make(count).take(n)) == everything[:n]
    assert listed(make(count).take(-1)) == everything
    assert listed(make(count).skip(n)) == everything[n:]
    batches = [everything[at : at + size] for at in range(0, count, size)]
    kept = [batch for batch in batches if len(batch) == size or not drop]
    assert listed(make(count).batch(size, drop)) == kept
    assert listed(make(count).batch(size, drop).unbatch()) == flat(kept)
    assert sorted(listed(make(count).shuffle(3))) == everything


def test_blocks_are_shuffled_within() -> None:
    found = listed(in_order(20).shuffle(5))
    assert found != list(range(20))
    assert [sorted(found[at : at + 5]) for at in range(0, 20, 5)] == [
        list(range(at, at + 5)) for at in range(0, 20, 5)
    ]


@given(n=st.integers(1, 500), key=st.integers(0, 9), data=st.data())
def test_orders_at_any_positions(n: int, key: int, data: st.DataObject) -> None:
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=20)), np.int64)
    order = Order(n, key)
    assert order.at(positions).tolist() == order.ids(0, n)[positions].tolist()


def test_orders_have_an_end() -> None:
    for wrong in ([-1], [10], [3, 11]):
        with pytest.raises(ValueError, match=r"are not all in 0..9"):
            Order(10, 1).at(np.array(wrong))


def test_members_of_any_batches() -> None:
    stage = numbers(11).shuffle().batch(3).stage
    p = Pass(0, 0)
    together = stage.members(p, np.arange(4))
    apart = stage.members(p, np.array([3, 0, 2]))
    assert together is not None
    assert apart is not None
    assert [ids.tolist() for ids in apart] == [together[at].tolist() for at in (3, 0, 2)]


def test_orders_without_passes() -> None:
    fixed = numbers(20).shuffle(reshuffle_each_iteration=False)
    assert listed(fixed) == listed(fixed)
    assert listed(numbers(20).shuffle(seed=1).elements(1)) != listed(numbers(20).shuffle(seed=1).elements(0))


def test_single_samples_have_no_batches_to_undo() -> None:
    with pytest.raises(ValueError, match=r"unbatch\(\) needs batches"):
        numbers(4).unbatch()
