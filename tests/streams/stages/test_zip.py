"""`zip` against Python's own, for inputs that seek and inputs read in order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.stages import READINGS, in_order, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import source

PAIRS = [(first, second) for first in READINGS for second in READINGS]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_against_zip(first: Any, second: Any) -> None:
    assert listed(first(5).zip(second(5, 10))) == list(zip(range(5), range(10, 15), strict=True))
    assert listed(first(5).zip(second(5, 10), numbers(5))) == [(n, n + 10, n) for n in range(5)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_batches_of_one_size_make_batches(first: Any, second: Any) -> None:
    zipped = first(5).batch(2).zip(second(5, 10).batch(2))
    assert zipped.stage.traits.batched
    assert listed(zipped) == [([0, 1], [10, 11]), ([2, 3], [12, 13]), ([4], [14])]
    assert listed(zipped.unbatch()) == [(n, n + 10) for n in range(5)]


def test_zip_before_batch() -> None:
    assert listed(numbers(3).zip(numbers(3, 5)).batch(2)) == [([0, 1], [5, 6]), ([2], [7])]


def test_it_seeks_where_all_inputs_do() -> None:
    assert numbers(3).zip(numbers(3)).stage.traits.seekable
    assert not numbers(3).zip(in_order(3)).stage.traits.seekable
    order = listed(numbers(6).zip(numbers(6, 6)).shuffle())
    assert order != sorted(order)
    assert sorted(order) == [(n, n + 6) for n in range(6)]


def test_unequal_known_lengths() -> None:
    with pytest.raises(
        ValueError, match=r"source\('data', 3 samples\) has 3 elements and .* has 4.*take\(3\)"
    ):
        numbers(3).zip(numbers(4))


@pytest.mark.parametrize(("first", "second"), PAIRS[1:])
def test_an_input_that_ends_early(first: Any, second: Any) -> None:
    for a, b in ((3, 5), (5, 3)):
        with pytest.raises(DataError, match=r"ended after 3 elements and .* has more"):
            list(first(a).zip(second(b)))


def test_batches_that_differ_in_size() -> None:
    for make in READINGS:
        with pytest.raises(DataError, match=r"zip\(\) of batches that differ in their number of samples: x"):
            list(make(6).batch(2).zip(make(9).batch(3)))


def test_batches_with_samples() -> None:
    with pytest.raises(ValueError, match="inputs of one kind, got samples, batches"):
        numbers(2).zip(numbers(4).batch(2))


def test_a_shared_input_is_the_same_and_augmentations_differ() -> None:
    shuffled = numbers(20).shuffle()
    views = listed(shuffled.zip(shuffled.map(noisy), shuffled.map(noisy)))
    first, second = ([view[at] - view[0] for view in views] for at in (1, 2))
    assert all(0 <= noise < 1000 for noise in first + second)
    assert first != second
    apart = listed(numbers(20).shuffle().zip(numbers(20).shuffle()))
    assert [a for a, _ in apart] != [b for _, b in apart]


def test_equal_seeds_shuffle_alike() -> None:
    pairs = listed(numbers(20).shuffle(seed=3).zip(numbers(20, 100).map(np.negative).shuffle(seed=3)))
    assert all(a + 100 == -b for a, b in pairs)


def test_one_iterator_in_two_inputs() -> None:
    pulled = source(iter([np.zeros(2)]))
    with pytest.raises(ValueError, match="is read by two inputs, but an iterator gives each item once"):
        pulled.zip(pulled.map(noisy))


def test_what_is_no_pipeline() -> None:
    with pytest.raises(TypeError, match=r"zip\(\) needs pipelines, but number 0 is a list"):
        numbers(2).zip([1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"zip\(\) needs a pipeline"):
        numbers(2).zip()


def test_each_pipeline_keeps_its_own_seed() -> None:
    other = source(np.arange(9), seed=5).shuffle()
    zipped = listed(numbers(9).zip(other))
    assert [second for _, second in zipped] == listed(other)
