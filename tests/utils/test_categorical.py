from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from streamfit._base.errors import DataError
from streamfit.utils import PyDataset, Sequence, set_random_seed, to_categorical


@given(hnp.arrays(np.int64, hnp.array_shapes(max_dims=3, max_side=5), elements=st.integers(0, 9)))
def test_rows_are_one_hot(classes: Any) -> None:
    rows = to_categorical(classes, 10)
    squeezed = classes[..., 0] if classes.ndim > 1 and classes.shape[-1] == 1 else classes
    assert rows.shape == (*squeezed.shape, 10)
    assert rows.dtype == np.float32
    assert np.array_equal(rows.argmax(-1), squeezed)
    assert (rows.sum(-1) == 1).all()


@pytest.mark.parametrize("kind", ["int8", "uint64", "float32", "bool"])
def test_any_type_that_holds_whole_numbers(kind: str) -> None:
    assert to_categorical(np.array([0, 1, 1]).astype(kind)).tolist() == [[1, 0], [0, 1], [0, 1]]


def test_one_class_number_and_other_types() -> None:
    assert to_categorical(2, 3, dtype="int8").tolist() == [0, 0, 1]
    assert to_categorical([], 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("classes", "count", "message"),
    [
        ([0, -1], None, r"class -1 is not in 0\.\.0"),
        ([0, 5], 3, r"class 5 is not in 0\.\.2"),
        ([0.5], 3, "0.5, which is no whole number"),
        ([np.nan], 3, "nan, which is no whole number"),
        (["a"], 3, "dtype <U1"),
        ([], None, "pass num_classes"),
    ],
)
def test_what_is_no_class_is_refused(classes: Any, count: int | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_categorical(classes, count)


def test_the_names_keras_users_know() -> None:
    assert PyDataset is Sequence
    set_random_seed(1)
