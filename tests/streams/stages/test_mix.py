"""`mix`: each element once, inputs by weight, the same draws however it is read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import even, flat, kept, listed, noisy, numbers

from streamfit._base.keys import uniforms
from streamfit.streams import mix


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), data=st.data())
def test_each_element_once_and_in_the_order_of_its_input(sizes: list[int], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.floats(0.01, 10), min_size=len(sizes), max_size=len(sizes)))
    inputs = [numbers(size, 100 * at) for at, size in enumerate(sizes)]
    found = listed(mix(inputs, weights))
    for at, size in enumerate(sizes):
        assert [n for n in found if n // 100 == at] == list(range(100 * at, 100 * at + size))
    assert len(found) == sum(sizes) == len(mix(inputs))
    both = mix(inputs, weights, seed=1)
    assert flat(listed(both.batch(3))) == listed(both.elements())
    ordered = listed(mix([each.filter(kept) for each in inputs], weights))
    for at, size in enumerate(sizes):
        assert [n for n in ordered if n // 100 == at] == list(range(100 * at, 100 * at + size))
    assert len(ordered) == sum(sizes)


def test_weights_are_shares() -> None:
    found = np.array(listed(mix([numbers(4000), numbers(4000, 10_000)], weights=[3, 1])))
    assert abs((found[:4000] < 10_000).mean() - 0.75) < 0.03


def test_passes_and_seeds_differ() -> None:
    both = mix([numbers(30), numbers(30, 100)])
    assert listed(both) != listed(both)
    assert listed(both.elements(3)) == listed(both.elements(3))
    fixed = mix([numbers(30), numbers(30, 100)], seed=1)
    assert listed(fixed.elements(0)) != listed(both.elements(0))


def test_shuffled_mixes() -> None:
    both = mix([numbers(30).map(noisy), numbers(20, 100).map(noisy)]).shuffle().batch(7)
    assert sum(map(len, listed(both))) == 50


def test_a_filter_in_one_input() -> None:
    found = listed(mix([numbers(30).filter(even), numbers(20, 100)]))
    assert sorted(found) == [n for n in range(30) if n % 3] + list(range(100, 120))


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1], "2 inputs was given 1 weights"),
        ([1, 0], "each must be finite and above 0"),
        ([1, float("inf")], "each must be finite and above 0"),
        ([1, -1], r"weights\[1\] must be at least 0"),
    ],
)
def test_wrong_weights(weights: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mix([numbers(2), numbers(2)], weights)


def test_uniform_draws() -> None:
    draws = uniforms(123, np.arange(100_000))
    assert 0 <= draws.min() < 1e-3
    assert 1 - 1e-3 < draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.02
