"""Shares of right decisions at the best threshold that is good enough, against a search by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import Sequential, layers, metrics

Shares = tuple[float, float]


def ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


KINDS: dict[str, Any] = {
    "SensitivityAtSpecificity": lambda tp, fp, tn, fn: (ratio(tn, tn + fp), ratio(tp, tp + fn)),
    "SpecificityAtSensitivity": lambda tp, fp, tn, fn: (ratio(tp, tp + fn), ratio(tn, tn + fp)),
    "PrecisionAtRecall": lambda tp, fp, tn, fn: (ratio(tp, tp + fn), ratio(tp, tp + fp)),
    "RecallAtPrecision": lambda tp, fp, tn, fn: (ratio(tp, tp + fp), ratio(tp, tp + fn)),
}


def best(name: str, least: float, thresholds: list[float], y: Any, p: Any, w: Any) -> float:
    found = [0.0]
    for threshold in thresholds:
        said = p > threshold
        cells = [
            w[(y == target) & (said == decision)].sum()
            for target, decision in ((1, 1), (0, 1), (0, 0), (1, 0))
        ]
        required, wanted = KINDS[name](*map(float, cells))
        if required >= least:
            found.append(wanted)
    return max(found)


@pytest.mark.parametrize("name", KINDS)
@given(
    seed=st.integers(0, 9999),
    least=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
    count=st.sampled_from([1, 2, 5, 11]),
    weighted=st.booleans(),
)
def test_the_best_threshold(name: str, seed: int, least: float, count: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 2, 20), rng.integers(0, 11, 20) / 10
    w = rng.integers(0, 3, 20) / 2 if weighted else np.ones(20)
    thresholds = [0.5] if count == 1 else [i / (count - 1) for i in range(count)]
    metric = getattr(metrics, name)(least, num_thresholds=count)
    found = metric(y, p, w if weighted else None)
    assert found == pytest.approx(best(name, least, thresholds, y, p, w))


@pytest.mark.parametrize("name", KINDS)
def test_in_a_model_by_description_and_for_one_class(name: str) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 3)), np.eye(2)[rng.integers(0, 2, 40)]
    metric = getattr(metrics, name)(0.5, class_id=1)
    again = metrics.get({"class_name": name, "config": metric.get_config()})
    model = Sequential([layers.Dense(2, "softmax", input_shape=(3,))])
    model.compile("sgd", "categorical_crossentropy", metrics=[metric])
    found = model.evaluate(x, y, 7, verbose=0)[1]
    assert metric.traced
    assert again is not None
    assert found == again(y, model.predict(x, verbose=0))
    assert metrics.direction(metric) == "up"
    assert 0.0 < found <= 1.0


@pytest.mark.parametrize("name", KINDS)
def test_wrong_arguments_are_refused(name: str) -> None:
    make = getattr(metrics, name)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 1\.5"):
        make(1.5)
    with pytest.raises(ValueError, match="num_thresholds must be at least 1, got 0"):
        make(0.5, 0)
    with pytest.raises(TypeError, match="must be a number, got 'half'"):
        make("half")
    assert make(0.5).result() == 0.0
