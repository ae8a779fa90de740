"""Orders of batches: every sample once, any part alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamfit.streams.batch_order import ShuffledOrder


def orders() -> st.SearchStrategy[ShuffledOrder]:
    sizes = st.integers(1, 60)
    small = st.integers(1, 9)
    shuffles = st.sampled_from([True, False, "batch"])
    return st.builds(ShuffledOrder, sizes, small, shuffles, st.integers(0, 5))


@given(orders(), st.integers(0, 3), st.data())
def test_every_sample_once_and_any_part_alone(order: ShuffledOrder, number: int, data: st.DataObject) -> None:
    total = order.samples(number)
    whole = order.ids(number, 0, total)
    assert sorted(whole.tolist()) == list(range(total))
    first = data.draw(st.integers(0, total))
    count = data.draw(st.integers(0, total - first))
    if order.shuffle != "batch":
        assert order.ids(number, first, count).tolist() == whole[first : first + count].tolist()
    start = data.draw(st.integers(0, order.batches(number)))
    batches = list(order.batch_ids(number, start))
    assert len(batches) == order.batches(number) - start
    assert [len(ids) for ids in batches[:-1]] == [order.batch_size] * max(0, len(batches) - 1)
    expected = whole[start * order.batch_size : order.used(number)]
    assert [name for ids in batches for name in ids.tolist()] == expected.tolist()
