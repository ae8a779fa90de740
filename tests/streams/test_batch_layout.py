from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit._base.errors import DataError
from streamfit.streams import Batch
from streamfit.streams.batch_layout import BatchLayout


def batch(x: Any, y: Any = None, weight: Any = None, number: int = 0) -> Batch:
    size = len(next(iter(x.values())) if isinstance(x, dict) else x[0] if isinstance(x, (list, tuple)) else x)
    return Batch(x, y, weight, np.arange(size), number, 2, size)


X, Y = np.zeros((4, 3), "float32"), np.zeros(4, "int64")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((X, Y), (X[:1], Y[:1])),
        ((X, Y), (X.astype("float64"), Y.astype("uint8"))),
        (([X, Y], {"a": Y}), ([X[:2], Y[:2]], {"a": Y[:2]})),
        ((X, [Y, None]), (X, [Y, None])),
        ((X,), (X,)),
    ],
)
def test_batches_of_other_lengths_and_widths_are_alike(first: Any, second: Any) -> None:
    check = BatchLayout()
    check(batch(*first), "data")
    check(batch(*second, number=1), "data")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ((X, Y), (X[:, :2], Y), r"x has shape \(4, 2\), but its samples had shape \(3,\)"),
        ((X, Y), (X, Y[:, None]), r"y has shape \(4, 1\)"),
        ((X, Y), (X, Y.astype(float)), "y has dtype float64, but the batches before it held whole numbers"),
        ((X, Y), (X.astype(bool), Y), "x has dtype bool, but the batches before it held floats"),
        ((X, Y), (X,), r"the batch is \(array .*\), but the first batch was \(array"),
        ((X, Y), (X, Y, Y), "but the first batch was"),
        ((X, Y), ([X], Y), "but the first batch was"),
        (({"a": X}, Y), ({"b": X}, Y), "but the first batch was"),
        (({"a": X}, Y), ({"a": X[:, 1:]}, Y), r"x\['a'\] has shape \(4, 2\)"),
        ((X, [Y, None]), (X, [Y, Y]), "but the first batch was"),
    ],
)
def test_differences_are_errors_that_name_the_batch(first: Any, second: Any, message: str) -> None:
    check = BatchLayout()
    check(batch(*first), "train")
    with pytest.raises(DataError, match=message) as caught:
        check(batch(*second, number=7), "train")
    assert "source 'train', pass 2, batch 7, ids [0, 1, 2, 3]" in str(caught.value)
    if len(second[0]) == 4:
        BatchLayout(alike="nothing")(batch(*second), "train")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((X, Y[:3]), "x has 4 and y has 3"),
        ((X, Y, Y[:2]), "x has 4 and sample_weight has 2"),
        (([X, X[:1]],), r"x has 4 and x\[1\] has 1"),
        (({"a": X}, {"b": Y[:1]}), r"x has 4 and y\['b'\] has 1"),
    ],
)
@pytest.mark.parametrize("alike", [True, False])
def test_lengths_within_a_batch_must_agree(parts: Any, message: str, alike: bool) -> None:
    with pytest.raises(DataError, match=message):
        BatchLayout(alike)(batch(*parts), "train")


def test_batches_without_ids_are_named_too() -> None:
    with pytest.raises(DataError, match="ids 3:"):
        BatchLayout()(Batch(X, Y[:1], ids=3, size=4), "train")


def test_ranks_let_lengths_differ_but_not_the_number_of_axes() -> None:
    check = BatchLayout("ranks")
    for steps in (3, 5):
        check(batch(np.zeros((2, steps, 4)), np.zeros(2)), "train")
    with pytest.raises(DataError, match="the same number of axes"):
        check(batch(np.zeros((2, 4)), np.zeros(2)), "train")
    with pytest.raises(DataError, match="convert it where it is made"):
        check(batch(np.zeros((2, 3, 4), int), np.zeros(2)), "train")
