"""Values through a slot: the value put together equals the one taken apart."""

from __future__ import annotations

import pickle
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamfit.workers.transport.packing import Packed, Packer
from streamfit.workers.transport.slots import Slot, create
from streamfit.workers.transport.values import Parts, Template, ValueReader, dump


@dataclass
class Plain:
    x: Any
    y: Any = None


@dataclass(slots=True, frozen=True)
class Frozen:
    x: Any
    n: int = 3


@dataclass
class WithHook:
    x: Any
    log: list[str] = field(default_factory=list)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.log = [*self.log, "set"]


class Custom:
    def __init__(self, x: Any) -> None:
        self.x = x


Pair = namedtuple("Pair", "a b")


@pytest.fixture
def slot() -> Iterator[Slot]:
    made = Slot(create("test"))
    yield made
    made.close()


def travel(value: Any, slot: Slot) -> Any:
    """Send a value through a slot as the two processes do, each with its own view of the memory."""
    readers: dict[int, ValueReader | Exception] = {}

    def number_of(template: Template) -> int:
        readers[len(readers)] = ValueReader(pickle.loads(pickle.dumps(template)))
        return len(readers) - 1

    packer = Packer(slot, number_of)
    packer.add(value)
    packed = Packed(packer.body(0), readers)
    slot.attach(packed.capacity)
    return packed.values(slot.bytes(max(packed.used, 1)), apart=False)[0]


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, np.ndarray):
        assert type(b) is np.ndarray
        if a.dtype.kind in "mM":  # where NumPy pickles dates itself, it turns them to the native byte order
            a, b = (array.astype(array.dtype.newbyteorder("=")) for array in (a, b))
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.tobytes() == b.tobytes()
        assert b.flags.writeable
    elif isinstance(a, tuple | list):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        assert_same(list(a.values()), list(b.values()))
    else:
        assert type(a) is type(b)
        assert a == b or a != a


DTYPES = st.one_of(
    hnp.scalar_dtypes(), hnp.byte_string_dtypes(min_len=1), hnp.unicode_string_dtypes(min_len=1)
)
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
)
LEAVES = st.one_of(
    ARRAYS, st.none(), st.integers(), st.floats(), st.text(), st.binary(max_size=70), st.booleans()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=4),
        st.dictionaries(st.integers(), inner, max_size=2),
    ),
    max_leaves=8,
)


@given(VALUES)
def test_any_value_arrives_as_it_was(value: Any) -> None:
    made = Slot(create("test"))
    try:
        assert_same(value, travel(value, made))
    finally:
        made.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda a: a[:, ::-1],
        lambda a: a[::2],
        lambda a: a.T,
        lambda a: np.broadcast_to(a[0], (3, *a[0].shape)),
        lambda a: a[5:2],
        lambda a: a.astype(">f8"),
        lambda a: np.asfortranarray(a),
    ],
)
def test_layouts_of_arrays_arrive(slot: Slot, make: Any) -> None:
    array = make(np.arange(42.0).reshape(6, 7))
    got = travel(array, slot)
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype
    assert got.flags.f_contiguous == (array.flags.f_contiguous or array.ndim < 2 or array.size == 0)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["2020-01-01", "NaT"], "M8[s]"),
        np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
        np.array([{"a": 1}, None], object),
        np.ma.masked_array([1, 2, 3], [False, True, False]),
        np.array(["short", "a much longer text than the rest" * 3], np.dtypes.StringDType()),
        np.zeros(3, "S0"),
        np.array([1, 2], np.longdouble),
    ],
    ids=lambda array: str(array.dtype),
)
def test_unusual_arrays_arrive(slot: Slot, array: Any) -> None:
    got = travel((array,), slot)[0]
    assert type(got) is type(array)
    assert got.dtype == array.dtype
    assert got.tolist() == array.tolist()


def test_arrays_are_writable_views_of_the_slot(slot: Slot) -> None:
    first = travel(np.zeros(8), slot)
    first[3] = 7
    assert slot.bytes(64).view(np.float64)[3] == 7


def test_array_that_occurs_twice_is_one_array(slot: Slot) -> None:
    array = np.arange(5)
    a, (b, c) = travel((array, [array, array.copy()]), slot)
    assert a is b
    assert a is not c


def test_dataclasses_arrive_by_their_fields(slot: Slot) -> None:
    got = travel(Plain(np.arange(3), Frozen(np.ones(2))), slot)
    assert type(got) is Plain
    assert type(got.y) is Frozen
    assert got.y.n == 3
    assert_same(np.ones(2), got.y.x)


def test_dataclasses_with_state_of_their_own_arrive_by_their_own_rules(slot: Slot) -> None:
    extra = Plain(np.arange(3))
    extra.more = "kept"  # type: ignore[attr-defined]
    assert travel(extra, slot).more == "kept"
    assert travel(WithHook(np.arange(3)), slot).log == ["set"]


def test_objects_arrive_with_their_arrays_in_the_slot(slot: Slot) -> None:
    got = travel([Custom(np.arange(100_000)), Pair(np.ones(2), "b")], slot)
    assert_same(np.arange(100_000), got[0].x)
    assert type(got[1]) is Pair
    assert not got[0].x.flags.owndata


def test_large_pickles_go_through_the_slot(slot: Slot) -> None:
    value = {"text": ["word" * 10] * 3 + [str(n) for n in range(20_000)], "x": np.arange(9)}
    packer = Packer(slot, lambda template: 0)
    packer.add(value)
    assert len(packer.body(0)) < 1000
    assert_same(value, travel(value, slot))


def test_memory_map_arrives_as_a_plain_array(slot: Slot, tmp_path: Any) -> None:
    np.save(tmp_path / "a.npy", np.arange(100))
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    got = travel(mapped[10:20], slot)
    assert_same(np.arange(10, 20), got)
    del mapped


def test_nested_beyond_reason_still_arrives(slot: Slot) -> None:
    value: Any = np.arange(3)
    for _ in range(40):
        value = [value]
    got = travel(value, slot)
    while isinstance(got, list):
        got = got[0]
    assert_same(np.arange(3), got)


def test_templates_of_batches_that_differ_in_length_are_equal() -> None:
    assert Parts((np.zeros((3, 4)), None)).template == Parts((np.zeros((1, 9)), None)).template
    assert Parts(np.zeros(3)).template != Parts(np.zeros(3, np.float32)).template


def test_dump_says_what_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="generator"):
        dump(x for x in ())
