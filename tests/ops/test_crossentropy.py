"""Cross-entropies at their limits, with the numbers of Keras 3.15."""

from __future__ import annotations

import numpy as np
import pytest

from streamfit import ops

F32 = "float32"


def test_saturated_binary_probabilities_have_the_loss_of_keras() -> None:
    """The mean over these four is 3.9856 in Keras 3.15: 1 - epsilon is rounded to float32."""
    target = np.array([[1, 0], [1, 0]], F32)
    output = np.array([[1, 1], [1, 0]], F32)
    losses = ops.binary_crossentropy(target, output)
    np.testing.assert_allclose(losses.mean(), 15.942385 / 4, rtol=1e-6)
    np.testing.assert_allclose(
        ops.binary_crossentropy(np.ones(1, F32), np.zeros(1, F32)), 16.118095, rtol=1e-6
    )


def test_probabilities_are_divided_by_their_sum() -> None:
    target, output = np.array([[0.0, 1.0, 0.0]]), np.array([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(ops.categorical_crossentropy(target, output), [np.log(4)])
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy([1], output), [np.log(4)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_limited_probabilities_have_limited_losses(dtype: str) -> None:
    output = np.array([[1.0, 0.0]], dtype)
    worst = -np.log(np.array(1e-7, dtype))
    best = -np.log(np.array(1 - 1e-7, dtype))
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy([1], output), [worst], rtol=1e-6)
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy([0], output), [best], rtol=1e-6)
    eye = np.eye(2, dtype=dtype)
    both = ops.categorical_crossentropy(eye, np.concatenate([output, output]))
    np.testing.assert_allclose(both, [best, worst], rtol=1e-6)


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_sparse_form_is_the_dense_form_of_one_hot_rows(from_logits: bool) -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 5, (7, 2)), rng.uniform(0.1, 1, (7, 2, 5))
    dense = ops.categorical_crossentropy(ops.one_hot(labels, 5, "float64"), scores, from_logits)
    sparse = ops.sparse_categorical_crossentropy(labels, scores, from_logits)
    np.testing.assert_allclose(sparse, dense, rtol=1e-12)


def test_huge_logits_do_not_overflow() -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4]], F32)
    np.testing.assert_array_equal(ops.sparse_categorical_crossentropy([0, 0], logits, True), [0, 2e4])
    np.testing.assert_array_equal(ops.categorical_crossentropy(np.eye(2, dtype=F32), logits, True), [0, 0])
    np.testing.assert_array_equal(
        ops.binary_crossentropy(np.array([[1, 0], [1, 0]], F32), logits, True), [[0, 0], [1e4, 1e4]]
    )


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int64", "float32"])
def test_labels_of_any_number_type(dtype: str) -> None:
    output = np.array([[0.25, 0.75], [0.5, 0.5]])
    losses = ops.sparse_categorical_crossentropy(np.array([1, 0], dtype), output)
    np.testing.assert_allclose(losses, -np.log([0.75, 0.5]))


def test_ignored_samples_cost_nothing_even_out_of_range() -> None:
    output = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert ops.sparse_categorical_crossentropy([255, 0], output, ignore_class=255)[0] == 0
    with pytest.raises(ValueError, match="255"):
        ops.sparse_categorical_crossentropy([255, 0], output, ignore_class=254)
