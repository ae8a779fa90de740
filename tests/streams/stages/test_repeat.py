"""`repeat`: each repetition is a pass of its own."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from oracles.stages import READINGS, batch_value, flat, in_order, listed, never, noisy, numbers, resumed

from streamfit._base.errors import DataError
from streamfit.streams import Feed, Pipeline, source


@pytest.mark.parametrize("make", READINGS)
def test_against_lists(make: Any) -> None:
    assert listed(make(3).repeat(3)) == [0, 1, 2] * 3
    assert listed(make(3).repeat(2).batch(4)) == [[0, 1, 2, 0], [1, 2]]
    assert listed(make(3).batch(2).repeat(2)) == [[0, 1], [2], [0, 1], [2]]
    assert listed(make(3).repeat(1)) == [0, 1, 2]
    assert listed(itertools.islice(make(3).repeat(), 7)) == [0, 1, 2, 0, 1, 2, 0]


@pytest.mark.parametrize("make", READINGS)
@pytest.mark.parametrize("count", [2, 3])
def test_repetitions_are_the_passes_of_the_input(make: Any, count: int) -> None:
    once = make(10).map(noisy).shuffle()
    repeated = once.repeat(count)
    for number in (0, 1):
        passes = [listed(once.elements(number * count + each)) for each in range(count)]
        assert listed(repeated.elements(number)) == flat(passes)


def test_endless_passes_begin_with_the_same_order_as_passes() -> None:
    once = numbers(6).shuffle()
    expected = listed(once.elements(0)) + listed(once.elements(1))
    assert listed(itertools.islice(once.repeat(), 12)) == expected
    assert once.repeat(None).stage.traits.endless
    assert repr(once.repeat(-1)) == repr(once.repeat())


def test_maps_after_it_draw_for_each_repetition() -> None:
    found = listed(numbers(20).repeat(2).map(noisy))
    assert found[:20] != found[20:]
    batches = listed(numbers(20).batch(20).repeat(2).map(noisy, per="sample"))
    assert batches[0] != batches[1]


def test_an_iterator_needs_a_cache_first() -> None:
    def pulled() -> Pipeline:
        return source(iter(np.arange(3)), kind="samples")

    with pytest.raises(ValueError, match=r"can be read once only; write .cache\(\) before"):
        pulled().repeat(2)
    assert listed(pulled().cache().repeat(2)) == [0, 1, 2] * 2
    assert listed(pulled().repeat(1)) == [0, 1, 2]


def test_nothing_to_repeat() -> None:
    with pytest.raises(DataError, match="repetition 0 has no elements, so there is nothing to repeat"):
        list(numbers(3).filter(never).repeat())


@pytest.mark.timeout(20)
def test_a_feed_without_an_end_needs_a_limit() -> None:
    endless = numbers(5).shuffle().repeat().batch(2)
    words = r"has no end; pass steps_per_epoch, or write .repeat\(count\)"
    with Feed(endless.open_source(seed=7)) as feed, pytest.raises(ValueError, match=words):
        list(feed.run())
    with Feed(endless.open_source(seed=7), wrap=True) as feed:
        epochs = [[batch_value(batch) for batch in feed.run(4)] for _ in range(3)]
        state = feed.state(within=False)
        last = [batch_value(batch) for batch in feed.run(4)]
    assert all(len(epoch) == 4 for epoch in epochs)
    with Feed(endless.open_source(seed=7), wrap=True) as feed:
        feed.resume(state)
        assert [batch_value(batch) for batch in feed.run(4)] == last


def test_resuming_within_a_repetition() -> None:
    expected, *others = resumed(in_order(4).repeat(3).batch(2), None, lambda: in_order(4).repeat(3).batch(2))
    assert len(others) == 6
    assert all(other == expected for other in others)


def test_wrong_counts() -> None:
    with pytest.raises(ValueError, match="count must be at least -1, got -2"):
        numbers(3).repeat(-2)
    assert len(numbers(3).repeat(0)) == 0
