"""`WindowOrder`: each sample once, whole blocks in a window, any position alone, bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit.kernels.decorator import JIT_ENABLED
from streamfit.streams import window_order
from streamfit.streams.window_order import WindowOrder

compiled = pytest.mark.skipif(not JIT_ENABLED, reason="takes minutes where kernels are plain Python")

LENGTHS = st.lists(st.integers(0, 9), max_size=12)


def lengths_of(lengths: list[int]) -> np.ndarray:
    return np.array(lengths, np.int64)


def rows_of(lengths: list[int], block: int) -> list[int]:
    first = int(sum(lengths[:block]))
    return list(range(first, first + lengths[block]))


@given(LENGTHS, st.integers(1, 5), st.integers(0, 3))
def test_each_id_comes_once_and_each_window_holds_the_samples_of_its_blocks(
    lengths: list[int], window: int, key: int
) -> None:
    order = WindowOrder(lengths_of(lengths), window, key)
    ids = order.at(np.arange(order.n))
    assert ids.dtype == np.int64
    assert sorted(ids.tolist()) == list(range(sum(lengths)))
    assert order.windows == -(-len(lengths) // window)
    assert len(order.starts) == order.windows + 1
    blocks = [order.blocks(number) for number in range(order.windows)]
    assert sorted(np.concatenate([[], *blocks]).tolist()) == list(range(len(lengths)))
    for number, held in enumerate(blocks):
        assert len(held) == min(window, len(lengths) - number * window)
        expected = [row for block in held.tolist() for row in rows_of(lengths, block)]
        assert sorted(ids[order.starts[number] : order.starts[number + 1]].tolist()) == sorted(expected)


@pytest.mark.parametrize("most_kept", [0, 8, window_order.MOST_KEPT])
@given(LENGTHS, st.integers(1, 5), st.integers(0, 3), st.data())
def test_any_positions_are_those_of_the_whole(
    most_kept: int, lengths: list[int], window: int, key: int, data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_order, "MOST_KEPT", most_kept)
        patch.setattr(window_order, "_CHUNK", data.draw(st.sampled_from([3, 1 << 16])))
        patch.setattr(window_order, "_DENSE", data.draw(st.sampled_from([1, 64])))
        whole = WindowOrder(lengths_of(lengths), window, key).at(np.arange(sum(lengths)))
        order = WindowOrder(lengths_of(lengths), window, key)
        anywhere = st.lists(st.integers(0, sum(lengths) - 1), max_size=20) if whole.size else st.just([])
        for _ in range(3):
            positions = np.array(data.draw(anywhere), np.int64)
            assert order.at(positions).tolist() == whole[positions].tolist()
            start = data.draw(st.integers(0, sum(lengths)))
            assert order.at(np.arange(start, sum(lengths))).tolist() == whole[start:].tolist()


def test_these_ids_stay() -> None:
    """Fixed values: a run that is resumed by a later version reads the same samples."""
    order = WindowOrder(np.array([3, 0, 2, 4, 1, 5]), window=2, key=7)
    assert [order.blocks(number).tolist() for number in range(3)] == [[1, 2], [0, 3], [4, 5]]
    assert order.at(np.arange(15)).tolist() == [3, 4, 1, 8, 0, 7, 5, 2, 6, 12, 10, 14, 13, 11, 9]


def test_orders_depend_on_the_key() -> None:
    lengths = np.full(20, 10)
    orders = [WindowOrder(lengths, 4, key).at(np.arange(200)).tolist() for key in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_windows_have_orders_of_their_own() -> None:
    order = WindowOrder(np.full(8, 50), window=1, key=3)
    ids = order.at(np.arange(400)).reshape(8, 50) % 50
    assert len({tuple(row) for row in ids.tolist()}) == 8


def test_a_window_of_all_blocks_mixes_all() -> None:
    ids = WindowOrder(np.full(100, 100), window=100, key=5).at(np.arange(10_000))
    assert abs(float(np.abs(ids - np.arange(10_000)).mean()) / (10_000 / 3) - 1) < 0.03


@compiled
def test_many_blocks_of_many_rows_take_little_memory_and_time() -> None:
    order = WindowOrder(np.full(100_000, 10_000_000), window=16, key=1)
    assert order.n == 10**12
    ids = order.at(np.arange(10**11, 10**11 + 1000))
    window = int(np.searchsorted(order.starts, 10**11, "right")) - 1
    assert set((ids // 10_000_000).tolist()) == set(order.blocks(window).tolist())
    assert len(set(ids.tolist())) == 1000
    assert not order._kept


def test_no_more_than_two_windows_are_kept() -> None:
    order = WindowOrder(np.full(100, 1000), window=4, key=1)
    for start in range(0, order.n, 500):
        order.at(np.arange(start, start + 500))
        assert len(order._kept) <= 2
    assert order.at(np.array([3, 99_999])).shape == (2,)


@compiled
def test_large_windows_keep_within_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window_order, "MOST_KEPT", 1 << 18)
    order = WindowOrder(np.full(20, 1 << 17), window=2, key=1)
    order.at(np.arange(10))
    tracemalloc.start()
    try:
        for start in range(0, order.n, 1 << 17):
            order.at(np.arange(start, start + 64))
        assert tracemalloc.get_traced_memory()[1] < 2 * (8 << 18) + (4 << 20)
    finally:
        tracemalloc.stop()


def test_consecutive_positions_cost_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    order = WindowOrder(np.full(40, 5000), window=8, key=1)
    order.at(np.arange(0, 64))
    monkeypatch.setattr(window_order, "Order", None)  # nothing of the window is computed again
    for start in range(0, 40_000 - 64, 640):
        assert len(order.at(np.arange(start, start + 64))) == 64


def test_an_order_of_nothing() -> None:
    order = WindowOrder(np.array([], np.int64), 3, 1)
    assert (order.n, order.windows, order.starts.tolist()) == (0, 0, [0])
    assert order.at(np.array([], np.int64)).tolist() == []
    assert WindowOrder(np.array([0, 0, 0]), 2, 1).starts.tolist() == [0, 0, 0]


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"block 1 has -2 rows; write 0 or more"):
        WindowOrder(np.array([1, -2]), 1, 0)
    with pytest.raises(TypeError, match=r"whole numbers, one for each block; got float64 \(1,\)"):
        WindowOrder(np.array([1.0]), 1, 0)
    with pytest.raises(ValueError, match="window"):
        WindowOrder(np.array([1]), 0, 0)
    order = WindowOrder(np.array([4, 4]), 1, 0)
    for positions in ([8], [-1], [0, 9]):
        with pytest.raises(ValueError, match=r"are not all in 0\.\.7"):
            order.at(np.array(positions))
    for window in (-1, 2):
        with pytest.raises(ValueError, match=f"there is no window {window}; there are 2"):
            order.blocks(window)
