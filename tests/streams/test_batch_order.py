"""Orders of batches: every sample once, any part alone, blocks kept together in windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.streams.batch_order import BatchOrder, BlockOrder, ShuffledOrder


def orders() -> st.SearchStrategy[BatchOrder]:
    sizes = st.integers(1, 60)
    small = st.integers(1, 9)
    shuffles = st.sampled_from([True, False, "batch"])
    return st.one_of(
        st.builds(ShuffledOrder, sizes, small, shuffles, st.integers(0, 5)),
        st.builds(
            BlockOrder,
            sizes,
            small,
            small,
            window=st.integers(1, 5),
            seed=st.integers(0, 5),
            drop_remainder=st.booleans(),
        ),
    )


@given(orders(), st.integers(0, 3), st.data())
def test_every_sample_once_and_any_part_alone(order: BatchOrder, number: int, data: st.DataObject) -> None:
    total = order.samples(number)
    whole = order.ids(number, 0, total)
    assert sorted(whole.tolist()) == list(range(total))
    first = data.draw(st.integers(0, total))
    count = data.draw(st.integers(0, total - first))
    if not isinstance(order, ShuffledOrder) or order.shuffle != "batch":
        assert order.ids(number, first, count).tolist() == whole[first : first + count].tolist()
    start = data.draw(st.integers(0, order.batches(number)))
    batches = list(order.batch_ids(number, start))
    assert len(batches) == order.batches(number) - start
    assert [len(ids) for ids in batches[:-1]] == [order.batch_size] * max(0, len(batches) - 1)
    expected = whole[start * order.batch_size : order.used(number)]
    assert [name for ids in batches for name in ids.tolist()] == expected.tolist()


def test_samples_of_a_window_come_from_its_blocks() -> None:
    order = BlockOrder(1000, 10, block=10, window=4, seed=3)
    for window in range(25):
        ids = order.ids(1, window * 40, 40)
        assert len({name // 10 for name in ids.tolist()}) == 4
    assert order.ids(0, 0, 1000).tolist() != order.ids(1, 0, 1000).tolist()


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="block"):
        BlockOrder(10, 2, block=0)
    assert np.array_equal(BlockOrder(3, 2, block=10).ids(0, 0, 3).sum(), 3)
