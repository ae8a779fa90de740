"""Losses with a margin between classes: the hinge losses."""

from __future__ import annotations

from streamfit import ops
from streamfit.losses.loss import Loss, registry
from streamfit.losses.meaning import DISTRIBUTIONS, SIGNS
from streamfit.losses.regression import last_mean
from streamfit.losses.targets import aligned, one_hot_target, same_target
from streamfit.ops.core import Operand, Value


def _margins(loss: str, y_true: Operand, y_pred: Operand) -> Value:
    """Return ``max(1 - y_true * y_pred, 0)``; targets of 0 count as -1."""
    y_true, y_pred = aligned(same_target, loss, y_true, y_pred)
    signs = ops.where(ops.equal(y_true, 0.0), -1.0, y_true)
    return ops.maximum(ops.subtract(1.0, ops.multiply(signs, y_pred)), 0.0)


def hinge(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean(max(1 - y_true * y_pred, 0))`` over the last axis.

    Args:
        y_true: Targets of -1 or 1; 0 counts as -1.
        y_pred: Predictions of the same shape.

    Returns:
        Shape (batch, ...).

    Example:
        >>> hinge([[1.0, 0.0]], [[0.5, 0.5]])
        array([1.], dtype=float32)
    """
    return last_mean(_margins("hinge", y_true, y_pred))


def squared_hinge(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean(max(1 - y_true * y_pred, 0) ** 2)`` over the last axis.

    Example:
        >>> squared_hinge([[1.0, 0.0]], [[0.5, 0.5]])
        array([1.25], dtype=float32)
    """
    return last_mean(ops.square(_margins("squared_hinge", y_true, y_pred)))


def categorical_hinge(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``max(1 + max((1 - y_true) * y_pred) - sum(y_true * y_pred), 0)`` over the last axis.

    Args:
        y_true: One-hot targets.
        y_pred: Predictions of the same shape.

    Returns:
        Shape (batch, ...).

    Example:
        >>> categorical_hinge([[0.0, 1.0]], [[0.5, 1.0]])
        array([0.5], dtype=float32)
    """
    y_true, y_pred = aligned(one_hot_target, "categorical_hinge", y_true, y_pred)
    right = ops.sum(ops.multiply(y_true, y_pred), -1)
    wrong = ops.max(ops.multiply(ops.subtract(1.0, y_true), y_pred), -1)
    return ops.maximum(ops.add(ops.subtract(wrong, right), 1.0), 0.0)


class Hinge(Loss):
    """Average the hinge losses of targets -1 and 1; see `hinge`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(Hinge()([[1.0]], [[0.5]]))
        0.5
    """

    rule = staticmethod(same_target)
    meaning = SIGNS

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return hinge(y_true, y_pred)


class SquaredHinge(Loss):
    """Average the squared hinge losses of targets -1 and 1; see `squared_hinge`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(SquaredHinge()([[1.0]], [[0.5]]))
        0.25
    """

    rule = staticmethod(same_target)
    meaning = SIGNS

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return squared_hinge(y_true, y_pred)


class CategoricalHinge(Loss):
    """Average the hinge losses of one-hot targets; see `categorical_hinge`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(CategoricalHinge()([[0.0, 1.0]], [[0.5, 1.0]]))
        0.5
    """

    rule = staticmethod(one_hot_target)
    meaning = DISTRIBUTIONS

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return categorical_hinge(y_true, y_pred)


registry.register(Hinge, "hinge")
registry.register(SquaredHinge, "squared_hinge")
registry.register(CategoricalHinge, "categorical_hinge")
