"""The best value of one share of right decisions where another share is at least what is asked for.

Each looks for the threshold among evenly spaced ones; the counts are those of `ConfusionMetric`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from streamfit._base.checks import number, whole
from streamfit._base.loading import reserve
from streamfit._base.specs import Array
from streamfit.metrics.confusion import ConfusionMetric, share


class _OperatingPoint(ConfusionMetric):
    """Base: the best of one share among the thresholds where another one is large enough."""

    def __init__(
        self,
        name_of_least: str,
        least: float,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: DTypeLike | None,
    ) -> None:
        self._least = number(name_of_least, least)
        if not 0.0 <= self._least <= 1.0:
            raise ValueError(f"{name_of_least} must be in [0, 1], got {least!r}")
        self.num_thresholds, self.class_id = whole("num_thresholds", num_thresholds, 1), class_id
        reserve(64 * self.num_thresholds, f"num_thresholds={num_thresholds}")
        last = self.num_thresholds - 1
        levels = [i / last for i in range(last + 1)] if last else [0.5]
        super().__init__(levels, name, dtype)

    def _shares(self) -> tuple[Array, Array]:
        """Return the share that must be large enough, and the one to maximise, by threshold."""
        raise TypeError(f"{type(self).__name__} must define _shares(self)")

    def result(self) -> float:
        """Return the best share, 0 where no threshold is good enough."""
        required, wanted = self._shares()
        return float(np.max(wanted, initial=0.0, where=required >= self._least))


class SensitivityAtSpecificity(_OperatingPoint):
    """Compute the best sensitivity, TP / (TP + FN), with a specificity of at least what is asked for.

    Args:
        specificity: The least specificity, TN / (TN + FP), in [0, 1].
        num_thresholds: Number of thresholds, evenly spaced in [0, 1]; 1 means 0.5.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: `specificity` is not in [0, 1], or there is no threshold.

    Example:
        >>> SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])
        0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("specificity", specificity, num_thresholds, class_id, name, dtype)
        self.specificity = specificity

    def _shares(self) -> tuple[Array, Array]:
        (tn, fp), (fn, tp) = self.counts
        return share(tn, tn + fp), share(tp, tp + fn)


class SpecificityAtSensitivity(_OperatingPoint):
    """Compute the best specificity, TN / (TN + FP), with a sensitivity of at least what is asked for.

    Args:
        sensitivity: The least sensitivity, TP / (TP + FN), in [0, 1].
        num_thresholds: Number of thresholds, evenly spaced in [0, 1]; 1 means 0.5.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: `sensitivity` is not in [0, 1], or there is no threshold.

    Example:
        >>> SpecificityAtSensitivity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])
        0.6666666666666666
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("sensitivity", sensitivity, num_thresholds, class_id, name, dtype)
        self.sensitivity = sensitivity

    def _shares(self) -> tuple[Array, Array]:
        (tn, fp), (fn, tp) = self.counts
        return share(tp, tp + fn), share(tn, tn + fp)


class PrecisionAtRecall(_OperatingPoint):
    """Compute the best precision, TP / (TP + FP), with a recall of at least what is asked for.

    Args:
        recall: The least recall, TP / (TP + FN), in [0, 1].
        num_thresholds: Number of thresholds, evenly spaced in [0, 1]; 1 means 0.5.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: `recall` is not in [0, 1], or there is no threshold.

    Example:
        >>> PrecisionAtRecall(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])
        0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("recall", recall, num_thresholds, class_id, name, dtype)
        self.recall = recall

    def _shares(self) -> tuple[Array, Array]:
        (_, fp), (fn, tp) = self.counts
        return share(tp, tp + fn), share(tp, tp + fp)


class RecallAtPrecision(_OperatingPoint):
    """Compute the best recall, TP / (TP + FN), with a precision of at least what is asked for.

    Args:
        precision: The least precision, TP / (TP + FP), in [0, 1].
        num_thresholds: Number of thresholds, evenly spaced in [0, 1]; 1 means 0.5.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: `precision` is not in [0, 1], or there is no threshold.

    Example:
        >>> RecallAtPrecision(0.8)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
        0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__("precision", precision, num_thresholds, class_id, name, dtype)
        self.precision = precision

    def _shares(self) -> tuple[Array, Array]:
        (_, fp), (fn, tp) = self.counts
        return share(tp, tp + fp), share(tp, tp + fn)
