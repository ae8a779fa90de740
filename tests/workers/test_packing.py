"""The values of one job through one slot: in order, equal, writable, and with no hold on each other."""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from oracles.loaders import Calls
from workers.test_values import VALUES, Frozen, Plain, assert_same

from streamfit._base.errors import WorkerError
from streamfit.workers.pool.scheduler import Job
from streamfit.workers.processes.worker_group import WorkerHandle
from streamfit.workers.processes.worker_main import Worker
from streamfit.workers.transport import wire
from streamfit.workers.transport.loader_pickle import LoaderRegistry
from streamfit.workers.transport.packing import Packed, Packer
from streamfit.workers.transport.slots import Slot, create
from streamfit.workers.transport.values import Array, Template, ValueReader
from streamfit.workers.transport.wire import Channel

pytestmark = pytest.mark.timeout(60)
RECORD = np.dtype([("when", "M8[D]"), ("name", "U3"), ("at", "f4", (2,))])

# Each makes values that are alike in structure and shapes; `n` makes them different.
ALIKE: dict[str, Callable[[int], Any]] = {
    "array": lambda n: np.arange(6.0).reshape(2, 3) + n,
    "F order": lambda n: np.asfortranarray(np.arange(6.0).reshape(2, 3) + n),
    "strided": lambda n: (np.arange(24).reshape(4, 6) + n)[::2, ::-2],
    "0-d": lambda n: np.array(n, np.int16),
    "empty": lambda n: np.zeros((0, 3), np.float32),
    "empty and full": lambda n: (np.zeros((2, 0)), np.full(3, n, np.uint8), np.zeros((0,))),
    "dates": lambda n: np.array(["2020-01-01", "NaT"], "M8[s]") + np.timedelta64(n, "s"),
    "spans": lambda n: np.array([n, 2 * n], "m8[ms]"),
    "other byte order": lambda n: np.array([[n, 1], [2, 3]], ">i4"),
    "half": lambda n: np.full((5, 1), n, np.float16),
    "complex": lambda n: np.array([n + 2j]),
    "bools": lambda n: np.array([n % 2 == 0, True]),
    "text": lambda n: np.array([["a", f"{n:03}"]]),
    "bytes": lambda n: np.array([b"a", b"%03d" % n]),
    "records": lambda n: np.array([("2020-01-01", f"{n:03}"[-3:], (n, 2.5))] * 2, RECORD),
    "batch": lambda n: (np.full((4, 2), n, np.float32), {"y": np.full(4, n), "w": None}),
    "dataclass": lambda n: Plain(np.full(3, n), Frozen(np.ones(2), None)),  # type: ignore[arg-type]
    "nothing": lambda n: None,
    "no array": lambda n: [(), {}, [None]],
    "number": lambda n: n,
    "mixed": lambda n: [np.full(2, n), f"text {n}", np.full((1, 2), n)],
    "large pickle": lambda n: {"x": np.full(3, n), "rest": "word " * 8_000 + str(n)},
    "object": lambda n: (Fraction(n, 7), np.full(2, n)),
    "buffers outside": lambda n: [{1: np.full(9, n), 2: np.full((2, 5), n)}, np.full(4, n)],
    "buffers and large": lambda n: [{1: np.full(90, n), 2: "word " * 8_000}, np.full(4, n)],
}
GROUPS = st.lists(st.tuples(st.sampled_from(sorted(ALIKE)), st.integers(1, 5)), max_size=6)


def made(groups: list[tuple[str, int]]) -> list[Any]:
    """Return values of some kinds, a number of each, no two of them with the same numbers."""
    kinds = [kind for kind, count in groups for _ in range(count)]
    return [ALIKE[kind](n) for n, kind in enumerate(kinds)]


class Pair:
    """A slot as a worker and the main process have it, each with a mapping of its own."""

    def __init__(self) -> None:
        self.mine = Slot(create("test"))
        self.theirs = Slot(os.dup(self.mine.fd))
        self.readers: dict[int, ValueReader | Exception] = {}
        self.numbers: dict[Template, int] = {}

    def number_of(self, template: Template) -> int:
        number = self.numbers.setdefault(template, len(self.numbers))
        if number == len(self.readers):
            self.readers[number] = ValueReader(pickle.loads(pickle.dumps(template)))
        return number

    def packer(self) -> Packer:
        return Packer(self.mine, self.number_of)

    def read(self, body: bytes, *, apart: bool = False) -> list[Any]:
        packed = Packed(body, self.readers)
        return packed.values(memory_of(self.theirs, packed), apart=apart)

    def travel(self, values: list[Any], *, apart: bool = False) -> list[Any]:
        packer = self.packer()
        for value in values:
            packer.add(value)
        return self.read(packer.body(0), apart=apart)


def memory_of(slot: Slot, packed: Packed) -> Array:
    """Map the memory that a frame describes, as the pool does."""
    slot.attach(packed.capacity)
    return slot.bytes(max(packed.used, 1))


@contextmanager
def a_pair() -> Iterator[Pair]:
    pair = Pair()
    try:
        yield pair
    finally:
        pair.mine.close()
        pair.theirs.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    with a_pair() as made:
        yield made


def root(array: Array) -> Any:
    """Return the owner of the memory of an array."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


# -- what goes in comes out ---------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("kind", ALIKE)
def test_values_alike_arrive_as_they_were(pair: Pair, kind: str, count: int, apart: bool) -> None:
    values = made([(kind, count)])
    assert_equal(pair.travel(values, apart=apart), values)


@given(GROUPS, st.booleans())
@example([("array", 3), ("number", 1), ("array", 2), ("large pickle", 2), ("empty", 3), ("0-d", 3)], True)
def test_values_of_mixed_kinds_arrive_in_order(groups: list[tuple[str, int]], apart: bool) -> None:
    values = made(groups)
    with a_pair() as pair:
        assert_equal(pair.travel(values, apart=apart), values)


@given(st.lists(st.tuples(VALUES, st.integers(1, 4)), max_size=5), st.booleans())
def test_any_values_arrive_in_order(repeated: list[tuple[Any, int]], apart: bool) -> None:
    values = [value for value, count in repeated for _ in range(count)]
    with a_pair() as pair:
        assert_equal(pair.travel(values, apart=apart), values)


def assert_equal(got: list[Any], values: list[Any]) -> None:
    assert len(got) == len(values)
    for one, other in zip(values, got, strict=True):
        if hasattr(one, "__dataclass_fields__"):
            one, other = ([value.x, value.y.x, value.y.n] for value in (one, other))
        assert_same(one, other)


def test_memory_order_is_kept(pair: Pair) -> None:
    for apart in (False, True):
        for got in pair.travel(made([("F order", 4)]), apart=apart):
            assert (got.flags.f_contiguous, got.flags.c_contiguous) == (True, False)


def test_array_that_occurs_twice_in_a_value_is_one_array_in_each(pair: Pair) -> None:
    values = [(array, array) for array in made([("array", 4)])]
    for apart in (False, True):
        got = pair.travel(values, apart=apart)
        assert all(first is second for first, second in got)
        assert len({first.__array_interface__["data"][0] for first, _ in got}) == 4


def test_value_that_occurs_twice_is_two_values(pair: Pair) -> None:
    (value,) = made([("array", 1)])
    first, second = pair.travel([value, value])
    first[:] = -1
    assert_same(value, second)


@pytest.mark.parametrize("apart", [False, True])
def test_change_of_one_value_changes_no_other(pair: Pair, apart: bool) -> None:
    values = made([("array", 4), ("F order", 3), ("0-d", 3), ("records", 3), ("buffers outside", 2)])
    got = pair.travel(values, apart=apart)
    for at, value in enumerate(got):
        arrays = [*value[0].values(), value[1]] if isinstance(value, list) else [value]
        for array in arrays:
            array[...] = np.zeros((), array.dtype)
        assert_equal(got[at + 1 :], values[at + 1 :])


# -- how it is described ------------------------------------------------------------------------------------


def test_values_alike_are_described_once(pair: Pair) -> None:
    bodies = []
    for count in (1, 100):
        packer = pair.packer()
        for value in made([("batch", count)]):
            packer.add(value)
        bodies.append(packer.body(0))
    assert len(bodies[0]) == len(bodies[1])
    assert_equal(pair.read(bodies[1]), made([("batch", 100)]))


def test_arrays_begin_at_multiples_of_64_bytes(pair: Pair) -> None:
    for got in pair.travel(made([("half", 3), ("array", 3), ("0-d", 4)])):
        assert got.__array_interface__["data"][0] % 64 == 0


def test_what_a_frame_says_of_itself(pair: Pair) -> None:
    packer = pair.packer()
    packer.add(np.zeros(100))
    packer.add(np.zeros(100))
    packed = Packed(packer.body(1234), pair.readers)
    assert (packed.used, packed.nanoseconds, packed.failure) == (2 * 832, 1234, b"")
    assert packed.capacity == pair.mine.capacity >= packed.used


@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("failure", [b"x", b"what went wrong" * 10_000], ids=["short", "long"])
def test_values_before_a_failure_arrive(pair: Pair, count: int, failure: bytes) -> None:
    values = made([("mixed", 1), ("array", 3)])[:count]
    packer = pair.packer()
    for value in values:
        packer.add(value)
    body = packer.body(5, failure)
    assert_equal(pair.read(body), values)
    assert Packed(body, pair.readers).failure == failure


def test_value_that_cannot_be_packed_leaves_the_others_whole(pair: Pair) -> None:
    values = made([("array", 2), ("mixed", 1)])
    packer = pair.packer()
    for value in values:
        packer.add(value)
    for refused in ((n for n in ()), (np.zeros(9), (n for n in ()))):
        with pytest.raises(TypeError, match="generator"):
            packer.add(refused)
    packer.add(values[0])
    assert_equal(pair.read(packer.body(0)), [*values, values[0]])


def test_value_without_room_leaves_the_others_whole(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: int) -> int:
        raise WorkerError("no room")

    values = made([("array", 3)])
    packer = pair.packer()
    for value in values:
        packer.add(value)
    for refused in (values[0], np.zeros(1 << 20)):  # one like the last, and one like none
        with monkeypatch.context() as patch:
            patch.setattr(pair.mine, "reserve", refuse)
            patch.setattr(pair.mine, "capacity", 0)
            with pytest.raises(WorkerError, match="no room"):
                packer.add(refused)
    assert_equal(pair.read(packer.body(0, b"no room")), values)


# -- memory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(10, 10, 100_000, 10), (30_000,) * 40, (10, 2_000_000, 10)], ids=len)
def test_slot_grows_in_the_middle_of_a_job(pair: Pair, sizes: tuple[int, ...]) -> None:
    values = [np.full(size, at, np.uint8) for at, size in enumerate(sizes)]
    capacities = []
    packer = pair.packer()
    for value in values:
        packer.add(value)
        capacities.append(pair.mine.capacity)
    assert capacities[0] < capacities[-1]
    assert_equal(pair.read(packer.body(0)), values)


def test_slot_serves_job_after_job(pair: Pair) -> None:
    for groups in ([("large pickle", 3)], [("array", 2)], [("nothing", 2)], [("buffers and large", 3)]):
        assert_equal(pair.travel(made(groups)), made(groups))


@pytest.mark.parametrize("kind", ["array", "F order", "0-d", "records", "buffers outside"])
def test_value_kept_apart_keeps_no_other(pair: Pair, kind: str) -> None:
    filler = [np.zeros(50_000), np.zeros(50_000)]
    values = [*filler, *made([(kind, 3)]), *filler]
    got = pair.travel(values, apart=True)[2:5]
    owners = {id(owner): owner for value in got for owner in map(root_of_buffer, arrays_in(value))}
    assert len(owners) == 3
    assert all(owner.flags.owndata and owner.nbytes <= 512 for owner in owners.values())


def test_values_that_are_not_apart_are_views_of_the_slot(pair: Pair) -> None:
    packer = pair.packer()
    for value in made([("array", 4)]):
        packer.add(value)
    packed = Packed(packer.body(0), pair.readers)
    memory = memory_of(pair.theirs, packed)
    assert all(np.shares_memory(value, memory) for value in packed.values(memory, apart=False))
    assert not any(np.shares_memory(value, memory) for value in packed.values(memory, apart=True))


def arrays_in(value: Any) -> list[Array]:
    return [*value[0].values(), value[1]] if isinstance(value, list) else [value]


def root_of_buffer(array: Array) -> Any:
    """Find the owner of the memory, through the views that pickle makes of buffers."""
    owner = root(array)
    while isinstance(owner, memoryview):
        owner = root(owner.obj)
    return owner


def test_value_that_cannot_be_read_says_so(pair: Pair) -> None:
    packer = pair.packer()
    packer.add(np.zeros(3))
    packer.add((np.zeros(3), 1))
    packer.add(np.zeros(3))
    pair.readers[1] = AttributeError("no such class here")
    first, second = pair.read(packer.body(0))
    assert_same(np.zeros(3), first)
    assert "cannot be put together" in str(second.error)
    assert isinstance(second.error.__cause__, AttributeError)


# -- a worker and its link, in one process ------------------------------------------------------------------


class Line:
    """A real `Worker` in a thread, and a real `WorkerHandle` to it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        mine, theirs = socket.socketpair()
        self.worker = Worker(theirs)
        self.handle = WorkerHandle(1, Channel(mine))
        self.registry = LoaderRegistry()
        self.pickled_loader = self.registry.pickled_loader_for(Calls(function))
        self.slots: dict[int, Slot] = {}
        self.packed: list[tuple[Slot, Packed]] = []
        self.templates: list[int] = []
        self.thread = threading.Thread(target=self.worker.serve)
        self.thread.start()

    def send(self, number: int, tickets: tuple[Any, ...]) -> None:
        slot = self.slots[number] = Slot(create("test"))
        self.handle.send_slot(number, slot)
        self.handle.send_loader(self.pickled_loader)
        self.handle.send_job(Job(1, number, tickets, self.pickled_loader, number), slot)
        self.handle.channel.flush()

    def receive(self, count: int) -> None:
        while len(self.packed) < count:
            for frame in self.handle.channel.receive():
                if frame.kind == wire.TEMPLATE:
                    self.templates.append(frame.number)
                    self.handle.readers[frame.number] = ValueReader(pickle.loads(frame.body))
                else:
                    self.packed.append((self.slots[frame.slot], Packed(frame.body, self.handle.readers)))

    def close(self) -> None:
        self.handle.close()
        self.thread.join()
        self.worker._channel.close()
        self.worker._progress_page.close()
        for slot in [*self.slots.values(), *self.worker._slots.values()]:
            slot.close()
        self.registry.clear()


def keyed(ticket: int) -> dict[str, Any]:
    """Return a value whose template no other ticket has."""
    return {f"key {ticket}": np.full(2, ticket)}


def test_template_numbers_are_given_anew_and_old_frames_are_read_as_they_were_meant() -> None:
    line = Line(keyed)
    try:
        jobs = [tuple(range(200)), tuple(range(150, 450)), tuple(range(299, -1, -1)), (7, 7, 299)]
        for slot, tickets in enumerate(jobs):
            line.send(slot, tickets)
        line.receive(len(jobs))
        assert max(line.templates) >= 256  # in the middle of a job numbers go on
        assert line.templates.count(0) > 1  # between jobs they begin anew
        for (slot, packed), tickets in zip(line.packed, jobs, strict=True):
            assert packed.failure == b""
            assert_equal(packed.values(memory_of(slot, packed), apart=False), list(map(keyed, tickets)))
    finally:
        line.close()
