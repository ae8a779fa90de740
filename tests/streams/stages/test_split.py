"""`split`: disjoint by sample, exact in number, independent of pass, seed of the run and order."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import in_order, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import Feed, Pipeline, source
from streamfit.streams.stages import split


@pytest.mark.parametrize("few", [0, split.FEW], ids=["arithmetic", "tables"])
@given(count=st.integers(1, 40), fraction=st.floats(0, 1), seed=st.integers(0, 5))
def test_parts(few: int, count: int, fraction: float, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "FEW", few)
        check_parts(count, fraction, seed)


def check_parts(count: int, fraction: float, seed: int) -> None:
    first, second = numbers(count).split(fraction, seed)
    a, b = listed(first), listed(second)
    assert len(a) == len(first) == round(count * fraction)
    assert len(b) == len(second) == count - len(a)
    assert sorted(a + b) == list(range(count))
    assert a == sorted(a)
    assert b == sorted(b)
    # After a shuffle: the same samples in the order of the shuffle.
    shuffled = numbers(count).shuffle()
    for number in range(2):
        found = listed(shuffled.split(fraction, seed)[0].elements(number))
        assert found == [n for n in listed(shuffled.elements(number)) if n in set(a)]


def test_the_seed_of_a_run_changes_nothing() -> None:
    shuffled = numbers(30).shuffle()
    found = []
    for seed in (1, 2):
        first, _ = Pipeline(shuffled.stage, seed=seed).split(0.5)
        found.append(set(listed(first)))
    assert found[0] == found[1]
    assert found[0] != set(listed(shuffled.split(0.5, seed=1)[0]))


def test_what_comes_after_it() -> None:
    first, second = numbers(20).map(noisy).split(0.75)
    assert sum(map(len, listed(first.shuffle().batch(4)))) == 15
    assert listed(second) == listed(second.elements(0))


def test_batches_of_an_input_in_order_split_by_batch() -> None:
    first, second = numbers(12).batch(3).split(0.5)
    assert sorted(listed(first) + listed(second)) == [[n, n + 1, n + 2] for n in range(0, 12, 3)]


def test_part_of_an_input() -> None:
    first, second = numbers(10).skip(4).split(0.5)
    assert sorted(listed(first) + listed(second)) == list(range(4, 10))
    part = numbers(100).shuffle().take(10).split(0.5)[0]
    with pytest.raises(DataError, match="the input has other samples in pass 1 than in pass 0"):
        list(part.elements(1))


@pytest.mark.parametrize(
    "pipeline",
    [
        numbers(8).shuffle().batch(2),
        numbers(8).repeat(2),
        numbers(8).shuffle().zip(numbers(8)),
        numbers(8).window(3, shift=1),
    ],
    ids=str,
)
def test_parts_that_would_share_samples(pipeline: Pipeline) -> None:
    with pytest.raises(ValueError, match=r"the parts would share samples; write .split\(...\) before"):
        pipeline.split(0.5)


def test_inputs_in_order() -> None:
    with pytest.raises(ValueError, match=r"is read in order. Split before .filter"):
        in_order(4).split(0.5)


def test_wrong_fractions() -> None:
    with pytest.raises(ValueError, match=r"fraction=80: write the share of the first part, such as 0.8"):
        numbers(4).split(80)
    with pytest.raises(ValueError, match="fraction must be at least 0"):
        numbers(4).split(-0.5)


def test_the_parts_of_few_elements_stay() -> None:
    """Fixed values: what is validation data now is so in later versions."""
    assert listed(numbers(12).split(0.75, seed=3)[1]) == [2, 4, 9]


def test_many_elements_take_no_table() -> None:
    count = 10**12
    first, second = source(np.broadcast_to(np.float32(0), (count,))).split(0.8, seed=2)
    assert (len(first), len(second)) == (8 * 10**11, 2 * 10**11)
    tracemalloc.start()
    try:
        for part in (first, second, first.shuffle(), second.shuffle().take(10**6)):
            with Feed(part.batch(64).open_source(seed=1)) as feed:
                found = [batch.ids for batch in feed.run(3)]
            assert len(np.unique(np.concatenate(found))) == 192
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_parts_of_a_shuffled_input_are_those_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "FEW", 0)
    first, _ = numbers(300).split(0.7, seed=1)
    found, _ = numbers(300).shuffle().split(0.7, seed=1)
    assert sorted(listed(found)) == listed(first)


def test_large_inputs_are_quick() -> None:
    first, _ = source(np.zeros(1_000_000, np.uint8)).shuffle().split(0.9)
    assert len(next(iter(first.batch(128)))) == 128
