"""class_weight needs one class for each sample, and names a row that has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import Sequential, layers, optimizers

X = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")
WEIGHTS = {0: 1.0, 1: 10.0, 2: 0.5}


def loss_of(y: Any, loss: Any, units: int, how: str = "fit", **settings: Any) -> float:
    activation = "softmax" if "categorical" in loss else "sigmoid"
    model = Sequential([layers.Dense(units, activation, input_shape=(2,), kernel_initializer="zeros")])
    model.compile(optimizers.SGD(0.0), loss)
    if how == "fit":
        return float(model.fit(X, y, verbose=0, shuffle=False, **settings).history["loss"][0])
    if how == "generator":
        found = model.fit_generator(iter([(X[:3], y[:3]), (X[3:], y[3:])]), 2, verbose=0, **settings)
        return float(found.history["loss"][0])
    return float(model.train_on_batch(X, y, **settings))


LABELS = np.array([0, 1, 2, 1, 0, 0])
FACTOR = np.array([WEIGHTS[label] for label in LABELS.tolist()]).mean()


@pytest.mark.parametrize("how", ["fit", "generator", "train_on_batch"])
@pytest.mark.parametrize(
    ("y", "loss"),
    [
        (LABELS, "sparse_categorical_crossentropy"),
        (LABELS[:, None].astype("float32"), "sparse_categorical_crossentropy"),
        (LABELS.astype("uint8"), "sparse_categorical_crossentropy"),
        (np.eye(3)[LABELS], "categorical_crossentropy"),
        (np.eye(3, dtype=bool)[LABELS], "categorical_crossentropy"),
    ],
)
def test_classes_in_any_of_their_forms(y: Any, loss: str, how: str) -> None:
    found = loss_of(y, loss, 3, how, class_weight=WEIGHTS)
    assert found == pytest.approx(np.log(3) * FACTOR, rel=1e-5)


def test_signs_are_classes() -> None:
    y = np.array([-1, 1, 1, -1, 1, 1])
    found = loss_of(y, "hinge", 1, class_weight={-1: 3.0, 1: 1.0})
    assert found == pytest.approx((2 * 3.0 * 1.5 + 4 * 0.5) / 6)


def rows(row: int, value: Any) -> Any:
    y = np.eye(3)[LABELS]
    y[row] = value
    return y


@pytest.mark.parametrize("how", ["fit", "train_on_batch"])
@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy", "mse"])
@pytest.mark.parametrize(
    ("y", "shown"),
    [
        (rows(2, [1, 1, 0]), r"row 2 .*\[1\.0, 1\.0, 0\.0\]"),
        (rows(0, [0, 0, 0]), r"row 0 .*\[0\.0, 0\.0, 0\.0\]"),
        (rows(5, [0.7, 0.2, 0.1]), r"row 5 .*\[0\.7, 0\.2, 0\.1\]"),
        (rows(1, [0, 2, 0]), r"row 1 .*\[0\.0, 2\.0, 0\.0\]"),
        (rows(3, [0, np.nan, 1]), r"row 3 .*\[0\.0, nan, 1\.0\]"),
        (rows(3, [-1, 1, 0]), r"row 3 .*\[-1\.0, 1\.0, 0\.0\]"),
    ],
)
def test_rows_that_are_not_one_class_are_refused(y: Any, shown: str, loss: str, how: str) -> None:
    with pytest.raises(ValueError, match=rf"not one-hot: .*{shown}") as error:
        loss_of(y, loss, 3, how, class_weight=WEIGHTS)
    assert "class_weight" in str(error.value)
    assert "sample_weight" in str(error.value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, without compiled kernels
@pytest.mark.parametrize("value", [0.5, -0.25, 1e9 + 0.5, np.nan, np.inf])
def test_numbers_that_are_no_classes_are_refused(value: float) -> None:
    y = LABELS.astype("float64")
    y[4] = value
    with pytest.raises(ValueError, match=r"row 4 of the targets .*classes are whole numbers") as error:
        loss_of(y, "mse", 1, class_weight=WEIGHTS)
    assert str(value) in str(error.value)
    assert "sample_weight" in str(error.value)
    weights = np.ones(6)
    weights[4] = 0
    assert np.isfinite(loss_of(y, "mse", 1, class_weight=WEIGHTS, sample_weight=weights))


def test_a_class_without_a_weight_is_still_refused() -> None:
    with pytest.raises(ValueError, match=r"must contain all classes.*\{2\} exist"):
        loss_of(LABELS, "sparse_categorical_crossentropy", 3, class_weight={0: 1.0, 1: 2.0})
