"""A prediction of NaN is never a hit, for any metric that counts hits, wherever it is called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import Sequential, layers, metrics

# Without compiled kernels NumPy computes them, and warns of NaN and infinity.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NAN = np.nan
N, K = 12, 4
LABELS = np.arange(N) % K
ROWS = np.eye(K, dtype="float32")[LABELS]
DEAD = np.full((N, K), NAN, "float32")

BY_CLASS = [
    (metrics.SparseCategoricalAccuracy, {}, LABELS),
    (metrics.CategoricalAccuracy, {}, ROWS),
    (metrics.SparseTopKCategoricalAccuracy, {"k": 3}, LABELS),
    (metrics.TopKCategoricalAccuracy, {"k": 3}, ROWS),
    (metrics.TopKCategoricalAccuracy, {"k": K}, ROWS),
]
BY_NUMBER = [
    metrics.BinaryAccuracy,
    metrics.Accuracy,
    *(metrics.Precision, metrics.Recall, metrics.AUC, metrics.TruePositives, metrics.TrueNegatives),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "settings", "target"), BY_CLASS)
def test_a_dead_network_has_no_hits(make: Any, settings: Any, target: Any, dtype: str) -> None:
    assert make(**settings)(target, DEAD.astype(dtype)) == 0.0


@pytest.mark.parametrize("make", BY_NUMBER)
@pytest.mark.parametrize("target", [0.0, 1.0])
def test_nor_has_a_dead_unit(make: Any, target: float) -> None:
    y = np.full((N, 1), target)
    assert make()(y, np.full((N, 1), NAN, "float32")) == 0.0


@pytest.mark.parametrize(("make", "settings", "target"), BY_CLASS)
@given(data=st.data())
def test_only_rows_of_numbers_can_be_right(make: Any, settings: Any, target: Any, data: Any) -> None:
    p = np.random.default_rng(data.draw(st.integers(0, 999))).normal(size=(N, K)).astype("float32")
    torn = data.draw(st.lists(st.tuples(st.integers(0, N - 1), st.integers(0, K - 1)), max_size=9))
    whole = make(**settings)
    whole.update_state(target, p)
    rows = sorted({row for row, _ in torn})
    gone = np.isin(np.arange(N), rows)
    for row, column in torn:
        p[row, column] = NAN
    found = make(**settings)(target, p) * N
    left = make(**settings)(target[~gone], p[~gone]) * (N - len(rows)) if len(rows) < N else 0.0
    assert found == pytest.approx(left)


@given(st.lists(st.sampled_from([0.2, 0.8, NAN]), min_size=2, max_size=12), st.integers(0, 999))
def test_nan_is_a_wrong_decision_whatever_was_right(values: list[float], seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 2, len(values))
    p = np.array(values, "float32")
    said, known = p > 0.5, ~np.isnan(p)
    counts = {
        "TruePositives": (y == 1) & said,
        "TrueNegatives": (y == 0) & known & ~said,
        "FalsePositives": (y == 0) & (said | ~known),
        "FalseNegatives": (y == 1) & ~said,
    }
    for name, right in counts.items():
        assert getattr(metrics, name)()(y, p) == right.sum()
    assert metrics.BinaryAccuracy()(y, p) == pytest.approx(float((known & (said == y)).mean()))
    assert 0.0 <= metrics.AUC()(y, p) <= 1.0
    assert 0.0 <= metrics.AUC(curve="PR")(y, p) <= 1.0


@pytest.mark.parametrize("kind", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_in_training_a_network_that_died_is_not_the_best(kind: str) -> None:
    target = LABELS * 0 if "sparse" in kind else np.eye(K)[LABELS * 0]
    model = Sequential([layers.Dense(K, activation="softmax", input_shape=(2,))])
    top = metrics.SparseTopKCategoricalAccuracy if "sparse" in kind else metrics.TopKCategoricalAccuracy
    items = ["accuracy", kind.replace("crossentropy", "accuracy"), top(k=2)]
    model.compile("sgd", kind, metrics=items, weighted_metrics=["acc"])
    model.set_weights([np.full((2, K), NAN), np.zeros(K)])
    x = np.ones((N, 2))
    for found in (model.evaluate(x, target, verbose=0), model.train_on_batch(x, target)):
        assert np.isnan(found[0])
        assert found[1:] == [0.0] * 4
    assert model.fit(x, target, verbose=0, validation_data=(x, target)).history["val_accuracy"] == [0.0]


def test_in_training_a_dead_unit_is_wrong() -> None:
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(2,))])
    items = ["accuracy", metrics.Precision(), metrics.Recall(), metrics.AUC(), metrics.TrueNegatives()]
    model.compile("sgd", "binary_crossentropy", metrics=items)
    model.set_weights([np.full((2, 1), NAN), np.zeros(1)])
    for target in (np.zeros(N), np.ones(N)):
        assert model.evaluate(np.ones((N, 2)), target, verbose=0)[1:] == [0.0] * 5
