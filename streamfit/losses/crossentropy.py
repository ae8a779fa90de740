"""Losses for classes: cross-entropies between targets and predicted probabilities.

Probabilities are clipped to [1e-7, 1 - 1e-7], as in Keras 3. With ``from_logits=True`` the outputs are
logarithms of unnormalised probabilities, which is more exact.
"""

from __future__ import annotations

import numpy as np

from streamfit import ops
from streamfit._base.errors import ShapeError
from streamfit.losses.loss import Loss, registry
from streamfit.losses.meaning import CHANCES, COUNTS, DISTRIBUTIONS
from streamfit.losses.regression import last_mean
from streamfit.losses.targets import aligned, check_labels, label_target, one_hot_target, same_target
from streamfit.ops.core import Operand, Value


def _smoothed(y_true: Value, share: float, classes: int | None) -> Value:
    """Move `share` of the probability to all classes in equal parts."""
    if not share:
        return y_true
    if classes is None:
        raise ShapeError("label_smoothing needs an axis of classes, and axis 0 is the batch")
    return ops.add(ops.multiply(y_true, 1.0 - share), share / classes)


def _smoothing(share: float) -> float:
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"label_smoothing must be in [0, 1], got {share!r}")
    return share


def binary_crossentropy(
    y_true: Operand, y_pred: Operand, from_logits: bool = False, label_smoothing: float = 0.0
) -> Value:
    """Compute ``mean(-y_true log(p) - (1 - y_true) log(1 - p))`` over the last axis.

    Args:
        y_true: Targets in [0, 1], of the shape of `y_pred`.
        y_pred: Probabilities p, or logits; shape (batch, ..., n).
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: Share s: targets become ``y_true * (1 - s) + s / 2``.

    Returns:
        Shape (batch, ...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> binary_crossentropy([[1.0]], [[0.5]])
        array([0.6931472], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "binary_crossentropy", y_true, y_pred)
    target = _smoothed(y_true, label_smoothing, 2)
    return last_mean(ops.binary_crossentropy(target, y_pred, from_logits=from_logits))


def categorical_crossentropy(
    y_true: Operand, y_pred: Operand, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Value:
    """Compute ``-sum(y_true log(p))`` over the axis of the classes.

    Args:
        y_true: One probability a class, of the shape of `y_pred`, such as one-hot rows.
        y_pred: Probabilities p, divided by their sum first, or logits; shape (batch, ..., classes).
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: Share s: targets become ``y_true * (1 - s) + s / classes``.
        axis: The axis of the classes.

    Returns:
        Shape (batch, ...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        array([0.6931472], dtype=float32)
    """
    y_true, y_pred = aligned(one_hot_target, "categorical_crossentropy", y_true, y_pred)
    target = _smoothed(y_true, label_smoothing, y_pred.shape[axis])
    return ops.categorical_crossentropy(target, y_pred, from_logits=from_logits, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Operand, y_pred: Operand, from_logits: bool = False, ignore_class: int | None = None
) -> Value:
    """Compute ``-log(p[y_true])`` for integer classes.

    Args:
        y_true: Whole numbers, shape (batch, ...) or (batch, ..., 1).
        y_pred: Probabilities p, or logits; shape (batch, ..., classes).
        from_logits: Whether `y_pred` holds logits.
        ignore_class: A label whose rows have the value 0, or None.

    Returns:
        Shape (batch, ...).

    Raises:
        ShapeError: The shapes do not fit.
        DataError: Called on arrays: a label is not a class.

    Example:
        >>> sparse_categorical_crossentropy([1], [[0.5, 0.5]])
        array([0.6931472], dtype=float32)
    """
    if not isinstance(y_true, ops.Tensor):
        classes = np.shape(y_pred)[-1] if not isinstance(y_pred, ops.Tensor) else y_pred.shape[-1]
        check_labels(np.asarray(y_true), int(classes or 0), ignored=ignore_class)
    y_true, y_pred = aligned(label_target, "sparse_categorical_crossentropy", y_true, y_pred)
    return ops.sparse_categorical_crossentropy(
        y_true, y_pred, from_logits=from_logits, ignore_class=ignore_class
    )


def kl_divergence(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``sum(y_true log(y_true / y_pred))`` over the last axis, both clipped to [1e-7, 1].

    Source: Kullback and Leibler, "On information and sufficiency", 1951.

    Example:
        >>> kl_divergence([[0.5, 0.5]], [[0.5, 0.5]])
        array([0.], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "kl_divergence", y_true, y_pred)
    y_true, y_pred = ops.clip(y_true, 1e-7, 1.0), ops.clip(y_pred, 1e-7, 1.0)
    return ops.sum(ops.multiply(y_true, ops.log(ops.divide(y_true, y_pred))), -1)


def poisson(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean(y_pred - y_true log(y_pred + 1e-7))`` over the last axis.

    The negative logarithm of the Poisson probability of counts `y_true` at rates `y_pred`, without the
    term that does not depend on the rates.

    Example:
        >>> poisson([[0.0]], [[1.0]])
        array([1.], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "poisson", y_true, y_pred)
    return last_mean(ops.subtract(y_pred, ops.multiply(y_true, ops.log(ops.add(y_pred, 1e-7)))))


class BinaryCrossentropy(Loss):
    """Average the cross-entropies of yes-no targets; see `binary_crossentropy`.

    Args:
        from_logits: Whether the outputs are logits.
        label_smoothing: Share in [0, 1] that smooths the targets.
        reduction: As for `Loss`.
        name: As for `Loss`.

    Raises:
        ValueError: `label_smoothing` is outside [0, 1].

    Example:
        >>> round(float(BinaryCrossentropy()([[1.0], [0.0]], [[0.5], [0.5]])), 4)
        0.6931
    """

    rule = staticmethod(same_target)
    meaning = CHANCES

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits, self.label_smoothing = bool(from_logits), _smoothing(label_smoothing)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class CategoricalCrossentropy(Loss):
    """Average the cross-entropies of one-hot targets; see `categorical_crossentropy`.

    Args:
        from_logits: Whether the outputs are logits.
        label_smoothing: Share in [0, 1] that smooths the targets.
        axis: The axis of the classes.
        reduction: As for `Loss`.
        name: As for `Loss`.

    Raises:
        ValueError: `label_smoothing` is outside [0, 1].

    Example:
        >>> round(float(CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])), 4)
        0.6931
    """

    rule = staticmethod(one_hot_target)
    meaning = DISTRIBUTIONS

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits, self.label_smoothing = bool(from_logits), _smoothing(label_smoothing)
        self.axis = axis

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)


class SparseCategoricalCrossentropy(Loss):
    """Average the cross-entropies of integer classes; see `sparse_categorical_crossentropy`.

    Args:
        from_logits: Whether the outputs are logits.
        ignore_class: A label that does not count, neither in the sum nor in the number, or None.
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> round(float(SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])), 4)
        0.6931
    """

    rule = staticmethod(label_target)

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
    ) -> None:
        super().__init__(reduction, name)
        self.from_logits, self.ignore_class = bool(from_logits), ignore_class

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class)

    def mask(self, y_true: Value) -> Value | None:
        """Return 0 where the label is `ignore_class`."""
        if self.ignore_class is None:
            return None
        return ops.cast(ops.not_equal(y_true, self.ignore_class), "float32")


class KLDivergence(Loss):
    """Average the divergences between distributions; see `kl_divergence`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]))
        0.0
    """

    rule = staticmethod(same_target)
    meaning = DISTRIBUTIONS

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return kl_divergence(y_true, y_pred)


class Poisson(Loss):
    """Average the losses of counts and predicted rates; see `poisson`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(Poisson()([[0.0]], [[1.0]]))
        1.0
    """

    rule = staticmethod(same_target)
    meaning = COUNTS

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return poisson(y_true, y_pred)


bce = BCE = binary_crossentropy
kld = KLD = kl_divergence

registry.register(BinaryCrossentropy, "binary_crossentropy", "bce")
registry.register(CategoricalCrossentropy, "categorical_crossentropy")
registry.register(SparseCategoricalCrossentropy, "sparse_categorical_crossentropy")
registry.register(KLDivergence, "kl_divergence", "kld", "kullback_leibler_divergence")
registry.register(Poisson, "poisson")
