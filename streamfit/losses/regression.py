"""Losses for numbers: distances between targets and predictions of one shape.

Each function returns one value a sample: the mean over the last axis.
"""

from __future__ import annotations

import math

from streamfit import ops
from streamfit._base.config import epsilon
from streamfit.losses.loss import Loss, registry
from streamfit.losses.meaning import SIZES
from streamfit.losses.targets import aligned, same_target
from streamfit.ops.core import Operand, Value


def last_mean(values: Value) -> Value:
    """Return the mean over the last axis; values with only the batch axis stay as they are."""
    return ops.mean(values, -1) if len(values.shape) > 1 else values


def mean_squared_error(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean((y_true - y_pred) ** 2)`` over the last axis.

    Args:
        y_true: Targets of the shape of `y_pred`.
        y_pred: Predictions, shape (batch, ..., n).

    Returns:
        Shape (batch, ...).

    Raises:
        ShapeError: The shapes differ.

    Example:
        >>> mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]])
        array([2.5], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "mean_squared_error", y_true, y_pred)
    return last_mean(ops.square(ops.subtract(y_pred, y_true)))


def mean_absolute_error(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean(abs(y_true - y_pred))`` over the last axis.

    Example:
        >>> mean_absolute_error([[0.0, 1.0]], [[1.0, 3.0]])
        array([1.5], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "mean_absolute_error", y_true, y_pred)
    return last_mean(ops.abs(ops.subtract(y_pred, y_true)))


def mean_absolute_percentage_error(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``100 * mean(abs(y_true - y_pred) / max(abs(y_true), 1e-7))`` over the last axis.

    Example:
        >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 3.0]])
        array([37.5], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "mean_absolute_percentage_error", y_true, y_pred)
    share = ops.divide(ops.abs(ops.subtract(y_true, y_pred)), ops.maximum(ops.abs(y_true), epsilon()))
    return ops.multiply(last_mean(share), 100.0)


def mean_squared_logarithmic_error(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean((log(1 + y_true) - log(1 + y_pred)) ** 2)`` over the last axis.

    Values below 1e-7 count as 1e-7, as in Keras.

    Example:
        >>> mean_squared_logarithmic_error([[1.0]], [[1.0]])
        array([0.], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "mean_squared_logarithmic_error", y_true, y_pred)
    logs = [ops.log(ops.add(ops.maximum(y, epsilon()), 1.0)) for y in (y_true, y_pred)]
    return last_mean(ops.square(ops.subtract(*logs)))


def huber(y_true: Operand, y_pred: Operand, delta: float = 1.0) -> Value:
    """Compute the Huber loss, quadratic up to an error of `delta` and linear beyond, over the last axis.

    ``d ** 2 / 2`` where ``d = abs(y_true - y_pred)`` is at most `delta`, else ``delta * d - delta ** 2 / 2``
    (Huber, "Robust estimation of a location parameter", 1964).

    Example:
        >>> huber([[0.0], [0.0]], [[1.0], [3.0]])
        array([0.5, 2.5], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "huber", y_true, y_pred)
    error = ops.abs(ops.subtract(y_pred, y_true))
    inside = ops.minimum(error, delta)
    outside = ops.subtract(error, inside)
    return last_mean(ops.add(ops.multiply(ops.square(inside), 0.5), ops.multiply(outside, delta)))


def log_cosh(y_true: Operand, y_pred: Operand) -> Value:
    """Compute ``mean(log(cosh(y_pred - y_true)))`` over the last axis, without overflow.

    Example:
        >>> log_cosh([[1.0]], [[1.0]])
        array([0.], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "log_cosh", y_true, y_pred)
    error = ops.subtract(y_pred, y_true)
    values = ops.subtract(ops.add(error, ops.softplus(ops.multiply(error, -2.0))), math.log(2.0))
    return last_mean(values)


def cosine_similarity(y_true: Operand, y_pred: Operand, axis: int = -1) -> Value:
    """Compute the negative cosine of the angle between targets and predictions over one axis.

    Returns:
        -1 for the same direction, 0 for orthogonal, 1 for opposite vectors. Vectors shorter than 1e-7
        count as that long.

    Example:
        >>> cosine_similarity([[1.0, 0.0]], [[2.0, 0.0]])
        array([-1.], dtype=float32)
    """
    y_true, y_pred = aligned(same_target, "cosine_similarity", y_true, y_pred)
    lengths = [ops.sqrt(ops.maximum(ops.sum(ops.square(y), axis), epsilon() ** 2)) for y in (y_true, y_pred)]
    product = ops.sum(ops.multiply(y_true, y_pred), axis)
    return ops.negative(ops.divide(ops.divide(product, lengths[0]), lengths[1]))


class MeanSquaredError(Loss):
    """Average the squared differences; see `mean_squared_error`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(MeanSquaredError()([[0.0], [1.0]], [[1.0], [3.0]]))
        2.5
    """

    rule = staticmethod(same_target)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return mean_squared_error(y_true, y_pred)


class MeanAbsoluteError(Loss):
    """Average the absolute differences; see `mean_absolute_error`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(MeanAbsoluteError()([[0.0], [1.0]], [[1.0], [3.0]]))
        1.5
    """

    rule = staticmethod(same_target)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return mean_absolute_error(y_true, y_pred)


class MeanAbsolutePercentageError(Loss):
    """Average the relative differences, in percent; see `mean_absolute_percentage_error`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(MeanAbsolutePercentageError()([[2.0]], [[1.0]]))
        50.0
    """

    rule = staticmethod(same_target)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return mean_absolute_percentage_error(y_true, y_pred)


class MeanSquaredLogarithmicError(Loss):
    """Average the squared differences of logarithms; see `mean_squared_logarithmic_error`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(MeanSquaredLogarithmicError()([[2.0]], [[2.0]]))
        0.0
    """

    rule = staticmethod(same_target)
    meaning = SIZES

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return mean_squared_logarithmic_error(y_true, y_pred)


class Huber(Loss):
    """Average errors that are squared when small and absolute when large; see `huber`.

    Args:
        delta: Where small ends, positive.
        reduction: As for `Loss`.
        name: As for `Loss`.

    Raises:
        ValueError: `delta` is not positive.

    Example:
        >>> float(Huber()([[0.0]], [[3.0]]))
        2.5
    """

    rule = staticmethod(same_target)
    default_name = "huber_loss"

    def __init__(
        self, delta: float = 1.0, reduction: str | None = "sum_over_batch_size", name: str | None = None
    ) -> None:
        super().__init__(reduction, name)
        if not delta > 0:
            raise ValueError(f"delta must be positive, got {delta!r}")
        self.delta = delta

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return huber(y_true, y_pred, self.delta)


class LogCosh(Loss):
    """Average the logarithms of the hyperbolic cosine of the error; see `log_cosh`.

    Args:
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(LogCosh()([[2.0]], [[2.0]]))
        0.0
    """

    rule = staticmethod(same_target)

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return log_cosh(y_true, y_pred)


class CosineSimilarity(Loss):
    """Average the negative cosines of angles; see `cosine_similarity`.

    Args:
        axis: The axis of the vectors.
        reduction: As for `Loss`.
        name: As for `Loss`.

    Example:
        >>> float(CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]]))
        -1.0
    """

    rule = staticmethod(same_target)

    def __init__(
        self, axis: int = -1, reduction: str | None = "sum_over_batch_size", name: str | None = None
    ) -> None:
        super().__init__(reduction, name)
        self.axis = axis

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return cosine_similarity(y_true, y_pred, self.axis)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error

registry.register(MeanSquaredError, "mean_squared_error", "mse")
registry.register(MeanAbsoluteError, "mean_absolute_error", "mae")
registry.register(MeanAbsolutePercentageError, "mean_absolute_percentage_error", "mape")
registry.register(MeanSquaredLogarithmicError, "mean_squared_logarithmic_error", "msle")
registry.register(Huber, "huber", "huber_loss")
registry.register(LogCosh, "log_cosh")
registry.register(CosineSimilarity, "cosine_similarity", "cosine_proximity", "cosine")
