"""Metrics by name, and the meaning of 'accuracy'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import losses, metrics
from streamfit._base.errors import UnknownNameError
from streamfit._base.specs import Spec

NAMES = {
    "mae": "MeanAbsoluteError",
    "MSE": "MeanSquaredError",
    "mean_squared_error": "MeanSquaredError",
    "rmse": "RootMeanSquaredError",
    "binary_accuracy": "BinaryAccuracy",
    "categorical_accuracy": "CategoricalAccuracy",
    "sparse_categorical_accuracy": "SparseCategoricalAccuracy",
    "top_k_categorical_accuracy": "TopKCategoricalAccuracy",
    "sparse_top_k_categorical_accuracy": "SparseTopKCategoricalAccuracy",
    "binary_crossentropy": "BinaryCrossentropy",
    "kullback_leibler_divergence": "KLDivergence",
    "logcosh": "LogCoshError",
    "AUC": "AUC",
    "auc": "AUC",
    "Precision": "Precision",
    "true_positives": "TruePositives",
    "huber": "FunctionMetric",
}


@pytest.mark.parametrize(("name", "wanted"), NAMES.items())
def test_names_are_found_and_kept(name: str, wanted: str) -> None:
    metrics.check_name(name)
    found = metrics.get(name)
    assert found is not None
    assert type(found).__name__ == wanted
    assert found.name == name == metrics.label(name)


def test_two_calls_give_two_metrics() -> None:
    assert metrics.get("mae") is not metrics.get("mae")


def test_loss_that_is_no_metric_is_averaged() -> None:
    huber = metrics.get("huber")
    assert huber is not None
    assert huber([[0.0]], [[3.0]]) == 2.5


@pytest.mark.parametrize("name", ["accuracy", "acc", "Accuracy", "crossentropy", "ce"])
def test_words_that_need_shapes_are_names(name: str) -> None:
    metrics.check_name(name)


def test_unknown_names_get_a_hint() -> None:
    for use in (metrics.check_name, metrics.get):
        with pytest.raises(
            UnknownNameError, match=r"Unknown metric function: 'binary_acuracy'\. Did you mean"
        ):
            use("binary_acuracy")


def test_things_that_are_no_metric_are_refused() -> None:
    with pytest.raises(TypeError, match="metric function must be a name, an instance, a class or a function"):
        metrics.get(3)
    with pytest.raises(
        TypeError, match="a metric must be a name, a function, a class or an instance, got None"
    ):
        metrics.make(None, None, np.zeros((1, 1)), np.zeros((1, 1)))
    assert metrics.get(None) is None


def test_labels() -> None:
    def mine(y: Any, p: Any) -> Any:
        return p

    assert metrics.label(mine) == "mine"
    assert metrics.label(metrics.AUC) == "auc"
    assert metrics.label(metrics.AUC(name="area")) == "area"
    assert metrics.label(losses.MeanSquaredError()) == "mean_squared_error"


def test_functions_and_classes_and_instances_are_taken() -> None:
    def mine(y: Any, p: Any) -> Any:
        return p - y

    made = metrics.make(mine, None, np.zeros((2, 1)), np.zeros((2, 1)))
    assert made([[1.0]], [[3.0]]) == 2.0
    assert made.name == "mine"
    known = metrics.get(metrics.binary_accuracy)
    assert isinstance(known, metrics.BinaryAccuracy)
    assert isinstance(metrics.get(metrics.Recall), metrics.Recall)
    recall = metrics.Recall()
    assert metrics.get(recall) is recall


def named(name: str) -> Any:
    return losses.get(name)


BINARY, SPARSE, CATEGORICAL = "Binary", "SparseCategorical", "Categorical"


@pytest.mark.parametrize(
    ("loss", "target", "output", "wanted"),
    [
        ("binary_crossentropy", (None, 1), (None, 1), BINARY),
        ("binary_crossentropy", (None, 4), (None, 4), BINARY),
        ("mse", (None, 1), (None, 1), BINARY),
        ("mse", (None,), (None, 1), BINARY),
        ("sparse_categorical_crossentropy", (None,), (None, 4), SPARSE),
        ("sparse_categorical_crossentropy", (None, 1), (None, 4), SPARSE),
        ("sparse_categorical_crossentropy", (None, 7), (None, 7, 4), SPARSE),
        ("categorical_crossentropy", (None, 4), (None, 4), CATEGORICAL),
        ("mse", (None, 4), (None, 4), CATEGORICAL),
        ("mse", (None, 1), (None, 4), SPARSE),
        (None, (None,), (None, 4), SPARSE),
        (None, (None, 7, 4), (None, 7, 4), CATEGORICAL),
        (None, (None,), (None,), BINARY),
    ],
)
def test_accuracy_and_crossentropy_by_loss_then_shapes(
    loss: Any, target: Any, output: Any, wanted: str
) -> None:
    of_loss = named(loss) if loss else None
    assert metrics.resolve_accuracy(of_loss, target, output).__name__ == f"{wanted}Accuracy"
    assert metrics.resolve_crossentropy(of_loss, target, output).__name__ == f"{wanted}Crossentropy"
    float32 = np.dtype("float32")
    for word, kind in (("accuracy", "Accuracy"), ("acc", "Accuracy"), ("ce", "Crossentropy")):
        made = metrics.make(word, of_loss, Spec(target, float32), Spec(output, float32))
        assert (type(made).__name__, made.name) == (f"{wanted}{kind}", word)


def test_losses_with_settings_decide_too() -> None:
    loss = losses.BinaryCrossentropy(from_logits=True)
    assert metrics.resolve_accuracy(loss, (None, 3), (None, 3)) is metrics.BinaryAccuracy
