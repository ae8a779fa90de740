"""`split`: disjoint by sample, exact in number, independent of pass, seed of the run and order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import in_order, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import Pipeline, source


@given(count=st.integers(1, 40), fraction=st.floats(0, 1), seed=st.integers(0, 5))
def test_parts(count: int, fraction: float, seed: int) -> None:
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


def test_large_inputs_are_quick() -> None:
    first, _ = source(np.zeros(1_000_000, np.uint8)).shuffle().split(0.9)
    assert len(next(iter(first.batch(128)))) == 128
