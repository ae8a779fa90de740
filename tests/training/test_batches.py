"""Data arguments: validation data, single batches, empty arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.models import cut, data

from streamfit import DataError, Sequence
from streamfit.streams import open_source
from streamfit.training import batches


class Two(Sequence):
    """Two empty promises."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return None


def test_validation_data_or_a_share_or_nothing() -> None:
    x, y = data(4)
    assert batches.validation(None, 0.0, 8) is None
    assert batches.validation(None, 0.25, 8) == 0.25
    pair = batches.validation((x, y), 0.25, 8)
    assert (pair.x is x, pair.y is y, pair.sample_weight, pair.batch_size) == (True, True, None, 8)
    assert batches.validation([x, y, y], 0.0, 8, 2).batch_size == 2
    stream = batches.validation(Two(), 0.0, 8)
    assert (type(stream.x), stream.y, stream.batch_size) == (Two, None, None)


def test_splitting_gives_views_of_structures() -> None:
    x, y = data(10)
    whole = batches.Data({"a": x, "b": [[k] for k in range(10)]}, [y, None], None, 4, True)
    head, tail = whole.split(0.3)
    assert np.shares_memory(head.x["a"], x)
    assert (len(head.x["a"]), len(tail.x["a"])) == (7, 3)
    assert tail.x["b"].tolist() == [[7], [8], [9]]
    assert (tail.y[0] == y[7:]).all()
    assert tail.y[1] is None
    assert (head.shuffle, tail.shuffle) == (True, False)


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (lambda: Two(), True),
        (lambda: [1, 2], True),
        (lambda: cut(*data(4), 2), False),
        (lambda: iter([]), False),
    ],
)
def test_who_must_be_told_the_number_of_steps(given: Any, known: bool) -> None:
    batches.need_steps(given(), 3, "steps")
    if known:
        batches.need_steps(given(), None, "steps")
    else:
        with pytest.raises(ValueError, match="`steps=None` is only valid for a generator based on"):
            batches.need_steps(given(), None, "steps")


def test_a_source_may_know_its_steps() -> None:
    batches.need_steps(open_source(*data(4)), None, "steps")


@pytest.mark.parametrize(
    ("x", "empty"),
    [
        (np.zeros((0, 3)), True),
        ([np.zeros((0, 3)), np.zeros((0, 2))], True),
        ({"a": np.zeros((0, 3))}, True),
        (np.zeros((1, 0)), False),
        ([np.zeros((0, 3)), np.zeros((1, 2))], False),
        ([], False),
        (None, False),
        (Two(), False),
    ],
)
def test_arrays_without_rows(x: Any, empty: bool) -> None:
    assert batches.empty_rows(x) == empty


def test_one_batch_is_made_of_arrays() -> None:
    batch = batches.one_batch([[1.0, 2.0]], {"a": [1]}, None)
    assert batch.x.tolist() == [[1.0, 2.0]]
    assert batch.y["a"].tolist() == [1]
    assert batch.sample_weight is None
    with pytest.raises(DataError, match="sample_weight has dtype"):
        batches.one_batch([1.0], None, ["a"])


def test_data_that_are_missing_are_named() -> None:
    with pytest.raises(ValueError, match="training data: x is missing"):
        batches.Data(None, None, None, None, True).source(0, "training data")
    with pytest.raises(DataError, match="data: there was not a single batch"):
        batches.need_data(False, "data")
