"""Refused arguments, and messages that name the mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit._base.specs import Spec
from streamfit.ops import Tensor
from streamfit.ops.strided import element_steps


def tensor(*shape: int | None, dtype: str = "float32") -> Tensor:
    return Tensor(Spec(shape, np.dtype(dtype)))


X = tensor(None, 3, 4)
ONES = np.ones((2, 3), "float32")
STEP_STATE = np.array([1, 2])

SHAPE_ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: ops.add(ONES, np.ones(4)), r"add cannot broadcast shapes \(2, 3\) and \(4,\)"),
    (lambda: ops.add(X, np.ones((5, 3, 4))), "batch axis .* fixed length 5"),
    (lambda: ops.add(tensor(None), tensor(None, 4)), "batch axis .* fixed length 4"),
    (lambda: ops.where(X, ONES, 0), "where cannot broadcast"),
    (lambda: ops.broadcast_to(ONES, (2, 2)), "broadcast_to cannot"),
    (lambda: ops.broadcast_to(ONES, (3,)), "broadcast_to cannot"),
    (lambda: ops.broadcast_to(ONES, (None, 3)), "has a batch axis"),
    (lambda: ops.reshape(ONES, (4, 2)), "6 elements"),
    (lambda: ops.reshape(ONES, (4, -1)), "6 elements"),
    (lambda: ops.reshape(ONES, (-1, -1)), "at most one -1"),
    (lambda: ops.reshape(ONES, (-2, 3)), "at least 0"),
    (lambda: ops.reshape(X, (3, 4)), "batch axis .* must stay"),
    (lambda: ops.reshape(X, (12, -1)), "batch axis .* must stay"),
    (lambda: ops.reshape(X, (None, 5, -1)), "12 elements"),
    (lambda: ops.flatten(np.float32(3)), "needs a batch axis"),
    (lambda: ops.expand_dims(X, 0), "batch"),
    (lambda: ops.squeeze(ONES, 0), "length 1 only"),
    (lambda: ops.transpose(X), "must stay first"),
    (lambda: ops.swap_axes(X, 0, 1), "must stay first"),
    (lambda: ops.concatenate([ONES, np.ones((3, 3))]), "equal shapes except along axis 1"),
    (lambda: ops.concatenate([ONES, np.ones(3)]), "equal shapes except along axis 1"),
    (lambda: ops.concatenate([X, X], axis=0), "batch"),
    (lambda: ops.stack([X, X]), "batch"),
    (lambda: ops.split(X, 2, axis=0), "batch"),
    (lambda: ops.getitem(X, 0), "write : there"),
    (lambda: ops.getitem(X, slice(2)), "write : there"),
    (lambda: ops.take(X, [0], axis=0), "batch"),
    (lambda: ops.take(X, tensor(None, dtype="int64"), axis=1), "axis 0"),
    (lambda: ops.matmul(ONES, ONES), r"got \(2, 3\) and \(2, 3\)"),
    (lambda: ops.matmul(np.ones((4, 2, 3)), np.ones((5, 3, 2))), "equal leading axes"),
    (lambda: ops.matmul(ONES, 2.0), "single numbers"),
    (lambda: ops.matmul(tensor(4, 3), tensor(None, 3)), "matmul needs"),
    (lambda: ops.dot(ONES, np.ones((1, 3, 2))), "use matmul"),
    (lambda: ops.softmax(X, axis=0), "batch"),
    (lambda: ops.softmax(np.ones((2, 0))), "not empty"),
    (lambda: ops.logsumexp(X, axis=0), "batch"),
    (lambda: ops.max(np.ones((2, 0)), axis=1), "empty axis"),
    (lambda: ops.argmin(np.ones((2, 0)), axis=1), "empty axis"),
    (lambda: ops.categorical_crossentropy(ONES, np.ones((2, 4))), r"target \(2, 3\) and output \(2, 4\)"),
    (lambda: ops.categorical_crossentropy(1.0, 1.0), "axis of classes"),
    (lambda: ops.sparse_categorical_crossentropy([0, 1, 1], ONES), r"target \(3,\) and output \(2, 3\)"),
    (lambda: ops.binary_crossentropy(ONES, np.ones(3)), r"got \(2, 3\) and \(3,\)"),
    (lambda: ops.dropout(ONES, 0.5, np.zeros(3, "int64"), 0), r"\[seed, iteration\]"),
    (lambda: ops.dropout(ONES, 0.5, np.zeros(2), 0), r"\[seed, iteration\]"),
]

VALUE_ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: ops.sum(ONES, axis=2), ValueError, r"no axis 2 .* 2 axes"),
    (lambda: ops.sum(ONES, axis=(0, -2)), ValueError, "twice"),
    (lambda: ops.mean(ONES, axis=1.0), TypeError, "1.0"),
    (lambda: ops.argmax(ONES, axis=-3), ValueError, "no axis -3"),
    (lambda: ops.transpose(ONES, (0, 0)), ValueError, "each axis"),
    (lambda: ops.clip(ONES, 2, 1), ValueError, r"\[2, 1\]"),
    (lambda: ops.clip(ONES, np.nan, 1), ValueError, "nan"),
    (lambda: ops.concatenate([]), ValueError, "at least one"),
    (lambda: ops.stack([]), ValueError, "at least one"),
    (lambda: ops.split(ONES, 2), ValueError, "length 3 into 2"),
    (lambda: ops.getitem(ONES, 2), IndexError, "index 2 .* length 2"),
    (lambda: ops.getitem(ONES, (0, 0, 0)), IndexError, "too many"),
    (lambda: ops.getitem(ONES, np.array([0])), TypeError, "ops.take"),
    (lambda: ops.getitem(ONES, True), TypeError, "ops.take"),
    (lambda: ops.take(ONES, [[0, 1], [2, 0]]), ValueError, r"take got 2 at \(1, 0\); .* \[0, 2\)"),
    (lambda: ops.take(ONES, [-1]), ValueError, "-1"),
    (lambda: ops.take(ONES, [0.5]), ValueError, "0.5"),
    (lambda: ops.sparse_categorical_crossentropy([0, 3], ONES), ValueError, r"got 3 at \(1,\)"),
    (lambda: ops.sparse_categorical_crossentropy([0, -1], ONES), ValueError, "-1"),
    (lambda: ops.dropout(ONES, 1.0, STEP_STATE, 0), ValueError, "1.0"),
    (lambda: ops.dropout(ONES, -0.1, STEP_STATE, 0), ValueError, "-0.1"),
    (lambda: ops.dropout(ONES, 0.5, STEP_STATE, -1), ValueError, "-1"),
    (lambda: ops.random_normal(ONES, STEP_STATE, 0.5), ValueError, "0.5"),
    (lambda: ops.cast(ONES, "complex64"), TypeError, "complex64"),
    (lambda: ops.cast(ONES, "float16"), TypeError, "float16"),
    (lambda: ops.dense(ONES, ONES.T, np.ones(2), "elu"), ValueError, "elu"),
    (lambda: ops.sum(X, 1) / X.shape[0], TypeError, r"got None; .* ops\.mean"),  # type: ignore[operator]
    (lambda: bool(X), TypeError, "ops.where"),
    (lambda: list(X), TypeError, "cannot be iterated"),
]


@pytest.mark.parametrize(("call", "message"), SHAPE_ERRORS)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        call()


@pytest.mark.parametrize(("call", "error", "message"), VALUE_ERRORS)
def test_values_that_make_no_sense_are_refused(
    call: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_symbolic_indices_out_of_range_give_nan_and_no_gradient() -> None:
    """Values that are not known when the graph is made show up in the loss."""
    from oracles.gradients import Trace

    table, indices = np.ones((3, 2)), np.array([1, 3, -1])
    trace = Trace(ops.take, [table, indices], 3, [False, True])
    (taken,) = trace.compute()
    assert np.isnan(taken).all(axis=1).tolist() == [False, True, True]
    gradient = trace.gradients([np.ones((3, 2))])[0][0]
    assert gradient is not None
    np.testing.assert_array_equal(gradient, [[0, 0], [1, 1], [0, 0]])

    whole = Trace(ops.take, [np.array([5, 6]), np.array([1, 2])], 2, [False, True])
    assert whole.compute()[0].tolist() == [6, 0]


@pytest.mark.parametrize("from_logits", [False, True])
def test_symbolic_labels_out_of_range_give_a_nan_loss(from_logits: bool) -> None:
    from oracles.gradients import Trace

    scores, labels = np.full((3, 2), 0.5), np.array([0, 2, -1])
    trace = Trace(
        ops.sparse_categorical_crossentropy, [labels, scores], 3, [True, True], from_logits=from_logits
    )
    assert np.isnan(trace.compute()[0]).tolist() == [False, True, True]
    gradient = trace.gradients([np.ones(3)])[0][1]
    assert gradient is not None
    assert np.isfinite(gradient).all()
    assert gradient.any(axis=1).tolist() == [True, False, False]


def test_a_single_number_has_no_steps() -> None:
    assert element_steps(()) == []


def test_shape_has_none_where_a_length_is_not_known() -> None:
    assert ops.shape(X) == (None, 3, 4)
    assert ops.shape([[1.0, 2.0]]) == (1, 2)
    assert ops.shape(2.0) == ()
