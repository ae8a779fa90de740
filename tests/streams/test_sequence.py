from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.sequences import Drawing, Endless, Failing, Growing, Numbered

from streamfit._base.errors import DataError
from streamfit.streams import Feed, Sequence, SequenceSource
from streamfit.workers import Pool


def firsts(batches: Any) -> list[int]:
    return [int(batch.x[0, 0]) for batch in batches]


@given(st.integers(1, 60), st.integers(0, 2**63 - 1), st.integers(0, 4))
def test_shuffling_permutes_whole_batches(count: int, seed: int, epoch: int) -> None:
    source = SequenceSource(Numbered(count), shuffle=True, seed=seed)
    order = firsts(source.make_reader().read(epoch))
    assert sorted(order) == list(range(count))
    assert order == firsts(source.make_reader().read(epoch))
    assert [int(batch.x[0, 0]) for batch in source.make_reader().read(epoch, count // 2)] == order[
        count // 2 :
    ]


def test_order_differs_from_pass_to_pass() -> None:
    source = SequenceSource(Numbered(30), shuffle=True, seed=1)
    assert firsts(source.make_reader().read(0)) != firsts(source.make_reader().read(1))


def test_without_shuffling_the_order_is_that_of_the_indices(pool: Pool | None) -> None:
    with Feed(SequenceSource(Numbered(7)), pool) as feed:
        assert firsts(feed.run()) == list(range(7))


def test_hooks_run_in_the_parent_around_full_passes_only(pool: Pool | None) -> None:
    numbered = Numbered(4)
    with Feed(SequenceSource(numbered), pool) as feed:
        assert numbered.events == []
        assert feed.steps(3) == 3
        assert numbered.events == []
        assert firsts(feed.run(3)) == [0, 1, 2]
        assert numbered.events == ["begin"]
        assert firsts(feed.run(3)) == [3]
        assert numbered.events == ["begin", "end"]
        assert firsts(feed.run(3)) == [0, 1, 2]
        assert numbered.events == ["begin", "end", "begin"]
    assert numbered.events == ["begin", "end", "begin"]


def test_what_on_epoch_end_changes_is_seen_by_the_next_pass(pool: Pool | None) -> None:
    growing = Growing(13, 2)
    with Feed(SequenceSource(growing), pool) as feed:
        counts = []
        for epoch in range(4):
            planned = feed.steps()
            batches = list(feed.run())
            assert planned == len(batches) == feed.receipt().planned
            counts.append(len(batches))
            got = np.concatenate([batch.x for batch in batches])
            assert np.array_equal(got, np.arange(13) + 100 * epoch)
    assert counts == [7, 4, 3, 2]
    assert growing.passes == 4


def test_draws_belong_to_seed_pass_and_index(pool: Pool | None) -> None:
    def draws(pool: Pool | None, seed: int) -> list[Any]:
        with Feed(SequenceSource(Drawing(), shuffle=True, seed=seed), pool) as feed:
            return [[(batch.ids, batch.x.copy()) for batch in feed.run()] for _ in range(2)]

    here, there = draws(None, 5), draws(pool, 5)
    for one, two in zip(here[0] + here[1], there[0] + there[1], strict=True):
        assert one[0] == two[0]
        assert np.array_equal(one[1], two[1])
    tables = [dict(pairs) for pairs in (*here, *draws(None, 6))]
    for index in range(6):
        assert len({table[index].tobytes() for table in tables}) == 4


def test_outside_a_stream_the_draws_are_those_of_seed_0_and_pass_0() -> None:
    drawing = Drawing()
    inside = next(iter(SequenceSource(drawing, seed=0).make_reader().read(0))).x
    assert np.array_equal(drawing.rng(0).random((4, 2)), inside)
    list(SequenceSource(drawing, seed=9).make_reader().read(3))
    assert np.array_equal(drawing.rng(0).random((4, 2)), inside)


def test_an_exception_comes_out_at_its_place_with_its_type(pool: Pool | None) -> None:
    with Feed(SequenceSource(Failing(3), name="train"), pool) as feed:
        got = []
        with pytest.raises(KeyError, match="no batch 3") as caught:
            got.extend(batch.number for batch in feed.run())
        assert got == [0, 1, 2]
        assert "source 'train', pass 0, batch 3, index 3" in "".join(caught.value.__notes__)


def test_no_end_is_no_end(pool: Pool | None) -> None:
    with Feed(SequenceSource(Endless(), shuffle=True), pool, wrap=True) as feed:
        assert feed.steps() is None
        assert feed.steps(4) == 4
        assert [batch.x[0] for batch in feed.run(4)] == [0, 1, 2, 3]
        assert [batch.x[0] for batch in feed.run(2)] == [4, 5]


def test_a_subclass_need_not_call_super() -> None:
    failing = Failing(0)
    assert (failing.workers, failing.use_multiprocessing, failing.max_queue_size) == (1, False, 10)
    numbered = Sequence.__new__(Numbered)
    Sequence.__init__(numbered, workers=3, use_multiprocessing=True, max_queue_size=7)
    assert (numbered.workers, numbered.use_multiprocessing, numbered.max_queue_size) == (3, True, 7)


def test_it_is_iterable() -> None:
    assert [int(y[0]) for x, y in Numbered(3)] == [0, -1, -2]
    endless = iter(Endless())
    assert [next(endless)[0][0] for _ in range(3)] == [0, 1, 2]


class Items(Sequence):
    def __init__(self, item: Any, count: Any = 1) -> None:
        self.item, self.count = item, count

    def __len__(self) -> int:
        return self.count  # type: ignore[no-any-return]

    def __getitem__(self, index: int) -> Any:
        return self.item


class Odd:
    """Says something that is no count."""

    def __init__(self, count: Any) -> None:
        self.num_batches = count

    num_batches: Any

    def __getitem__(self, index: int) -> Any:
        return np.zeros(2)


@pytest.mark.parametrize("count", [0, -3, 2.5, True, "4"])
def test_counts_that_are_none_are_refused(count: Any) -> None:
    class Counted(Odd):
        num_batches = property(lambda self: count, lambda self, value: None)

    with pytest.raises(DataError, match="must return a whole number of at least 1"):
        SequenceSource(Counted(count), name="train").batches(0)


A, B, C = np.zeros((2, 3)), np.ones(2), np.full(2, 0.5)


@pytest.mark.parametrize("item", [(A, B, C), [A, B, C]])
def test_items_of_three(item: Any) -> None:
    batch = next(iter(SequenceSource(Items(item)).make_reader().read(0)))
    assert [part is given for part, given in zip(batch.parts(), (A, B, C), strict=True)] == [True] * 3


@pytest.mark.parametrize("item", [A, (A,), (A, None), (A, None, None)])
def test_items_of_inputs_alone(item: Any) -> None:
    batch = next(iter(SequenceSource(Items(item)).make_reader().read(0)))
    assert batch.x is A
    assert batch.y is None


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            (A, B, C, A),
            "Output of Items should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: (array",
        ),
        ((), "Found: ()"),
        (None, "Found: None"),
        ((None, B), "Found: (None, array of shape (2,)"),
        ((A, np.array(["a", "b"])), "y has dtype <U1"),
        (
            (np.zeros((0, 3)), np.zeros(0)),
            "received an empty batch. Batches should contain at least one item.",
        ),
    ],
)
def test_wrong_items_are_errors_that_name_the_batch(item: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        list(SequenceSource(Items(item), name="train").make_reader().read(0))
    assert message in str(caught.value)
    assert "source 'train', pass 0, batch 0, index 0" in str(caught.value)


def test_unknown_shuffles_are_refused() -> None:
    with pytest.raises(ValueError, match="shuffle"):
        SequenceSource(Numbered(), shuffle="batches")
