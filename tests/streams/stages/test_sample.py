"""`sample`: counts rounded up or down, means that are exact, independent draws, each position alone."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import flat, in_order, listed, noisy, numbers

from streamfit._base.errors import DataError
from streamfit.streams import Pipeline, source
from streamfit.streams.draw_table import BLOCK, DrawTable
from streamfit.streams.stages import Pass

A_WEIGHT = st.sampled_from([0.0, 1.0, 1.0, 0.1, 3.0, 1e-3, 1e6]) | st.floats(0, 1e30)
WEIGHTS = st.lists(A_WEIGHT, min_size=1, max_size=3 * BLOCK).filter(any)
CLOSE = Fraction(1, 2**31)  # to which weights are known: a draw has 2**32 parts


def expected(weights: list[float], size: int) -> list[Fraction]:
    total = sum(map(Fraction, weights))
    return [size * Fraction(weight) / total for weight in weights]


@given(weights=WEIGHTS, size=st.integers(1, 300), key=st.integers(0, 2**64 - 1))
def test_even_draws_are_the_expected_numbers_rounded(weights: list[float], size: int, key: int) -> None:
    table = DrawTable(np.array(weights), size)
    places, copies = table.even(key, np.arange(size))
    counts = np.bincount(places, minlength=len(weights)).tolist()
    assert len(counts) == len(weights)
    for weight, count, wanted in zip(weights, counts, expected(weights, size), strict=True):
        assert floor(wanted - CLOSE) <= count <= ceil(wanted + CLOSE)
        assert weight or not count
    for place in set(places.tolist()):
        assert copies[places == place].tolist() == list(range(counts[place]))
    assert max(counts) <= table.most
    assert table.counted(key, independent=False) == (sum(map(bool, counts)), max(counts))


@given(weights=WEIGHTS, size=st.integers(1, 300), key=st.integers(0, 9), data=st.data())
def test_any_position_is_found_alone(weights: list[float], size: int, key: int, data: st.DataObject) -> None:
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), np.int64)
    table = DrawTable(np.array(weights), size)
    for whole, part in zip(table.even(key, np.arange(size)), table.even(key, positions), strict=True):
        assert part.tolist() == whole[positions].tolist()
    whole = table.independent(key, np.arange(size))
    assert table.independent(key, positions).tolist() == whole[positions].tolist()
    assert all(weights[place] for place in whole.tolist())
    counts = Counter(whole.tolist())
    assert table.counted(key, independent=True) == (len(counts), max(counts.values()))


@given(count=st.integers(1, 3 * BLOCK), times=st.integers(1, 9), weight=st.floats(1e-300, 1e300))
def test_whole_numbers_are_kept_exactly(count: int, times: int, weight: float) -> None:
    table = DrawTable(np.full(count, weight), count * times)
    for key in range(5):
        places, _ = table.even(key, np.arange(count * times))
        assert np.bincount(places).tolist() == [times] * count


@pytest.mark.jit
@pytest.mark.parametrize("independent", [False, True])
def test_means_are_exact(independent: bool) -> None:
    weights = np.array([1.0, 2.0, 3.5, 0.0, 7.0, 0.25] * 11)
    wanted = 50 * weights / weights.sum()
    drawn = numbers(len(weights)).sample(weights, 50, independent=independent)
    passes = 2000
    found = np.array([np.bincount(listed(drawn.elements(n)), minlength=66) for n in range(passes)])
    # Of one pass: that of a rounded number, or that of Poisson's distribution at most.
    part = wanted % 1
    deviation = np.sqrt((wanted if independent else part * (1 - part)) / passes)
    assert (np.abs(found.mean(0) - wanted) < 5 * deviation + 1e-9).all()
    if independent:  # counts scatter as those of draws that do not see each other
        assert np.allclose(found.var(0), wanted * (1 - weights / weights.sum()), rtol=0.25, atol=0.02)


def test_which_ones_are_drawn_together_changes() -> None:
    half = numbers(2 * BLOCK).sample(np.ones(2 * BLOCK), BLOCK)
    drawn = np.array([np.bincount(listed(half.elements(n)), minlength=2 * BLOCK) for n in range(500)])
    assert drawn.max() == 1
    together = drawn[:, :BLOCK].T.astype(float) @ drawn[:, :BLOCK] / 500
    pairs = together[np.triu_indices(BLOCK, 1)]
    # Two of a block of 32 of which 16 are drawn: 16 / 32 * 15 / 31.
    assert np.abs(pairs - 0.242).max() < 0.1
    assert len({tuple(row) for row in drawn.tolist()}) == 500


def test_the_draws_of_a_seed_never_change() -> None:
    weights = [1, 2, 0, 4]
    assert listed(numbers(4).sample(weights, 7, seed=3)) == [3, 3, 3, 3, 1, 1, 0]
    assert listed(numbers(4).sample(weights, 7, independent=True, seed=3)) == [3, 3, 1, 3, 3, 3, 3]


def test_seeds_and_passes() -> None:
    weights = np.arange(40) + 1
    drawn = numbers(40).sample(weights, 20)
    assert listed(drawn.elements(0)) != listed(drawn.elements(1))
    assert listed(drawn.elements(1)) == listed(drawn.elements(1))
    assert listed(Pipeline(drawn.stage, seed=4).elements()) != listed(drawn.elements())
    own = numbers(40).sample(weights, 20, seed=4)
    assert listed(Pipeline(own.stage, seed=4).elements()) == listed(own.elements())
    # Equal stages in one pipeline draw apart from each other.
    both = listed(drawn.concatenate(numbers(40).sample(weights, 20)))
    assert both[:20] != both[20:]


def test_copies_have_random_numbers_of_their_own() -> None:
    for independent in (False, True):
        drawn = source(np.zeros(3, np.int64)).sample([0, 1, 0], 4, independent=independent)
        assert len(set(listed(drawn.map(noisy)))) == 4
        assert len(set(listed(drawn.map(noisy).batch(4))[0])) == 4
    before = source(np.zeros(3, np.int64)).map(noisy).sample([0, 1, 0], 4)
    assert len(set(listed(before))) == 1


@pytest.mark.parametrize("independent", [False, True])
def test_arrays_and_loaded_samples_are_drawn_alike(independent: bool) -> None:
    weights = np.arange(9) + 1.0
    arrays = numbers(9).sample(weights, 30, independent=independent).shuffle()
    loaded = source(list(range(9)), kind="samples").sample(weights, 30, independent=independent).shuffle()
    for number in range(2):
        assert listed(arrays.elements(number)) == listed(loaded.elements(number))
        assert flat(listed(arrays.batch(7).elements(number))) == listed(arrays.elements(number))


def test_weights_by_a_function() -> None:
    table = source({"age": np.array([3, 9, 1]), "y": np.array([0, 1, 0])})
    given_ones = table.sample([3.0, 9.0, 1.0], 26)
    by_function = table.sample(lambda row: float(row["age"]), 26)
    assert listed(by_function) == listed(given_ones)
    assert Counter(row["age"] for row in listed(by_function)) == {3: 6, 9: 18, 1: 2}
    pairs = source(np.arange(3), np.array([0, 2, 1])).sample(lambda x, y: y, 6)
    assert Counter(int(x) for x, _ in pairs) == {1: 4, 2: 2}


def test_a_part_of_the_input() -> None:
    training, _ = numbers(20).split(0.5, seed=1)
    assert set(listed(training.sample(np.ones(10), 30))) == set(listed(training))
    assert set(listed(numbers(10).skip(7).sample([1, 0, 1]))) <= {7, 9}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([1, 2], r"sample\(\) of 3 elements was given values for 2; write one for each"),
        ([1, -2, 1], r"weights\[1\] is -2.0; each must be finite and at least 0"),
        ([1, 2, float("nan")], r"weights\[2\] is nan"),
        ([1, float("inf"), 1], r"weights\[1\] is inf"),
        ([0, 0, 0], "weights are all 0"),
        ([[1, 2, 3]], r"weights have shape \(1, 3\); write one number for each element"),
        ([], "values for 0"),
    ],
)
def test_wrong_weights(weights: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        numbers(3).sample(weights)


def test_weights_that_are_no_numbers() -> None:
    with pytest.raises(TypeError, match="weights must be numbers, one for each element; got dtype <U1"):
        numbers(3).sample(["a", "b", "c"])
    with pytest.raises(DataError, match=r"weights= gave .* for an element; it must be one number$"):
        numbers(3).sample(lambda x: "a")
    with pytest.raises(DataError, match=r"weights= gave .* for an element; it must be one number$"):
        numbers(3).sample(lambda x: [1, 2])

    def fails(x: int) -> float:
        raise KeyError("age")

    with pytest.raises(KeyError) as caught:
        numbers(3).sample(fails)
    assert caught.value.__notes__ == ["in weights= for element 0 of source('data', 3 samples)"]


def test_wrong_sizes() -> None:
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        numbers(3).sample([1, 1, 1], 0)
    with pytest.raises(ValueError, match=r"is more than 2\*\*53; write .repeat\(\) for passes without"):
        numbers(3).sample([1, 1, 1], (1 << 53) + 1)
    with pytest.raises(TypeError, match="independent must be True or False"):
        numbers(3).sample([1, 1, 1], independent="yes")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="has no elements to draw from"):
        numbers(3).take(0).sample([])


def test_inputs_that_cannot_be_drawn_from() -> None:
    with pytest.raises(ValueError, match=r"draws single samples; write .sample\(...\) before .batch"):
        numbers(4).batch(2).sample([1, 1])
    with pytest.raises(ValueError, match=r"is read in order. Write .sample\(...\) before .filter"):
        in_order(4).sample([1, 1, 1, 1])
    with pytest.raises(ValueError, match=r"would go astray; write .sample\(...\) before .shuffle"):
        numbers(4).shuffle().sample([1, 1, 1, 1])


def test_an_input_that_grows() -> None:
    samples = [1, 2, 3]
    drawn = source(samples, kind="samples").sample([1, 1, 1])
    samples.append(4)
    with pytest.raises(DataError, match="the input has 4 elements in pass 0, and had 3 when"):
        list(drawn)


def test_ids_that_are_too_large() -> None:
    stage = numbers(1025).sample(np.ones(1025), 1 << 53, independent=True).stage
    with pytest.raises(DataError, match=r"would need more than 2\*\*63 ids; draw fewer elements"):
        stage.ids(Pass(0, 0), np.arange(2))


def test_weights_are_seen_where_it_is_written() -> None:
    first, second = (repr(numbers(3).sample(weights, 5, seed=1).stage) for weights in ([1, 2, 3], [1, 2, 4]))
    assert first != second
    assert first == repr(numbers(3).sample(np.array([1.0, 2.0, 3.0]), 5, seed=1).stage)
    assert first.startswith("sample(3 weights #")
    assert first.endswith(", size=5, seed=1)")


def test_large_tables_are_quick() -> None:
    drawn = source(np.zeros(1_000_000, np.uint8)).sample(np.arange(1_000_000)).shuffle().batch(128)
    assert len(next(iter(drawn))) == 128
