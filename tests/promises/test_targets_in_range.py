"""Targets outside the range of a loss give one warning per run, with a value and with what to write."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import streamfit as sf
from streamfit import Input, Model, Sequential, layers, losses, optimizers

N = 40
HALF = (np.arange(N) % 2).astype("float64")
ROWS = np.eye(3)[np.arange(N) % 3]


def late(target: Any, value: Any) -> Any:
    changed = np.array(target, dtype="float64")
    changed[33] = value
    return changed


def network(loss: Any, units: int = 1, activation: Any = "sigmoid") -> Sequential:
    model = Sequential([layers.Dense(units, activation, input_shape=(2,))])
    model.compile(optimizers.SGD(0.0), loss)
    return model


def heard(run: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(warning.message) for warning in caught]


def warnings_of(loss: Any, y: Any, how: str = "fit", weights: Any = None) -> list[str]:
    model = network(loss, 3 if np.ndim(y) > 1 else 1)
    x = np.zeros((N, 2))
    if how == "fit":
        return heard(lambda: model.fit(x, y, 8, epochs=3, verbose=0, sample_weight=weights, shuffle=False))
    if how == "evaluate":
        return heard(lambda: model.evaluate(x, y, 8, verbose=0, sample_weight=weights))
    if how == "generator":
        batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, N, 8)]
        return heard(lambda: model.fit_generator(iter(batches), 5, verbose=0))
    return heard(lambda: model.train_on_batch(x, y, sample_weight=weights))


GOOD = [
    ("binary_crossentropy", HALF),
    ("binary_crossentropy", HALF.astype(bool)),
    ("binary_crossentropy", np.linspace(0, 1, N)),
    ("binary_crossentropy", late(HALF, 1.000001)),
    ("binary_crossentropy", np.repeat(HALF[:, None], 3, 1)),
    (losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), HALF),
    ("categorical_crossentropy", ROWS),
    ("categorical_crossentropy", ROWS * 0.7 + 0.1),
    ("categorical_crossentropy", (ROWS * 0.7 + 0.1).astype("float16").astype("float32")),
    *(("hinge", target) for target in (HALF, 2 * HALF - 1)),
    ("squared_hinge", 2 * HALF - 1),
    ("categorical_hinge", ROWS),
    ("poisson", np.arange(N)),
    ("msle", np.arange(N) * 0.5),
    *((loss, late(HALF, -5.0)) for loss in ("mse", "mae", "huber", "log_cosh", "mape")),
    ("cosine_similarity", ROWS * 9),
]


@pytest.mark.parametrize(("loss", "y"), GOOD)
def test_right_targets_are_met_with_silence(loss: Any, y: Any) -> None:
    for how in ("fit", "evaluate"):
        assert warnings_of(loss, y, how) == []


BAD = [
    ("binary_crossentropy", 2 * HALF - 1, "hold -1,.*0 to 1.*(y + 1) / 2"),
    ("binary_crossentropy", np.arange(N) % 3, "hold 2,.*sparse_categorical_crossentropy"),
    ("bce", late(HALF, 255), "hold 255,"),
    (losses.BinaryCrossentropy(from_logits=True), late(HALF, -0.25), "hold -0.25,"),
    (
        "categorical_crossentropy",
        late(ROWS, [1, 1, 0]),
        "a row of the targets adds up to 2,.*binary_crossentropy",
    ),
    ("categorical_crossentropy", late(ROWS, [0, 0, 0]), "adds up to 0,"),
    ("kld", late(ROWS, [0.5, 0.5, 0.5]), "adds up to 1.5,"),
    ("categorical_hinge", ROWS * 2 - 1, "hold -1,"),
    ("hinge", np.arange(N) % 3, "hold 2,.*labels -1 and 1"),
    ("squared_hinge", late(HALF, 0.5), "hold 0.5,"),
    ("poisson", late(HALF, -3), "hold -3,.*counts"),
    ("msle", late(HALF, -1.5), "hold -1.5,"),
]


@pytest.mark.parametrize("how", ["fit", "evaluate", "generator", "train_on_batch"])
@pytest.mark.parametrize(("loss", "y", "words"), BAD)
def test_wrong_targets_are_told_once_wherever_they_come(loss: Any, y: Any, words: str, how: str) -> None:
    (text,) = warnings_of(loss, y, how)
    assert text.startswith(f"loss {losses.get(loss).name!r} of output ")  # type: ignore[union-attr]
    for part in words.split(".*"):
        assert part in text


def test_what_weighs_nothing_may_be_anything() -> None:
    y = late(HALF, 7)
    assert warnings_of("binary_crossentropy", y, weights=(y != 7) * 1.0) == []
    assert warnings_of("binary_crossentropy", y, weights=(y != 0) * 1.0) != []
    rows = late(ROWS, [1, 1, 1])
    assert warnings_of("categorical_crossentropy", rows, weights=(rows.sum(1) == 1) * 1.0) == []


def test_each_run_tells_anew_and_once_with_its_validation() -> None:
    model, x, y = network("poisson"), np.zeros((N, 2)), late(HALF, -3)
    for _ in range(2):
        assert len(heard(lambda: model.fit(x, y, verbose=0, epochs=3, validation_data=(x, y)))) == 1
    assert "validation data" in heard(lambda: model.fit(x, HALF, verbose=0, validation_data=(x, y)))[0]


def test_outputs_are_told_apart() -> None:
    inputs = Input((2,))
    model = Model(inputs, [layers.Dense(1, "sigmoid", name=name)(inputs) for name in ("a", "b")])
    model.compile("sgd", "binary_crossentropy")
    (text,) = heard(lambda: model.fit(np.zeros((N, 2)), [HALF, HALF * 3], verbose=0))
    assert "of output 'b': the targets hold 3" in text


def test_training_goes_on_with_the_same_bits() -> None:
    def run(y: Any) -> Any:
        sf.set_random_seed(1)
        model = Sequential([layers.Dense(1, "sigmoid", input_shape=(2,))])
        model.compile("sgd", "mse")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.compile("sgd", "binary_crossentropy")
            model.fit(np.ones((N, 2)), y, 8, epochs=2, verbose=0, seed=2)
        return [weight.tolist() for weight in model.get_weights()]

    assert run(late(HALF, 3)) == run(late(HALF, 3))
    assert run(late(HALF, 3)) != run(HALF)


@pytest.mark.parametrize(
    "last",
    [
        [layers.Dense(1, "softmax", input_shape=(2,))],
        [layers.Dense(1, input_shape=(2,)), layers.Activation("softmax")],
        [layers.Dense(1, "log_softmax", input_shape=(2,))],
        [layers.Dense(1, "softmax", input_shape=(2,)), layers.Dense(1, "sigmoid")],
    ],
)
def test_a_softmax_over_one_unit_is_told(last: Any) -> None:
    model = Sequential(last)
    model.compile("sgd", "mse")
    texts = heard(lambda: model.fit(np.zeros((4, 2)), np.ones(4), epochs=2, verbose=0, validation_split=0.5))
    assert len(texts) == 1
    assert "softmax over one unit" in texts[0]
    assert "activation='sigmoid'" in texts[0]


def test_classes_of_one_unit_are_told_and_those_of_two_are_not() -> None:
    texts = heard(lambda: network("categorical_crossentropy").fit(np.zeros((4, 2)), np.ones(4), verbose=0))
    assert "the output has one unit" in texts[0]
    two = network("categorical_crossentropy", 2, "softmax")
    assert heard(lambda: two.fit(np.zeros((4, 2)), np.eye(2)[[0, 1, 1, 0]], verbose=0)) == []
