"""Counts, precision, recall and areas against plain counting and scikit-learn."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import metrics
from streamfit._base.errors import ShapeError
from streamfit.metrics import confusion

SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def sk() -> Any:
    """Import scikit-learn's metrics only where they are used: it takes longer than the tests of this file."""
    from sklearn import metrics

    return metrics


def draw(seed: int, n: int = 40, levels: int = 10) -> tuple[Any, Any, Any]:
    """Draw predictions that often lie exactly on a threshold."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, n), rng.integers(0, levels + 1, n) / levels, rng.uniform(size=n)


def count(y: Any, p: Any, w: Any, target: int, decision: int, threshold: float) -> float:
    return float(
        sum(c for a, b, c in zip(y, p, w, strict=True) if a == target and (b > threshold) == decision)
    )


COUNTS = {
    "TruePositives": (1, 1),
    "TrueNegatives": (0, 0),
    "FalsePositives": (0, 1),
    "FalseNegatives": (1, 0),
}


@pytest.mark.parametrize(("name", "kind"), COUNTS.items())
@given(seed=SEEDS, thresholds=st.lists(st.integers(0, 10).map(lambda i: i / 10), min_size=1, max_size=4))
def test_counts(name: str, kind: tuple[int, int], seed: int, thresholds: list[float]) -> None:
    y, p, w = draw(seed)
    metric = getattr(metrics, name)(thresholds)
    metric.update_state(y[:13], p[:13], w[:13])
    metric.update_state(y[13:], p[13:], w[13:])
    wanted = [count(y, p, w, *kind, threshold) for threshold in thresholds]
    np.testing.assert_allclose(metric.result(), wanted if len(wanted) > 1 else wanted[0])


@given(seed=SEEDS)
def test_precision_and_recall_are_those_of_scikit_learn(sk: Any, seed: int) -> None:
    y, p, w = draw(seed)
    decisions = p > 0.5
    wanted = sk.precision_score(y, decisions, sample_weight=w, zero_division=0)
    assert metrics.Precision()(y, p, w) == pytest.approx(wanted)
    wanted = sk.recall_score(y, decisions, sample_weight=w, zero_division=0)
    assert metrics.Recall()(y, p, w) == pytest.approx(wanted)


@given(seed=SEEDS, weighted=st.booleans())
def test_area_under_roc_is_that_of_scikit_learn(sk: Any, seed: int, weighted: bool) -> None:
    """Predictions are whole tenths, so that 200 thresholds are exact."""
    y, p, w = draw(seed)
    y[:2] = 0, 1
    weights = w if weighted else None
    metric = metrics.AUC()
    metric.update_state(y[:9], p[:9], None if weights is None else weights[:9])
    metric.update_state(y[9:], p[9:], None if weights is None else weights[9:])
    assert metric.result() == pytest.approx(sk.roc_auc_score(y, p, sample_weight=weights))


def test_area_under_precision_recall_lies_between_the_sums_of_its_corners(sk: Any) -> None:
    y, p, _ = draw(3, n=2000, levels=50)
    found = metrics.AUC(curve="PR")(y, p)
    precision, recall, _ = sk.precision_recall_curve(y, p)
    assert found == pytest.approx(sk.auc(recall, precision), abs=0.01)


def test_perfect_and_useless_predictions() -> None:
    y = np.array([0, 0, 1, 1])
    for curve in ("ROC", "PR"):
        assert metrics.AUC(curve=curve)(y, [0.0, 0.0, 1.0, 1.0]) == pytest.approx(1.0)
    assert metrics.AUC()(y, [1.0, 1.0, 0.0, 0.0]) == 0.0
    assert metrics.AUC()(y, [0.5] * 4) == 0.5
    assert metrics.AUC()([1, 1], [0.3, 0.6]) == 0.0


def test_area_of_logits() -> None:
    y, p, _ = draw(4)
    p = np.clip(p, 0.01, 0.99)
    logits = np.log(p / (1 - p))
    assert metrics.AUC(from_logits=True)(y, logits) == pytest.approx(metrics.AUC()(y, p))


def test_nothing_is_divided_by_zero() -> None:
    assert metrics.Precision()([1, 0], [0.1, 0.1]) == 0.0
    assert metrics.Recall()([0, 0], [0.9, 0.1]) == 0.0
    assert metrics.AUC().result() == 0.0


def test_one_column_alone() -> None:
    y, p = [[1, 0], [0, 1]], [[0.9, 0.9], [0.9, 0.9]]
    assert metrics.Precision(class_id=1)(y, p) == 0.5
    assert metrics.Recall(class_id=0)([[1, 0], [1, 1]], [[0.9, 0.0], [0.1, 0.0]]) == 0.5


def test_flat_targets_and_weights_for_a_column_of_predictions() -> None:
    metric = metrics.TruePositives()
    metric.update_state([1, 1], [[0.9], [0.9]], [0.5, 0.25])
    assert metric.result() == 0.75


def test_wrong_data_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"needs targets of the shape of the predictions \(2, 3\)"):
        metrics.Precision()(np.zeros(2), np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"sample weights of shape \(3,\) do not fit"):
        metrics.Precision()([0, 1], [0.0, 1.0], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"got predictions from -3 to 1; end the model with a sigmoid"):
        metrics.Recall()([0, 1], [-3.0, 1.0])


def test_a_prediction_of_nan_is_a_wrong_decision_at_every_threshold() -> None:
    y, p = [0, 1, 0, 1], [np.nan, np.nan, 0.1, 0.9]
    found = {name: getattr(metrics, name)([0.0, 0.5])(y, p).tolist() for name in COUNTS}
    assert found["FalseNegatives"] == [1.0, 1.0]
    assert found["FalsePositives"] == [2.0, 1.0]
    assert found["TruePositives"] == [1.0, 1.0]
    assert found["TrueNegatives"] == [0.0, 1.0]
    for curve in ("ROC", "PR"):
        assert metrics.AUC(curve=curve)([0, 1], [np.nan, np.nan]) == 0.0
        assert metrics.AUC(curve=curve)(y, p) < metrics.AUC(curve=curve)([0, 1], [0.1, 0.9])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Precision(1.5), r"thresholds must be numbers in \[0, 1\], got 1\.5"),
        (lambda: metrics.TruePositives([]), r"thresholds must be numbers in \[0, 1\], got \[\]"),
        (lambda: metrics.AUC(1), "num_thresholds must be at least 2, got 1"),
        (lambda: metrics.AUC(curve="roc"), "curve must be 'ROC' or 'PR', got 'roc'"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


CLASSES = [
    cls
    for name, cls in vars(confusion).items()
    if inspect.isclass(cls) and name in metrics.__all__ and issubclass(cls, confusion.ConfusionMetric)
]


@pytest.mark.parametrize("cls", CLASSES)
def test_description_and_copy(cls: Any) -> None:
    y, p, w = draw(5)
    metric = cls()
    again = metrics.get({"class_name": cls.__name__, "config": metric.get_config()})
    assert again is not None
    assert again(y, p, w) == metric(y, p, w)
    other = metric.clone()
    other.reset_state()
    assert other.result() == 0.0
    assert metric.result() > 0.0


def test_all_of_them_are_public() -> None:
    assert len(CLASSES) == 7
