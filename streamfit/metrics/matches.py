"""Metrics that count right predictions: accuracies.

Guarantee kept here: a prediction of NaN is never right. Where the largest of several predictions decides, one
NaN among them makes the largest unknown, so the whole row is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from streamfit import ops
from streamfit._base.checks import integer
from streamfit.losses.regression import last_mean
from streamfit.losses.targets import aligned, label_target, one_hot_target, same_target
from streamfit.metrics.metric import MeanMetric
from streamfit.ops.core import Operand, Value


def _matches(a: Value, b: Value, y_pred: Value) -> Value:
    """Return 1 where `a` equals `b` and no prediction of the row is NaN, else 0."""
    numbers = y_pred if len(y_pred.shape) == len(a.shape) else ops.max(y_pred, -1)  # NaN if one of them is
    return ops.cast(ops.logical_and(ops.equal(a, b), ops.equal(numbers, numbers)), y_pred.dtype)


def accuracy(y_true: Operand, y_pred: Operand) -> Value:
    """Compute 1 where a prediction equals its target and 0 elsewhere.

    Args:
        y_true: Targets of the shape of `y_pred`.
        y_pred: Predicted classes.

    Returns:
        Same shape, float.

    Example:
        >>> accuracy([1, 2], [1, 3])
        array([1., 0.], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "accuracy", y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), y_pred.dtype)


def binary_accuracy(y_true: Operand, y_pred: Operand, threshold: float = 0.5) -> Value:
    """Compute how many predictions are on the right side of a threshold, over the last axis.

    Args:
        y_true: Targets 0 or 1, of the shape of `y_pred`.
        y_pred: Predictions, shape (batch, ..., n).
        threshold: Predictions above it mean 1; it is rounded to the dtype of the predictions, so a prediction
            equal to it is not above it.

    Returns:
        Shape (batch, ...): the mean over the last axis, as in Keras 2.

    Example:
        >>> binary_accuracy([[1, 0]], [[0.9, 0.8]])
        array([0.5], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "binary_accuracy", y_true, y_pred)
    return last_mean(_decided(y_true, y_pred, threshold))


def _decided(y_true: Value, y_pred: Value, threshold: float) -> Value:
    """Return 1 where a prediction is above the threshold exactly if its target is 1, else 0."""
    decisions = ops.cast(ops.greater(y_pred, float(threshold)), y_pred.dtype)
    return _matches(y_true, decisions, y_pred)


def categorical_accuracy(y_true: Operand, y_pred: Operand) -> Value:
    """Compute 1 where the largest prediction is that of the target's largest class.

    Args:
        y_true: One-hot rows of the shape of `y_pred`.
        y_pred: Probabilities or logits, shape (batch, ..., classes).

    Returns:
        Shape (batch, ...).

    Example:
        >>> categorical_accuracy([[0, 1]], [[0.2, 0.8]])
        array([1.], dtype=float32)
    """
    y_true, y_pred = aligned(one_hot_target, "categorical_accuracy", y_true, y_pred)
    return _matches(ops.argmax(y_true, -1), ops.argmax(y_pred, -1), y_pred)


def sparse_categorical_accuracy(y_true: Operand, y_pred: Operand) -> Value:
    """Compute 1 where the largest prediction is that of the target class.

    Args:
        y_true: Integer classes, shape (batch, ...) or (batch, ..., 1).
        y_pred: Probabilities or logits, shape (batch, ..., classes).

    Returns:
        Shape (batch, ...).

    Example:
        >>> sparse_categorical_accuracy([1], [[0.2, 0.8]])
        array([1.], dtype=float32)
    """
    y_true, y_pred = aligned(label_target, "sparse_categorical_accuracy", y_true, y_pred)
    return _matches(y_true, ops.argmax(y_pred, -1), y_pred)


def _in_top_k(own: Value, y_pred: Value, k: int) -> Value:
    """Compute 1 where fewer than k predictions are above `own`, the prediction of the right class."""
    above = ops.cast(ops.greater(y_pred, ops.expand_dims(own, -1)), y_pred.dtype)
    largest = ops.max(y_pred, -1)
    among = ops.logical_and(ops.less(ops.sum(above, -1), float(k)), ops.equal(largest, largest))
    return ops.cast(among, y_pred.dtype)


def top_k_categorical_accuracy(y_true: Operand, y_pred: Operand, k: int = 5) -> Value:
    """Compute 1 where the target's largest class is among the `k` largest predictions; ties count as among.

    Args:
        y_true: One-hot rows of the shape of `y_pred`.
        y_pred: Probabilities or logits, shape (batch, ..., classes).
        k: The number of predictions.

    Returns:
        Shape (batch, ...).

    Example:
        >>> top_k_categorical_accuracy([[0, 0, 1]], [[0.5, 0.2, 0.3]], k=2)
        array([1.], dtype=float32)
    """
    y_true, y_pred = aligned(one_hot_target, "top_k_categorical_accuracy", y_true, y_pred)
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, -1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Operand, y_pred: Operand, k: int = 5) -> Value:
    """Compute 1 where the target class is among the `k` largest predictions; ties count as among.

    Args:
        y_true: Integer classes, shape (batch, ...) or (batch, ..., 1).
        y_pred: Probabilities or logits, shape (batch, ..., classes).
        k: The number of predictions.

    Returns:
        Shape (batch, ...).

    Example:
        >>> sparse_top_k_categorical_accuracy([2], [[0.5, 0.2, 0.3]], k=2)
        array([1.], dtype=float32)
    """
    y_true, y_pred = aligned(label_target, "sparse_top_k_categorical_accuracy", y_true, y_pred)
    chosen = ops.cast(ops.one_hot(y_true, y_pred.shape[-1] or 0), y_pred.dtype)
    own = ops.max(ops.where(ops.greater(chosen, 0.5), y_pred, -np.inf), -1)
    return _in_top_k(own, y_pred, k)


class Accuracy(MeanMetric):
    """Compute how often predictions equal targets; see `accuracy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> Accuracy()([[1], [2]], [[1], [3]])
        0.5
    """

    rule = staticmethod(same_target)
    direction = "up"

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a prediction."""
        return accuracy(y_true, y_pred)


class BinaryAccuracy(MeanMetric):
    """Compute how often predictions are on the right side of a threshold; see `binary_accuracy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.
        threshold: In (0, 1) for probabilities, 0 for logits; rounded to the dtype of the predictions.

    Example:
        >>> BinaryAccuracy()([[1], [0]], [[0.9], [0.8]])
        0.5
    """

    rule = staticmethod(same_target)
    direction = "up"

    def __init__(
        self, name: str | None = None, dtype: DTypeLike | None = None, threshold: float = 0.5
    ) -> None:
        super().__init__(name, dtype)
        self.threshold = threshold

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return binary_accuracy(y_true, y_pred, self.threshold)


class MarginAccuracy(MeanMetric):
    """Compute how often predictions have the sign of their target: for losses with a margin.

    ``'accuracy'`` means this metric for the hinge losses. Targets are -1 or 1, or 0 or 1; targets
    that are not above 0 count as -1.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> MarginAccuracy()([[1], [-1], [0]], [[0.3], [0.2], [-2.0]])
        0.6666666666666666
    """

    rule = staticmethod(same_target)
    direction = "up"

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return last_mean(_decided(ops.cast(ops.greater(y_true, 0.0), y_pred.dtype), y_pred, 0.0))


class CategoricalAccuracy(MeanMetric):
    """Compute how often the largest prediction is right for one-hot targets; see `categorical_accuracy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> CategoricalAccuracy()([[0, 1], [0, 1]], [[0.2, 0.8], [0.8, 0.2]])
        0.5
    """

    rule = staticmethod(one_hot_target)
    direction = "up"

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return categorical_accuracy(y_true, y_pred)


class SparseCategoricalAccuracy(MeanMetric):
    """Compute how often the largest prediction is right for integer classes.

    See `sparse_categorical_accuracy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> SparseCategoricalAccuracy()([1, 1], [[0.2, 0.8], [0.8, 0.2]])
        0.5
    """

    rule = staticmethod(label_target)
    direction = "up"

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return sparse_categorical_accuracy(y_true, y_pred)


def _positive(k: int) -> int:
    number = integer(k)
    if number is None or number < 1:
        raise ValueError(f"k must be a whole number of at least 1, got {k!r}")
    return number


class TopKCategoricalAccuracy(MeanMetric):
    """Compute how often the right class of one-hot targets is among the `k` largest predictions.

    Args:
        k: The number of predictions.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: `k` is not a whole number of at least 1.

    Example:
        >>> TopKCategoricalAccuracy(k=2)([[0, 0, 1]], [[0.5, 0.2, 0.3]])
        1.0
    """

    rule = staticmethod(one_hot_target)
    direction = "up"
    default_name = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.k = _positive(k)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return top_k_categorical_accuracy(y_true, y_pred, self.k)


class SparseTopKCategoricalAccuracy(MeanMetric):
    """Compute how often the right integer class is among the `k` largest predictions.

    Args:
        k: The number of predictions.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: `k` is not a whole number of at least 1.

    Example:
        >>> SparseTopKCategoricalAccuracy(k=2)([2], [[0.5, 0.2, 0.3]])
        1.0
    """

    rule = staticmethod(label_target)
    direction = "up"
    default_name = "sparse_top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, dtype: DTypeLike | None = None) -> None:
        super().__init__(name, dtype)
        self.k = _positive(k)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return sparse_top_k_categorical_accuracy(y_true, y_pred, self.k)
