"""Tests of rows side by side: what is taken is what was put, for any columns, blocks and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit.streams.stores.row_form import RowForm
from streamfit.streams.stores.row_kernels import BlockFinder
from streamfit.streams.stores.row_pack import PackLayout, RowPack, SpareMemory

DTYPES = ["float32", "int32", "float64", "int64", "int16", "uint8", "bool", "datetime64[s]", "float16", "U3"]


def columns(count: int, rng: np.random.Generator, number: int) -> dict[str, np.ndarray]:
    """Return columns of many dtypes, matrices and objects."""
    found = {}
    for at in range(number):
        dtype = np.dtype(DTYPES[int(rng.integers(len(DTYPES)))])
        found[f"c{at}"] = rng.integers(0, 200, count).astype(dtype)
    found["matrix"] = rng.normal(size=(count, 3)).astype("float32")
    found["text"] = np.array([str(value) for value in rng.integers(0, 99, count)], object)
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(0, 20), frozen=st.booleans())
def test_what_is_taken_is_what_was_put(seed: int, number: int, frozen: bool) -> None:
    rng = np.random.default_rng(seed)
    rows = columns(30, rng, number)
    for column in rows.values():
        column.flags.writeable = not frozen
    form, spare = RowForm(rows), SpareMemory()
    for _ in range(2):  # the second time in memory of the first
        pack = RowPack(form, 30, spare)
        for start, stop in ((20, 30), (0, 7), (7, 20)):
            pack.put([column[start:stop] for column in rows.values()], start)
        slots = rng.integers(0, 30, 17)
        taken = pack.take(slots)
        pack.release()
        for name, column, found in zip(rows, rows.values(), taken, strict=True):
            assert found.dtype == column.dtype, name
            np.testing.assert_array_equal(found, column[slots], err_msg=name)
            assert found.flags.c_contiguous
            assert found.flags.writeable


def test_what_was_taken_stays_when_the_memory_is_used_again() -> None:
    rows = {name: np.arange(50, dtype="float32") for name in "abcdefghij"}
    form, spare = RowForm(rows), SpareMemory()
    pack = RowPack(form, 50, spare)
    pack.put(list(rows.values()), 0)
    taken = pack.take(np.arange(50))
    pack.release()
    again = RowPack(form, 50, spare)
    again.put([column * -1 for column in rows.values()], 0)
    for column in taken:
        assert column.tolist() == list(range(50))


def test_columns_of_one_width_lie_side_by_side() -> None:
    form = RowForm(
        {"a": np.zeros(1, "f4"), "b": np.zeros(1), "c": np.zeros(1, "i4"), "d": np.zeros((1, 2), "f4")}
    )
    layout = PackLayout(form)
    assert layout.groups == [{np.dtype("f4"): [0], np.dtype("i4"): [2]}]
    assert sorted(layout.alone) == [1, 3]


def test_spare_memory_is_not_given_for_much_less() -> None:
    spare = SpareMemory()
    large = spare.empty((1000,), np.dtype("f8"))
    spare.take_back(large)
    small = spare.empty((10,), np.dtype("f8"))
    assert not np.shares_memory(large, small)
    assert np.shares_memory(large, spare.empty((900,), np.dtype("f8")))
    spare.clear()
    assert not np.shares_memory(large, spare.empty((900,), np.dtype("f8")))


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=8).filter(any),
    share=st.sampled_from([0.1, 0.5, 0.8, 1.0]),
    repeats=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_slots_lead_to_the_rows(lengths: list[int], share: float, repeats: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    total = int(starts[-1])
    ids = rng.choice(total, max(1, int(share * total)), replace=repeats)
    found = BlockFinder(starts).grouped(ids)
    kept = np.full(int(found.ends[-1]), -1, np.int64)
    for at, block in enumerate(found.blocks.tolist()):
        begin, end = int(found.ends[at - 1]) if at else 0, int(found.ends[at])
        rows = np.arange(lengths[block]) if found.whole[at] else found.rows[begin:end]
        kept[begin:end] = starts[block] + rows
    assert kept[found.slots].tolist() == ids.tolist()
    assert found.blocks.tolist() == sorted({int(np.searchsorted(starts, name, "right")) - 1 for name in ids})
    assert len(kept) * 3 <= len(ids) * 4 + 4 * len(found.blocks) or repeats


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows(count: int) -> None:
    rows = {name: np.zeros(count, "float32") for name in "ab"}
    pack = RowPack(RowForm(rows), count, SpareMemory())
    pack.put(list(rows.values()), 0)
    assert [len(column) for column in pack.take(np.arange(count))] == [count, count]
