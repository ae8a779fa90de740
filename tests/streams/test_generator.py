from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import DataError
from streamfit.streams import Feed, GeneratorSource

A, B, C = np.zeros((2, 3)), np.ones(2), np.full(2, 0.5)


class Counting:
    """An iterator that counts how often it was asked."""

    def __init__(self, stop: int | None = None) -> None:
        self.asked, self._stop = 0, stop

    def __iter__(self) -> Counting:
        return self

    def __next__(self) -> Any:
        if self.asked == self._stop:
            raise StopIteration
        self.asked += 1
        return np.full(2, self.asked - 1), np.zeros(2)


class Loader:
    """An iterable without next, as the data loaders of other libraries are."""

    def __init__(self, count: int, says: Any = None) -> None:
        self.count, self.says, self.passes = count, count if says is None else says, 0

    def __iter__(self) -> Iterator[Any]:
        self.passes += 1
        return ((np.full(2, k), np.zeros(2)) for k in range(self.count))


class Sized(Loader):
    def __len__(self) -> int:
        return self.says  # type: ignore[no-any-return]


def firsts(batches: Any) -> list[int]:
    return [int(batch.x[0]) for batch in batches]


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_it_is_read_in_order_and_goes_on_from_epoch_to_epoch(ahead: int) -> None:
    with Feed(GeneratorSource(Counting()), ahead=ahead, wrap=True) as feed:
        assert firsts(feed.run(4)) == [0, 1, 2, 3]
        assert firsts(feed.run(2)) == [4, 5]
        assert not feed.exhausted
        assert feed.steps() is None


@pytest.mark.parametrize(("ahead", "total", "most"), [(0, None, 6), (2, None, 9), (4, 6, 6), (4, 8, 8)])
def test_it_is_asked_no_more_often_than_it_may(ahead: int, total: int | None, most: int) -> None:
    counting = Counting()
    with Feed(GeneratorSource(counting), ahead=ahead, total=total) as feed:
        for _ in range(3):
            assert len(list(feed.run(2))) == 2
    assert 6 <= counting.asked <= most


def test_the_total_holds_over_the_passes_of_an_iterable() -> None:
    pulled: list[int] = []

    class Noting(Loader):
        def __iter__(self) -> Iterator[Any]:
            for k in range(3):
                pulled.append(k)
                yield np.full(2, k), np.zeros(2)

    with Feed(GeneratorSource(Noting(3)), ahead=3, wrap=True, total=4) as feed:
        assert firsts(feed.run(4)) == [0, 1, 2, 0]
    assert pulled == [0, 1, 2, 0]


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("wrap", [True, False])
def test_one_that_ends_early_says_so_and_stays_ended(ahead: int, wrap: bool) -> None:
    with Feed(GeneratorSource(Counting(8)), ahead=ahead, wrap=wrap) as feed:
        assert firsts(feed.run(5)) == [0, 1, 2, 3, 4]
        assert not feed.exhausted
        assert firsts(feed.run(5)) == [5, 6, 7]
        assert feed.exhausted
        assert feed.dry
        assert feed.receipt().delivered == feed.receipt().planned == 3
        assert firsts(feed.run(5)) == []
        assert feed.exhausted


@pytest.mark.parametrize("ahead", [0, 2])
def test_one_that_ends_with_its_epoch_is_found_dry_in_the_next(ahead: int) -> None:
    with Feed(GeneratorSource(Counting(6)), ahead=ahead, wrap=True, total=9) as feed:
        assert [len(list(feed.run(3))) for _ in range(2)] == [3, 3]
        assert not feed.exhausted
        assert list(feed.run(3)) == []
        assert feed.exhausted


def test_without_a_limit_it_is_read_to_its_end() -> None:
    with Feed(GeneratorSource(Counting(5))) as feed:
        assert len(list(feed.run())) == 5
        assert feed.dry


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_its_exception_comes_out_at_its_place(ahead: int, at: int) -> None:
    failure = IndexError("wrong file")

    def batches() -> Iterator[Any]:
        for k in range(5):
            if k == at:
                raise failure
            yield np.full(2, k), np.zeros(2)

    with Feed(GeneratorSource(batches(), name="train"), ahead=ahead) as feed:
        got: list[int] = []
        with pytest.raises(IndexError) as caught:
            got.extend(int(batch.x[0]) for batch in feed.run(5))
    assert caught.value is failure
    assert got == list(range(at))


def test_an_empty_one_is_an_error() -> None:
    with Feed(GeneratorSource(iter(()), name="train")) as feed, pytest.raises(DataError) as caught:
        list(feed.run(3))
    assert "must yield at least one batch" in str(caught.value)
    assert "'train'" in str(caught.value)


@pytest.mark.parametrize(
    ("item", "found"),
    [
        (A, "array of shape (2, 3) and dtype float64"),
        (3, "3"),
        (None, "None"),
        ((A, B, C, A), "(array"),
        ((), "()"),
        ("abc", "'abc'"),
        ({"a": A}, "{'a': array"),
    ],
)
def test_what_is_no_tuple_of_inputs_and_targets_is_an_error(item: Any, found: str) -> None:
    with pytest.raises(DataError) as caught:
        list(GeneratorSource(iter([item]), name="train").make_reader().read(0))
    wanted = f"Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: {found}"
    assert wanted in str(caught.value)
    assert "source 'train', pass 0, batch 0" in str(caught.value)


@pytest.mark.parametrize("item", [(A, B), [A, B], (A, B, None), (A, B, C), [A, B, C]])
def test_pairs_and_triples_will_do(item: Any) -> None:
    batch = next(GeneratorSource(iter([item])).make_reader().read(0))
    assert batch.x is A
    assert batch.y is B


def test_for_prediction_an_item_may_be_inputs_alone() -> None:
    def given(item: Any) -> Any:
        return next(GeneratorSource(iter([item]), targets=False).make_reader().read(0)).x

    assert given(A) is A
    assert given((A,)) is A
    assert given((A, B)) is A
    several = given([A, B])
    assert several[0] is A
    assert several[1] is B
    assert given({"a": A})["a"] is A


def test_an_iterable_is_begun_anew_for_each_pass() -> None:
    loader = Loader(3)
    with Feed(GeneratorSource(loader)) as feed:
        assert firsts(feed.run()) == firsts(feed.run()) == [0, 1, 2]
        assert not feed.dry
    assert loader.passes == 2


@pytest.mark.parametrize("kind", [Loader, Sized])
@pytest.mark.parametrize("ahead", [0, 2])
def test_passes_over_an_iterable_carry_over_and_wrap(kind: type[Loader], ahead: int) -> None:
    with Feed(GeneratorSource(kind(3)), wrap=True, ahead=ahead) as feed:
        assert firsts(feed.run(4)) == [0, 1, 2, 0]
        assert firsts(feed.run(4)) == [1, 2, 0, 1]
    with Feed(GeneratorSource(kind(4)), ahead=ahead) as feed:
        assert [firsts(feed.run(2)) for _ in range(4)] == [[0, 1], [2, 3], [0, 1], [2, 3]]


def test_an_iterable_that_knows_its_length_tells_it() -> None:
    with Feed(GeneratorSource(Sized(5))) as feed:
        assert feed.steps() == 5
        assert len(list(feed.run(3))) == 3
        assert feed.steps(3) == 2


def test_an_iterable_whose_length_raises_has_none() -> None:
    class Unsized(Loader):
        def __len__(self) -> int:
            raise TypeError("an iterable dataset has no length")

    assert GeneratorSource(Unsized(2)).batches(0) is None


@pytest.mark.parametrize(
    ("says", "message"), [(2, "says it has 2 batches and yields more"), (4, "batches 3..3 are missing")]
)
def test_a_length_that_is_not_true_is_an_error(says: int, message: str) -> None:
    with Feed(GeneratorSource(Sized(3, says))) as feed, pytest.raises(Exception, match=message):
        list(feed.run())


def test_an_iterable_with_nothing_in_it_is_an_error_and_no_endless_loop() -> None:
    with (
        Feed(GeneratorSource(Loader(0)), wrap=True) as feed,
        pytest.raises(DataError, match="at least one batch"),
    ):
        list(feed.run(3))


def test_a_pass_over_an_iterable_can_be_entered_in_the_middle() -> None:
    with Feed(GeneratorSource(Loader(5))) as feed:
        feed.seek(1, 3)
        assert firsts(feed.run()) == [3, 4]


@pytest.mark.timeout(30)
def test_a_generator_that_another_thread_is_running_is_a_clear_error() -> None:
    inside, leave = threading.Event(), threading.Event()

    def batches() -> Iterator[Any]:
        inside.set()
        leave.wait(20)
        yield A, B

    generator = batches()
    thread = threading.Thread(target=lambda: next(generator))
    thread.start()
    try:
        assert inside.wait(20)
        with pytest.raises(DataError, match="run by another thread"):
            list(GeneratorSource(generator).make_reader().read(0))
    finally:
        leave.set()
        thread.join()


def test_the_generator_itself_is_left_open() -> None:
    generator = ((np.full(2, k), np.zeros(2)) for k in range(5))
    with Feed(GeneratorSource(generator)) as feed:
        assert firsts(feed.run(2)) == [0, 1]
    assert int(next(generator)[0][0]) == 2


def test_a_value_error_of_the_generator_is_its_own() -> None:
    def batches() -> Iterator[Any]:
        raise ValueError("bad row")
        yield

    with pytest.raises(
        ValueError, match=r"^bad row\nwhile the generator made item 0 of source 'data', pass 0$"
    ):
        list(GeneratorSource(batches()).make_reader().read(0))
