"""Shapes of targets: accepted ones, refused ones, and the advice of the messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import losses
from streamfit._base.errors import DataError, ShapeError
from streamfit._base.specs import Spec

FLOAT = np.dtype("float32")
DENSE = ["mse", "mae", "binary_crossentropy", "hinge", "huber"]


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize(
    ("target", "output", "wanted"),
    [
        ((None, 3), (None, 3), (None, 3)),
        ((None,), (None, 1), (None, 1)),
        ((None, 1), (None,), (None,)),
        ((None, 4), (None, 4, 1), (None, 4, 1)),
        ((8, 3), (None, 3), (None, 3)),
    ],
)
def test_targets_of_the_output_shape_are_taken(name: str, target: Any, output: Any, wanted: Any) -> None:
    loss = losses.get(name)
    assert loss is not None
    assert loss.target_spec(Spec(output, FLOAT), target) == Spec(wanted, FLOAT)
    assert not loss.sparse


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize(
    ("target", "output"),
    [((None, 2), (None, 1)), ((None, 1), (None, 2)), ((None,), (None, 3)), ((None, 3), (None, 1, 3))],
)
def test_nothing_is_broadcast(name: str, target: Any, output: Any) -> None:
    loss = losses.get(name)
    assert loss is not None
    with pytest.raises(ShapeError, match="compares targets and predictions element by element: output 'out'"):
        loss.check(target, output, "out")
    with pytest.raises(ShapeError):
        loss(np.ones((4, *target[1:])), np.ones((4, *output[1:])))


@pytest.mark.parametrize("target", [(None,), (None, 1)])
def test_integer_classes_for_one_hot_get_advice(target: Any) -> None:
    loss = losses.CategoricalCrossentropy()
    with pytest.raises(ShapeError, match=r"to_categorical\(y, 10\), or use sparse_categorical_crossentropy"):
        loss.check(target, (None, 10))


def test_one_hot_rows_for_labels_get_advice() -> None:
    with pytest.raises(ShapeError, match="they look one-hot"):
        losses.SparseCategoricalCrossentropy().check((None, 10), (None, 10))
    with pytest.raises(ShapeError, match="give one integer a row"):
        losses.SparseCategoricalCrossentropy().check((None, 3), (None, 10))


@pytest.mark.parametrize(
    ("target", "output"), [((None,), (None, 5)), ((None, 1), (None, 5)), ((None, 7), (None, 7, 5))]
)
def test_labels_are_taken(target: Any, output: Any) -> None:
    loss = losses.SparseCategoricalCrossentropy()
    spec = loss.target_spec(Spec(output, FLOAT), target)
    assert spec == Spec(output[:-1], np.dtype("int64"))
    assert loss.sparse


def test_samples_are_counted() -> None:
    with pytest.raises(ShapeError, match="3 targets for 4 predictions"):
        losses.mean_squared_error(np.ones((3, 1)), np.ones((4, 1)))


def test_custom_loss_takes_any_target() -> None:
    loss = losses.FunctionLoss(lambda y, p: p)
    assert loss.target_spec(Spec((None, 3), FLOAT), (None, 9)).shape == (None, 9)
    assert loss.target_spec(Spec((None, 1), FLOAT), (None,)).shape == (None, 1)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20))
def test_right_labels_pass(labels: list[int]) -> None:
    losses.check_labels(np.array(labels), 5)
    losses.check_labels(np.array(labels, dtype="float32"), 5)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 5], "label 5 at position 1 is not one of the 5 classes 0 to 4"),
        ([-1, 0], "label -1 at position 0"),
        ([[0, 1], [1, 9]], r"label 9 at position \(1, 1\)"),
        ([0.5], r"label 0\.5 at position 0"),
        ([np.nan], "label nan at position 0"),
    ],
)
def test_wrong_labels_are_named(labels: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        losses.check_labels(np.array(labels), 5)
    with pytest.raises(DataError, match=message):
        losses.sparse_categorical_crossentropy(np.array(labels), np.full((*np.shape(labels), 5), 0.2))


def test_ignored_label_may_be_outside() -> None:
    losses.check_labels(np.array([-1, 4]), 5, ignored=-1)
    with pytest.raises(DataError, match="label 5"):
        losses.check_labels(np.array([-1, 5]), 5, ignored=-1)
