"""`padded_batch` against a list oracle, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.stages import READINGS, growing, in_order, listed, numbers

from streamfit._base.errors import DataError
from streamfit.streams import source
from streamfit.streams.stages.padded_batch import settings_of


@given(count=st.integers(1, 12), size=st.integers(1, 5), drop=st.booleans(), fill=st.integers(-3, 3))
@pytest.mark.parametrize("make", READINGS)
def test_against_lists(make: Any, count: int, size: int, drop: bool, fill: int) -> None:
    expected = []
    for start in range(0, count, size):
        rows = [list(range(n % 4)) for n in range(start, min(count, start + size))]
        longest = max(map(len, rows))
        if len(rows) == size or not drop:
            expected.append([row + [fill] * (longest - len(row)) for row in rows])
    padded = make(count).map(growing).padded_batch(size, fill, drop_remainder=drop)
    assert listed(padded) == expected


def pair(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((int(n) % 3, 2), np.float32), np.arange(int(n) % 2)


@pytest.mark.parametrize("make", READINGS)
def test_shapes_and_values_for_each_part(make: Any) -> None:
    padded = make(3).map(pair, new_form=True).padded_batch(3, (np.nan, -1), ([4, None], None))
    ((x, y),) = list(padded)
    assert x.shape == (3, 4, 2)
    assert x.dtype == np.float32
    assert np.isnan(x[0]).all()
    assert y.tolist() == [[-1], [0], [-1]]


def test_batches_of_one_shape_are_those_of_batch() -> None:
    assert listed(numbers(7).padded_batch(3)) == listed(numbers(7).batch(3))


def test_padded_batches_shuffle_by_batch() -> None:
    padded = numbers(8).map(growing).padded_batch(2)
    assert sorted(listed(padded.shuffle())) == sorted(listed(padded))


@pytest.mark.parametrize("make", READINGS)
def test_without_padding_ragged_samples_are_refused(make: Any) -> None:
    with pytest.raises(DataError, match=r"x has shape \(0,\).* and \(1,\).*padded_batch"):
        list(make(4).map(growing).batch(4))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"padded_shapes": [1]}, DataError, r"x has shape \(2,\) in .* more than padded_shapes=\[1\]"),
        ({"padded_shapes": [1, 1]}, DataError, "but the samples have 1 axes"),
        ({"padded_shapes": 3}, ValueError, "write a shape, such as"),
        ({"padding_values": 0.5}, ValueError, "is 0.5, which int64 cannot hold"),
        ({"padding_values": float("nan")}, ValueError, "is nan, which int64 cannot hold"),
        ({"padding_values": "a"}, ValueError, "which int64 cannot hold"),
    ],
)
def test_wrong_settings(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    for make in READINGS:
        with pytest.raises(error, match=words):
            list(make(4).map(growing).padded_batch(4, **arguments))


def test_settings_follow_the_form_of_the_element() -> None:
    element = ({"a": 1, "b": 2}, None, 3)
    assert settings_of(element, None, "padded_shapes") == [None, None, None]
    assert settings_of(element, ({"b": [2]}, None, [3]), "padded_shapes") == [None, [2], [3]]
    for wrong in ([1], ({"c": 1}, None, 1), {"a": 1}):
        with pytest.raises(ValueError, match="one entry for each of its parts"):
            settings_of(element, wrong, "padded_shapes")


def rank(n: int) -> np.ndarray:
    return np.zeros((1,) * (1 + int(n) % 2))


def test_padding_changes_no_rank() -> None:
    with pytest.raises(DataError, match="x has 1 axes and dtype float64 in sample 0, and 2 axes"):
        list(numbers(2).map(rank).padded_batch(2))


def test_texts_are_filled_up_with_empty_ones() -> None:
    words = source([[0], [0]]).map(lambda x: np.array(["a"] * len(x)), new_form=True)
    assert listed(words.padded_batch(2, padded_shapes=[2])) == [[["a", ""], ["a", ""]]]


def test_it_is_written_as_it_was_called() -> None:
    assert repr(numbers(2).padded_batch(2, -1)).endswith(".padded_batch(2, padding_values=-1)")
    assert in_order(5).map(growing).padded_batch(2).stage.traits.batched
