"""Metrics that are means of losses: errors, divergences, cross-entropies, margins."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

from numpy.typing import DTypeLike

from streamfit import losses, ops
from streamfit.losses.targets import label_target, one_hot_target, same_target
from streamfit.metrics.metric import MeanMetric
from streamfit.ops.core import Value


class _LossMean(MeanMetric):
    """The mean of one of the functions of `streamfit.losses`, for targets of the output's shape."""

    rule = staticmethod(same_target)
    direction = "down"
    function: ClassVar[Callable[..., Value]]

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return type(self).function(y_true, y_pred)


class MeanSquaredError(_LossMean):
    """Average `streamfit.losses.mean_squared_error`."""

    function = staticmethod(losses.mean_squared_error)


class MeanAbsoluteError(_LossMean):
    """Average `streamfit.losses.mean_absolute_error`."""

    function = staticmethod(losses.mean_absolute_error)


class MeanAbsolutePercentageError(_LossMean):
    """Average `streamfit.losses.mean_absolute_percentage_error`."""

    function = staticmethod(losses.mean_absolute_percentage_error)


class MeanSquaredLogarithmicError(_LossMean):
    """Average `streamfit.losses.mean_squared_logarithmic_error`."""

    function = staticmethod(losses.mean_squared_logarithmic_error)


class LogCoshError(_LossMean):
    """Average `streamfit.losses.log_cosh`."""

    function = staticmethod(losses.log_cosh)
    default_name = "logcosh"


class KLDivergence(_LossMean):
    """Average `streamfit.losses.kl_divergence`."""

    function = staticmethod(losses.kl_divergence)


class Poisson(_LossMean):
    """Average `streamfit.losses.poisson`."""

    function = staticmethod(losses.poisson)


class Hinge(_LossMean):
    """Average `streamfit.losses.hinge`."""

    function = staticmethod(losses.hinge)


class SquaredHinge(_LossMean):
    """Average `streamfit.losses.squared_hinge`."""

    function = staticmethod(losses.squared_hinge)


class CategoricalHinge(_LossMean):
    """Average `streamfit.losses.categorical_hinge`."""

    rule = staticmethod(one_hot_target)
    function = staticmethod(losses.categorical_hinge)


class CosineSimilarity(MeanMetric):
    """Average the cosines of the angles between targets and predictions: 1 for the same direction.

    The metric is the cosine, the loss of the same name its negative.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.
        axis: The axis of the vectors.

    Example:
        >>> CosineSimilarity()([[0.0, 2.0]], [[0.0, 1.0]])
        1.0
    """

    rule = staticmethod(same_target)
    direction = "up"

    def __init__(self, name: str | None = None, dtype: DTypeLike | None = None, axis: int = -1) -> None:
        super().__init__(name, dtype)
        self.axis = axis

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return ops.negative(losses.cosine_similarity(y_true, y_pred, self.axis))


class RootMeanSquaredError(MeanMetric):
    """Compute the square root of the mean of all squared errors.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> RootMeanSquaredError()([[0.0], [0.0]], [[1.0], [7.0]])
        5.0
    """

    rule = staticmethod(same_target)
    direction = "down"

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a number."""
        return ops.square(ops.subtract(y_pred, y_true))

    def result(self) -> float:
        """Return the root of the mean so far."""
        return math.sqrt(super().result())


class BinaryCrossentropy(MeanMetric):
    """Average `streamfit.losses.binary_crossentropy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.
        from_logits: Whether the outputs are logits.
        label_smoothing: Share in [0, 1] that smooths the targets.
    """

    rule = staticmethod(same_target)
    direction = "down"

    def __init__(
        self,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing = from_logits, label_smoothing

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return losses.binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing)


class CategoricalCrossentropy(MeanMetric):
    """Average `streamfit.losses.categorical_crossentropy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.
        from_logits: Whether the outputs are logits.
        label_smoothing: Share in [0, 1] that smooths the targets.
        axis: The axis of the classes.
    """

    rule = staticmethod(one_hot_target)
    direction = "down"

    def __init__(
        self,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, label_smoothing, axis

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return losses.categorical_crossentropy(
            y_true, y_pred, self.from_logits, self.label_smoothing, self.axis
        )


class SparseCategoricalCrossentropy(MeanMetric):
    """Average `streamfit.losses.sparse_categorical_crossentropy`.

    Args:
        name: As for `Metric`.
        dtype: As for `Metric`.
        from_logits: Whether the outputs are logits.
    """

    rule = staticmethod(label_target)
    direction = "down"

    def __init__(
        self, name: str | None = None, dtype: DTypeLike | None = None, from_logits: bool = False
    ) -> None:
        super().__init__(name, dtype)
        self.from_logits = from_logits

    def call(self, y_true: Value, y_pred: Value) -> Value:
        """Return one value a sample."""
        return losses.sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)
