"""Metrics of yes-no decisions at thresholds: counts, precision, recall, areas under curves.

They are exact over an epoch, not means of batches, and computed with NumPy on finished batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base.errors import ShapeError
from streamfit._base.specs import Array
from streamfit.kernels.running_sums import grow_all
from streamfit.metrics.metric import Metric


def _as_thresholds(thresholds: Any, default: float = 0.5) -> list[float]:
    given = [default] if thresholds is None else thresholds
    found = [float(t) for t in (given if isinstance(given, (list, tuple, np.ndarray)) else [given])]
    wrong = [t for t in found if not 0.0 <= t <= 1.0]
    if wrong or not found:
        raise ValueError(f"thresholds must be numbers in [0, 1], got {thresholds!r}")
    return found


def _pairs(metric: Metric, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Array, Array, Array]:
    """Return targets (bool), predictions and weights as float64 vectors of one length."""
    truth, said = np.asarray(y_true), np.asarray(y_pred, dtype=np.float64)
    if truth.shape != said.shape and truth.size == said.size and len(truth) == len(said):
        truth = truth.reshape(said.shape)
    if truth.shape != said.shape:
        raise ShapeError(
            f"metric {metric.name!r} needs targets of the shape of the predictions {said.shape}, "
            f"got {truth.shape}"
        )
    weights = np.ones(said.shape)
    if sample_weight is not None:
        given = np.asarray(sample_weight, dtype=np.float64)
        if given.shape != said.shape[: given.ndim]:
            raise ShapeError(
                f"sample weights of shape {given.shape} do not fit predictions of shape {said.shape}"
            )
        weights *= given.reshape(given.shape + (1,) * (said.ndim - given.ndim))
    return truth.reshape(-1) > 0.5, said.reshape(-1), weights.reshape(-1)


def _check_range(metric: Metric, said: Array) -> None:
    if said.size and not (said.min() >= 0.0 and said.max() <= 1.0):
        raise ValueError(
            f"metric {metric.name!r} compares probabilities with thresholds, and got predictions from "
            f"{said.min():g} to {said.max():g}; end the model with a sigmoid or a softmax"
        )


class ConfusionMetric(Metric):
    """Base of metrics that count right and wrong decisions at each of several thresholds."""

    def __init__(self, thresholds: Sequence[float], name: str | None = None, dtype: Any = None) -> None:
        super().__init__(name, dtype)
        self._levels = np.array(thresholds, dtype=np.float64)
        shape = (2, 2, len(self._levels))
        self._sums, self._rests = self.add_variable(shape), self.add_variable(shape)

    @property
    def counts(self) -> Array:
        """Count the decisions: float64 array of shape (2, 2, n), [target][decision][threshold]."""
        return np.asarray(self._sums + self._rests)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account.

        Args:
            y_true: Targets 0 or 1.
            y_pred: Probabilities of the same shape.
            sample_weight: Weights of the samples, or of each prediction.

        Raises:
            ShapeError: The shapes differ.
            ValueError: A prediction is outside [0, 1].
        """
        truth, said, weights = _pairs(self, y_true, y_pred, sample_weight)
        _check_range(self, said)
        counts = np.zeros(self._sums.shape)
        order = np.argsort(self._levels, kind="stable")
        passed = np.searchsorted(self._levels[order], said, side="left")  # levels strictly below
        for target in (0, 1):
            chosen = truth == bool(target)
            count = np.bincount(passed[chosen], weights[chosen], len(order) + 1)
            below = np.cumsum(count)[:-1]
            counts[target, 0, order] = below
            counts[target, 1, order] = count.sum() - below
        grow_all(self._sums, self._rests, counts)

    def _number(self, values: Array) -> Any:
        return float(values[0]) if len(values) == 1 else np.array(values)


class _Count(ConfusionMetric):
    """One of the four counts."""

    target: int
    decision: int

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        self.thresholds = thresholds
        super().__init__(_as_thresholds(thresholds), name, dtype)

    def result(self) -> Any:
        """Return the count, or an array with one for each threshold."""
        return self._number(self.counts[self.target, self.decision])


class TruePositives(_Count):
    """Count the targets 1 whose prediction is above the threshold.

    Args:
        thresholds: A number in [0, 1] or a list of them; 0.5 by default.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> TruePositives()([0, 1, 1], [0.9, 0.8, 0.1])
        1.0
    """

    target, decision = 1, 1


class TrueNegatives(_Count):
    """Count the targets 0 whose prediction is not above the threshold; arguments as `TruePositives`.

    Example:
        >>> TrueNegatives()([0, 1, 1], [0.9, 0.8, 0.1])
        0.0
    """

    target, decision = 0, 0


class FalsePositives(_Count):
    """Count the targets 0 whose prediction is above the threshold; arguments as `TruePositives`.

    Example:
        >>> FalsePositives()([0, 1, 1], [0.9, 0.8, 0.1])
        1.0
    """

    target, decision = 0, 1


class FalseNegatives(_Count):
    """Count the targets 1 whose prediction is not above the threshold; arguments as `TruePositives`.

    Example:
        >>> FalseNegatives()([0, 1, 1], [0.9, 0.8, 0.1])
        1.0
    """

    target, decision = 1, 0


def _share(part: Array, whole: Array) -> Array:
    """Divide; 0 where the whole is 0."""
    shares: Array = np.divide(part, whole, out=np.zeros_like(np.asarray(part)), where=np.asarray(whole) != 0)
    return shares


class _Ratio(ConfusionMetric):
    """True positives over another count."""

    def __init__(
        self, thresholds: Any = None, class_id: int | None = None, name: str | None = None, dtype: Any = None
    ) -> None:
        self.thresholds, self.class_id = thresholds, class_id
        super().__init__(_as_thresholds(thresholds), name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account; with `class_id` only that column of it."""
        if self.class_id is not None:
            y_true, y_pred = np.asarray(y_true)[..., self.class_id], np.asarray(y_pred)[..., self.class_id]
        super().update_state(y_true, y_pred, sample_weight)


class Precision(_Ratio):
    """Compute how many of the positive decisions are right.

    Args:
        thresholds: A number in [0, 1] or a list of them; 0.5 by default.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> Precision()([0, 1, 1], [0.9, 0.8, 0.1])
        0.5
    """

    def result(self) -> Any:
        """Return TP / (TP + FP), 0 without positive decisions; an array for several thresholds."""
        return self._number(_share(self.counts[1, 1], self.counts[1, 1] + self.counts[0, 1]))


class Recall(_Ratio):
    """Compute how many of the targets 1 are found.

    Args:
        thresholds: A number in [0, 1] or a list of them; 0.5 by default.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> Recall()([0, 1, 1], [0.9, 0.8, 0.1])
        0.5
    """

    def result(self) -> Any:
        """Return TP / (TP + FN), 0 without targets 1; an array for several thresholds."""
        return self._number(_share(self.counts[1, 1], self.counts[1, 1] + self.counts[1, 0]))


class AUC(ConfusionMetric):
    """Compute the area under the ROC or the precision-recall curve, from counts at many thresholds.

    Between thresholds the ROC curve is linear, and the precision-recall curve follows Davis and Goadrich,
    "The relationship between precision-recall and ROC curves", 2006.

    Args:
        num_thresholds: How many thresholds, at least 2, evenly spaced; more is more exact.
        curve: ``'ROC'`` or ``'PR'``.
        name: As for `Metric`.
        dtype: As for `Metric`.
        from_logits: Whether the outputs are logits, which a sigmoid turns into probabilities.

    Raises:
        ValueError: Fewer than two thresholds, or an unknown curve.

    Example:
        >>> AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9])
        0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
    ) -> None:
        if num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2, got {num_thresholds!r}")
        if curve not in ("ROC", "PR"):
            raise ValueError(f"curve must be 'ROC' or 'PR', got {curve!r}")
        levels = np.linspace(0.0, 1.0, num_thresholds)
        levels[0], levels[-1] = -1e-7, 1.0 + 1e-7  # so that the ends say yes to all and to none
        super().__init__(list(levels), name, dtype)
        self.num_thresholds, self.curve, self.from_logits = num_thresholds, curve, bool(from_logits)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take a batch into account; arguments as for `ConfusionMetric.update_state`."""
        if self.from_logits:
            y_pred = 0.5 * (1.0 + np.tanh(0.5 * np.asarray(y_pred, dtype=np.float64)))
        super().update_state(y_true, y_pred, sample_weight)

    def result(self) -> float:
        """Return the area, 0 where one kind of target is missing."""
        return self._area_pr() if self.curve == "PR" else self._area_roc()

    def _area_roc(self) -> float:
        (tn, fp), (fn, tp) = self.counts
        hits, alarms = _share(tp, tp + fn), _share(fp, fp + tn)
        return float(np.sum((alarms[:-1] - alarms[1:]) * (hits[:-1] + hits[1:]) / 2.0))

    def _area_pr(self) -> float:
        (_, fp), (fn, tp) = self.counts
        found, said = tp[:-1] - tp[1:], (tp + fp)[:-1] - (tp + fp)[1:]
        slope = _share(found, np.maximum(said, 0.0))
        intercept = tp[1:] - slope * (tp + fp)[1:]
        both = ((tp + fp)[:-1] > 0) & ((tp + fp)[1:] > 0)
        ratio = np.where(both, _share((tp + fp)[:-1], np.maximum((tp + fp)[1:], 0.0)), 1.0)
        area = slope * (found + intercept * np.log(ratio))
        return float(np.sum(_share(area, np.maximum((tp + fn)[1:], 0.0))))
