"""`cache`: every pass gives what the first one gave, and loads it once."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from oracles.stages import READINGS, even, in_place, kept, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import Pipeline, source
from streamfit.streams.stages.memo import Memo


class Counted:
    """Samples by number that count how often they are asked for."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> np.ndarray:
        self.calls.append(index)
        return np.full(2, index)


@pytest.mark.parametrize("make", READINGS)
def test_passes_are_alike(make: Any) -> None:
    cached = make(9).map(noisy).shuffle().cache()
    first = listed(cached)
    assert listed(cached) == listed(cached) == first
    assert listed(make(9).map(noisy).shuffle().cache()) == first, "also without what was kept"
    assert listed(cached.elements(5)) == first


@pytest.mark.parametrize("make", READINGS)
def test_what_comes_after_it_is_anew_in_each_pass(make: Any) -> None:
    cached = make(9).map(noisy).cache().shuffle()
    assert listed(cached) != listed(cached)
    assert sorted(listed(cached)) == sorted(listed(make(9).map(noisy)))


def test_each_sample_is_loaded_once() -> None:
    for chain in (lambda p: p, lambda p: p.filter(kept)):
        data = Counted()
        cached = chain(source(data, kind="samples")).cache().shuffle().batch(4)
        for _ in range(3):
            list(cached)
        assert sorted(data.calls) == list(range(6))


def test_functions_cannot_change_what_is_kept() -> None:
    for base in (source(Counted(), kind="samples"), source(Counted(), kind="samples").filter(kept)):
        cached = base.cache().map(in_place)
        assert listed(cached) == listed(cached) == [[n + 1] * 2 for n in range(6)]


def test_batches() -> None:
    cached = numbers(7).shuffle().batch(3).cache()
    assert listed(cached) == listed(cached)
    assert listed(cached.map(noisy, per="sample")) != listed(cached)


def test_a_limit_changes_the_time_alone() -> None:
    data = Counted()
    cached = source(data, kind="samples").cache(max_bytes=40)
    assert listed(cached) == listed(cached)
    assert len(data.calls) == 6 + 4, "two samples of 16 bytes are kept"
    for limit in (1, 30, 1000):
        cached = numbers(9).filter(even).map(noisy).cache(max_bytes=limit)
        assert listed(cached) == listed(cached)


def test_an_iterator_becomes_readable_again() -> None:
    def pulled() -> Iterator[int]:
        yield from range(40)

    cached = source(pulled(), kind="samples").map(noisy).filter(even).cache()
    assert cached.stage.traits.rewinds
    first = listed(cached.take(3))
    assert listed(cached)[:3] == first
    assert listed(cached) == listed(cached)


def test_an_iterator_that_does_not_fit() -> None:
    cached = source(iter(np.arange(9)), kind="samples").cache(max_bytes=100)
    with pytest.raises(DataError, match=r"max_bytes=100 is full after .* elements, and the iterator cannot"):
        list(cached)
    with pytest.raises(DataError, match="reading was interrupted, and the iterator cannot be read again"):
        list(cached)


def test_no_end() -> None:
    with pytest.raises(ValueError, match=r"which has no end; write .cache\(\) before .repeat"):
        numbers(3).repeat().cache()


def test_copies_start_empty() -> None:
    cached = source(Counted(), kind="samples").cache()
    list(cached)
    other: Pipeline = Pipeline(pickle.loads(pickle.dumps(cached.stage)))
    assert listed(other) == listed(cached)


def test_memo_keeps_two_seeds() -> None:
    memo = Memo()
    for seed in range(3):
        assert memo.keep(seed, "a", np.ones(1))
    assert [memo.find(seed, "a") is not None for seed in range(3)] == [False, True, True]
