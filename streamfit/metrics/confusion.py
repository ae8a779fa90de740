"""Metrics of binary decisions at thresholds: counts, precision, recall, areas under curves.

They are exact over an epoch, not means of batches. A program counts inside its step (`metrics/decisions.py`);
on arrays NumPy does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from streamfit import ops
from streamfit._base.config import floatx
from streamfit._base.errors import DataError, ShapeError
from streamfit._base.loading import reserve
from streamfit._base.specs import Array, Shape, may_equal
from streamfit.kernels import run
from streamfit.losses.targets import weight_shape, with_last_axis_of
from streamfit.metrics.decisions import (
    CountDecisions,
    ProbabilityGuard,
    add_decisions,
    decisions_of,
    has_column,
)
from streamfit.metrics.metric import Metric
from streamfit.metrics.step_nodes import StepNodes, sink
from streamfit.ops.casting import floating
from streamfit.ops.core import Tensor, Value

Thresholds = float | list[float] | tuple[float, ...] | Array | None
"""One threshold or several; None for 0.5."""


def _as_thresholds(thresholds: Thresholds, default: float = 0.5) -> list[float]:
    given = [default] if thresholds is None else thresholds
    found = [float(t) for t in (given if isinstance(given, (list, tuple, np.ndarray)) else [given])]
    wrong = [t for t in found if not 0.0 <= t <= 1.0]
    if wrong or not found:
        raise ValueError(f"thresholds must be numbers in [0, 1], got {thresholds!r}")
    return found


def _floats(y_pred: ArrayLike) -> Array:
    """Return predictions in their own precision; those without one, such as lists, take `floatx`."""
    bare = not isinstance(y_pred, (np.ndarray, np.generic))
    array = np.asarray(y_pred)
    return array if array.dtype.kind == "f" and not bare else array.astype(floatx())


def _check_shapes(metric: ConfusionMetric, target: Shape, output: Shape) -> None:
    """Check that targets fit predictions, which have a column for `class_id`."""
    if not may_equal(with_last_axis_of(target, output), output):
        raise ShapeError(
            f"metric {metric.name!r} needs targets of the shape of the predictions {_text(output)}, got "
            f"{_text(target)}{_hint(target, output)}"
        )
    column = metric.class_id
    if column is not None and not has_column(output, column):
        raise ShapeError(
            f"metric {metric.name!r} has class_id={column}, and the predictions have shape {_text(output)}; "
            "the last axis needs a column for that class"
        )


def _text(shape: Shape) -> str:
    return str(shape).replace("None", "batch")


def _hint(target: Shape, output: Shape) -> str:
    """Return advice for targets that are one class number a row."""
    if len(output) < 2 or with_last_axis_of(target, output[:-1]) != output[:-1]:
        return ""
    return (
        "; these look like class numbers, and this metric needs one-hot targets, one column a class: convert "
        f"them with streamfit.utils.to_categorical(y, {output[-1]}), train with categorical_crossentropy, or "
        "give only this metric, in a subclass, y == class_id and the predictions of that class"
    )


def _pairs(targets: Array, outputs: Array, sample_weight: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Return targets (bool), predictions and weights (float64) as vectors of one length; no weight is 0."""
    wanted, flat = targets.reshape(-1) > 0.5, outputs.reshape(-1)
    if sample_weight is None:
        return wanted, flat, np.ones(outputs.size)
    given = np.asarray(sample_weight, dtype=np.float64)
    try:
        shape = weight_shape(given.shape, outputs.shape)
    except ShapeError:
        raise ShapeError(
            f"sample weights of shape {given.shape} do not fit predictions of shape {outputs.shape}"
        ) from None
    spread = given.reshape(given.shape[: len(shape)] + (1,) * (outputs.ndim - len(shape)))
    weights = np.broadcast_to(spread, outputs.shape).reshape(-1)
    counts = weights != 0  # predictions of weight 0 may have any value
    return wanted[counts], flat[counts], weights[counts]


def _range_error(metric: Metric, lowest: float, highest: float) -> DataError:
    return DataError(
        f"metric {metric.name!r} compares probabilities with thresholds, and got predictions from "
        f"{lowest:g} to {highest:g}; end the model with a sigmoid or a softmax"
        + (", or pass from_logits=True" if hasattr(metric, "from_logits") else "")
    )


class ConfusionMetric(Metric):
    """Base of metrics that count right and wrong decisions at each of several thresholds.

    Thresholds are rounded to the precision of the predictions, so a prediction equal to one is not above it.
    A prediction of NaN is a wrong decision at every threshold: a miss where the target is 1, a false alarm
    where it is 0.

    Args:
        thresholds: Numbers in [0, 1], or a little beyond; at least one.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Raises:
        ValueError: There is no threshold.
    """

    direction = "up"
    class_id: int | None = None

    def __init__(
        self, thresholds: Sequence[float], name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        super().__init__(name, dtype)
        levels = np.array(thresholds, dtype=np.float64)
        if not levels.size:
            raise ValueError(f"thresholds must be numbers in [0, 1], got {thresholds!r}")
        self._order = np.argsort(levels, kind="stable")
        self._levels = levels[self._order]
        # Sums, then rests, for each kind of target, of predictions by the number of levels below them.
        self._state = self.add_variable((2, 2, len(levels) + 1))
        self._outside = np.full(2, np.nan)  # the smallest and the largest prediction that stopped a step

    @property
    def counts(self) -> Array:
        """Return the counts of decisions: float64 array (2, 2, n), [target][decision][threshold]."""
        sums, rests = np.asarray(self._state)
        counts = np.empty((2, 2, len(self._levels)))
        counts[:, :, self._order] = decisions_of(sums + rests)
        return counts

    def probabilities(self, y_pred: Value) -> Value:
        """Return what is compared with the thresholds: the predictions, or something made of them."""
        return y_pred

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Take a batch into account.

        Args:
            y_true: Targets 0 or 1.
            y_pred: Probabilities of the same shape.
            sample_weight: Weights of the samples, or of each prediction; one of weight 0 may have any value.

        Raises:
            ShapeError: The shapes differ; or, with `class_id`, there is no such column.
            DataError: A prediction is outside [0, 1].
        """
        outputs = np.asarray(self.probabilities(_floats(y_pred)))
        targets = np.asarray(y_true)
        _check_shapes(self, targets.shape, outputs.shape)
        targets = targets.reshape(outputs.shape)
        if self.class_id is not None:
            targets, outputs = targets[..., self.class_id], outputs[..., self.class_id]
        wanted, outputs, weights = _pairs(targets, outputs, sample_weight)
        unknown = np.isnan(outputs)
        known = outputs[~unknown]
        if known.size and not (known.min() >= 0.0 and known.max() <= 1.0):
            raise _range_error(self, known.min(), known.max())
        passed = np.searchsorted(self._levels.astype(outputs.dtype), outputs, side="left")  # strictly below
        passed[unknown] = np.where(wanted[unknown], 0, len(self._levels))  # wrong for both targets
        places = passed + wanted * (len(self._levels) + 1)
        run([(add_decisions, (places.astype(np.int64), weights, np.asarray(self._state).reshape(-1)))])

    def step_nodes(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None) -> StepNodes:
        """Return the node that counts decisions, and the one that stops a step with wrong predictions."""
        given = floating(y_pred)
        outputs = self.probabilities(given)
        assert isinstance(outputs, Tensor)  # as `y_pred` is one
        _check_shapes(self, y_true.shape, outputs.shape)
        weights = () if sample_weight is None else (sample_weight,)
        guards = [sink(ProbabilityGuard(self.class_id), outputs, *weights, self._outside)]
        count = CountDecisions(self._levels, self.class_id)
        return StepNodes(
            [sink(count, y_true, outputs, *weights, self._state)], guards if outputs is given else []
        )

    def stop_error(self) -> DataError | None:
        """Return the error for predictions outside [0, 1] that have just stopped a step."""
        lowest, highest = self._outside.tolist()
        self._outside[:] = np.nan
        return None if np.isnan(lowest) else _range_error(self, lowest, highest)

    def _number(self, values: Array) -> float | Array:
        return float(values[0]) if len(values) == 1 else np.array(values)


class _Count(ConfusionMetric):
    """One of the four counts."""

    target: int
    decision: int

    def __init__(
        self, thresholds: Thresholds = None, name: str | None = None, dtype: DTypeLike | None = None
    ) -> None:
        self.thresholds = thresholds
        super().__init__(_as_thresholds(thresholds), name, dtype)

    def result(self) -> float | Array:
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
    direction = "down"


class FalseNegatives(_Count):
    """Count the targets 1 whose prediction is not above the threshold; arguments as `TruePositives`.

    Example:
        >>> FalseNegatives()([0, 1, 1], [0.9, 0.8, 0.1])
        1.0
    """

    target, decision = 1, 0
    direction = "down"


def share(part: Array, whole: Array) -> Array:
    """Return part / whole; 0 where the whole is 0."""
    shares: Array = np.divide(part, whole, out=np.zeros_like(np.asarray(part)), where=np.asarray(whole) != 0)
    return shares


class _Ratio(ConfusionMetric):
    """True positives over another count."""

    def __init__(
        self,
        thresholds: Thresholds = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.thresholds, self.class_id = thresholds, class_id
        super().__init__(_as_thresholds(thresholds), name, dtype)


class Precision(_Ratio):
    """Compute the share of the positive decisions that are right.

    Args:
        thresholds: A number in [0, 1] or a list of them; 0.5 by default.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> Precision()([0, 1, 1], [0.9, 0.8, 0.1])
        0.5
    """

    def result(self) -> float | Array:
        """Return TP / (TP + FP), 0 without positive decisions; an array for several thresholds."""
        return self._number(share(self.counts[1, 1], self.counts[1, 1] + self.counts[0, 1]))


class Recall(_Ratio):
    """Compute the share of the targets 1 that are found.

    Args:
        thresholds: A number in [0, 1] or a list of them; 0.5 by default.
        class_id: The only column of the output to look at, or None for all.
        name: As for `Metric`.
        dtype: As for `Metric`.

    Example:
        >>> Recall()([0, 1, 1], [0.9, 0.8, 0.1])
        0.5
    """

    def result(self) -> float | Array:
        """Return TP / (TP + FN), 0 without targets 1; an array for several thresholds."""
        return self._number(share(self.counts[1, 1], self.counts[1, 1] + self.counts[1, 0]))


class AUC(ConfusionMetric):
    """Compute the area under the ROC or the precision-recall curve, from counts at many thresholds.

    Between thresholds the ROC curve is linear, and the precision-recall curve follows Davis and Goadrich,
    "The relationship between precision-recall and ROC curves", 2006.

    Args:
        num_thresholds: Number of thresholds, at least 2, evenly spaced; more is more exact.
        curve: ``'ROC'`` or ``'PR'``.
        name: As for `Metric`.
        dtype: As for `Metric`.
        from_logits: Whether the outputs are logits, which a sigmoid converts to probabilities.

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
        dtype: DTypeLike | None = None,
        from_logits: bool = False,
    ) -> None:
        if num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2, got {num_thresholds!r}")
        if curve not in ("ROC", "PR"):
            raise ValueError(f"curve must be 'ROC' or 'PR', got {curve!r}")
        reserve(64 * num_thresholds, f"num_thresholds={num_thresholds}")
        levels = np.linspace(0.0, 1.0, num_thresholds)
        levels[0], levels[-1] = -1e-7, 1.0 + 1e-7  # so that the ends accept all and none
        super().__init__(list(levels), name, dtype)
        self.num_thresholds, self.curve, self.from_logits = num_thresholds, curve, bool(from_logits)

    def probabilities(self, y_pred: Value) -> Value:
        """Return the predictions, or the sigmoid of logits."""
        if not self.from_logits:
            return y_pred
        if y_pred.dtype == np.float16:  # no kernel computes in half precision
            return np.asarray(ops.sigmoid(np.asarray(y_pred, np.float32))).astype(np.float16)
        return ops.sigmoid(y_pred)

    def result(self) -> float:
        """Return the area, 0 where one kind of target is missing."""
        return self._area_pr() if self.curve == "PR" else self._area_roc()

    def _area_roc(self) -> float:
        (tn, fp), (fn, tp) = self.counts
        hits, alarms = share(tp, tp + fn), share(fp, fp + tn)
        return float(np.sum((alarms[:-1] - alarms[1:]) * (hits[:-1] + hits[1:]) / 2.0))

    def _area_pr(self) -> float:
        (_, fp), (fn, tp) = self.counts
        found, positives = tp[:-1] - tp[1:], (tp + fp)[:-1] - (tp + fp)[1:]
        slope = share(found, np.maximum(positives, 0.0))
        intercept = tp[1:] - slope * (tp + fp)[1:]
        both = ((tp + fp)[:-1] > 0) & ((tp + fp)[1:] > 0)
        ratio = np.where(both, share((tp + fp)[:-1], np.maximum((tp + fp)[1:], 0.0)), 1.0)
        area = slope * (found + intercept * np.log(ratio))
        return float(np.sum(share(area, np.maximum((tp + fn)[1:], 0.0))))
