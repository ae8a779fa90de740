from __future__ import annotations

import pickle
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit._base.errors import DataError
from streamfit._base.specs import Spec
from streamfit.streams import ArraySource, Ticket

Pair = namedtuple("Pair", "left right")


def rows(n: int, *tail: int, dtype: str = "float32") -> Any:
    return np.arange(n * int(np.prod(tail)), dtype=dtype).reshape(n, *tail)


@given(
    n=st.integers(1, 300),
    size=st.integers(1, 70),
    shuffle=st.sampled_from([True, False, "batch"]),
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 5),
)
def test_every_sample_comes_once_with_its_own_target(
    n: int, size: int, shuffle: Any, seed: int, epoch: int
) -> None:
    x, y, weight = rows(n, 3), np.arange(n), np.arange(n) / 2
    source = ArraySource(x, y, weight, batch_size=size, shuffle=shuffle, seed=seed)
    batches = list(source.make_reader().read(epoch))
    ids = np.concatenate([batch.ids for batch in batches])
    assert np.array_equal(np.sort(ids), np.arange(n))
    assert [batch.size for batch in batches] == [min(size, n - k) for k in range(0, n, size)]
    assert [batch.number for batch in batches] == list(range(source.batches(epoch)))
    for batch in batches:
        assert np.array_equal(batch.x, x[batch.ids])
        assert np.array_equal(batch.y, batch.ids)
        assert np.array_equal(batch.sample_weight, batch.ids / 2)
    if shuffle is False:
        assert np.array_equal(ids, np.arange(n))


@given(
    n=st.integers(1, 100),
    size=st.integers(1, 20),
    start=st.integers(0, 6),
    shuffle=st.sampled_from([True, False, "batch"]),
)
def test_tickets_and_reading_agree_from_any_start(n: int, size: int, start: int, shuffle: Any) -> None:
    source = ArraySource(rows(n, 2), rows(n), batch_size=size, shuffle=shuffle, seed=5)
    tickets = list(source.tickets(2, start))
    batches = list(source.make_reader().read(2, start))
    whole = list(source.make_reader().read(2))[start:]
    assert len(tickets) == len(batches) == len(whole)
    for ticket, batch, same in zip(tickets, batches, whole, strict=True):
        x, y, weight = source.load(pickle.loads(pickle.dumps(ticket)))
        assert weight is None
        assert (
            (ticket.number, ticket.data_epoch)
            == (batch.number, batch.data_epoch)
            == (same.number, same.data_epoch)
        )
        assert np.array_equal(ticket.ids, batch.ids)
        for other in (batch, same):
            assert np.array_equal(x, other.x)
            assert np.array_equal(y, other.y)


def test_an_order_longer_than_one_chunk_is_whole() -> None:
    n = 10_000
    for shuffle in (True, "batch", False):
        source = ArraySource(np.arange(n), batch_size=7, shuffle=shuffle)
        assert np.array_equal(
            np.sort(np.concatenate([b.x for b in source.make_reader().read(0)])), np.arange(n)
        )


def test_shuffled_batches_stay_whole_and_the_smaller_one_last() -> None:
    batches = [
        b.x.tolist()
        for b in ArraySource(np.arange(11), batch_size=3, shuffle="batch", seed=4).make_reader().read(0)
    ]
    assert batches[-1] == [9, 10]
    assert sorted(batches[:-1]) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]


def test_each_pass_and_each_seed_has_its_own_order() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        source = ArraySource(np.arange(50), batch_size=50, seed=seed)
        return next(iter(source.make_reader().read(epoch))).ids.tolist()

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_structures_stay_as_they_were_given() -> None:
    x = {"b": rows(4, 2), "a": rows(4)}
    y = Pair(rows(4), None)
    batch = next(ArraySource(x, y, [None, rows(4)], batch_size=4, shuffle=False).make_reader().read(0))
    assert list(batch.x) == ["b", "a"]
    assert isinstance(batch.y, Pair)
    assert batch.y.right is None
    assert batch.sample_weight[0] is None
    shuffled = ArraySource(x, y, [None, rows(4)], batch_size=4).make_reader().read(0)
    again = next(shuffled)
    assert np.array_equal(again.x["b"], x["b"][again.ids])
    assert np.array_equal(again.y.left, rows(4)[again.ids])


@pytest.mark.parametrize("dtype", ["float16", "float64", "int8", "uint64", "bool", ">i4", ">f8"])
@pytest.mark.parametrize("shuffle", [True, False])
def test_dtypes_never_change(dtype: str, shuffle: bool) -> None:
    x = np.ones((5, 2), dtype)
    batch = next(ArraySource(x, batch_size=2, shuffle=shuffle).make_reader().read(0))
    assert batch.x.dtype == np.dtype(dtype)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("twist", ["fortran", "strided", "reversed", "unaligned"])
def test_any_memory_layout_gives_contiguous_batches(twist: str, shuffle: bool) -> None:
    plain = rows(20, 6)
    x = {
        "fortran": np.asfortranarray(plain),
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "reversed": plain[::-1].copy()[::-1],
        "unaligned": np.frombuffer(b"\0" + plain.tobytes(), np.uint8)[1:].view("float32").reshape(20, 6),
    }[twist]
    for batch in ArraySource(x, batch_size=8, shuffle=shuffle).make_reader().read(0):
        assert batch.x.flags.c_contiguous
        assert np.array_equal(batch.x, plain[batch.ids])


def test_unshuffled_batches_of_memory_are_views() -> None:
    x = rows(10, 2)
    assert all(
        np.shares_memory(batch.x, x)
        for batch in ArraySource(x, batch_size=3, shuffle=False).make_reader().read(0)
    )


def test_nothing_that_is_kept_is_overwritten() -> None:
    x = rows(48, 40_000)  # large enough for arrays to be lent again
    kept = [(batch.ids.copy(), batch.x) for batch in ArraySource(x, batch_size=8).make_reader().read(0)]
    for ids, part in kept:
        assert np.array_equal(part, x[ids])


def test_a_view_of_a_batch_keeps_it_too() -> None:
    x = rows(48, 40_000)
    kept = [
        (batch.ids.copy(), batch.x[1:, 5]) for batch in ArraySource(x, batch_size=8).make_reader().read(0)
    ]
    for ids, part in kept:
        assert np.array_equal(part, x[ids[1:], 5])


def test_large_batches_that_nobody_keeps_share_memory() -> None:
    addresses = {
        batch.x.ctypes.data for batch in ArraySource(rows(160, 40_000), batch_size=8).make_reader().read(0)
    }
    assert len(addresses) <= 4


class Frame:
    """Quacks like a data frame."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def to_numpy(self) -> Any:
        return self._array


class Foreign:
    """Quacks like a tensor of another library."""

    def __init__(self, array: Any, dlpack: bool) -> None:
        self.shape, self.ndim, self._array = array.shape, array.ndim, array
        if dlpack:
            self.__dlpack_device__ = array.__dlpack_device__

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._array


class Capsule:
    def __init__(self, array: Any) -> None:
        self.shape, self.ndim, self._array = array.shape, array.ndim, array

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [Frame, lambda a: Foreign(a, False), Capsule, lambda a: a.tolist(), tuple])
def test_whatever_becomes_an_array_will_do(wrap: Any) -> None:
    source = ArraySource(wrap(np.arange(6.0)), batch_size=6, shuffle=False)
    assert next(source.make_reader().read(0)).x.tolist() == [0, 1, 2, 3, 4, 5]


def test_specs() -> None:
    spec = ArraySource([rows(4, 2), rows(4)], np.zeros(4, "int8")).spec()
    assert spec == (
        [Spec((None, 2), np.dtype("float32")), Spec((None,), np.dtype("float32"))],
        Spec((None,), np.dtype("int8")),
        None,
    )


def test_descriptions_name_source_epoch_batch_and_samples() -> None:
    source = ArraySource(np.arange(100), batch_size=32, name="train", shuffle=False)
    assert [source.describe(ticket) for ticket in source.tickets(2)][1] == (
        "source 'train', pass 2, batch 1, samples 32..63"
    )
    assert source.describe(Ticket(0, 0, np.array([5, 3]))).endswith("samples [5, 3]")
    assert source.describe(Ticket(0, 0, np.arange(20)[::-1])).endswith("14, 13, 12, ... 20 in all]")


@pytest.mark.parametrize(
    ("x", "y", "weight", "message"),
    [
        (
            np.zeros(10),
            np.zeros(5),
            None,
            "Input arrays should have the same number of samples as target arrays. "
            "Found 10 input samples and 5 target samples.",
        ),
        (np.zeros(4), None, np.zeros(3), "Found 4 input samples and 3 sample_weight samples"),
        ([np.zeros(4), np.zeros(3)], None, None, "Found 4 samples in x[0] and 3 samples in x[1]"),
        ({"a": np.zeros(4)}, {"b": np.zeros(2)}, None, "Found 4 input samples and 2 target samples"),
        (np.zeros((0, 3)), None, None, "x has shape (0, 3): there are no samples"),
        ([], None, None, "no samples"),
        ({}, None, None, "x holds no array"),
        (np.float64(3), None, None, "x is a single value"),
        (np.zeros(3), 1, None, "y is a single value (1)"),
        (np.array(["a"]), None, None, "x has dtype <U1, which is no number; encode the text"),
        (np.array([None, 1]), None, None, "x has dtype object"),
        (np.zeros(2, "datetime64[s]"), None, None, "turn the dates into numbers"),
        (np.zeros(2, "timedelta64[s]"), None, None, "turn the times into numbers"),
        (np.zeros(2, "complex64"), None, None, "the real and the imaginary part"),
        (np.zeros(2, [("a", "f4")]), None, None, "convert it to a dtype of NumPy"),
        (np.ma.masked_array([1.0, 2.0], [True, False]), None, None, "array.filled(0)"),
        ([[1, 2], [3]], None, None, "x ([[1, 2], [3]]) cannot be made an array"),
    ],
)
def test_what_cannot_be_fed_is_refused_at_once(x: Any, y: Any, weight: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        ArraySource(x, y, weight)
    assert message in str(caught.value)


def test_sparse_matrices_are_refused_with_advice() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(DataError, match=r"toarray\(\)"):
        ArraySource(sparse.eye_array(3, format="csr"))


@pytest.mark.parametrize("shuffle", ["batches", None, 2, "True"])
def test_unknown_shuffles_are_refused(shuffle: Any) -> None:
    with pytest.raises(ValueError, match="shuffle must be True, False or 'batch'"):
        ArraySource(np.zeros(3), shuffle=shuffle)


def test_it_travels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", rows(10, 2))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for x in (rows(10, 2), mapped):
        source = ArraySource(x, batch_size=4, seed=3)
        twin = pickle.loads(pickle.dumps(source))
        ticket = next(source.tickets(0))
        assert np.array_equal(twin.load(ticket)[0], source.load(ticket)[0])
