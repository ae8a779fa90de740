"""Thresholds have the precision of the predictions, and 'accuracy' uses the threshold of its loss."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import Input, Model, Sequential, layers, losses, metrics, optimizers

Y = np.array([1.0, 0.0])


@given(
    threshold=st.floats(0.0, 1.0),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    steps=st.integers(-2, 2),
)
def test_every_metric_decides_alike(threshold: float, dtype: str, steps: int) -> None:
    border = np.dtype(dtype).type(threshold)
    prediction = border
    for _ in range(abs(steps)):
        prediction = np.nextafter(prediction, np.dtype(dtype).type(np.sign(steps) * 2))
    if not 0.0 <= prediction <= 1.0:
        return
    p = np.array([prediction, prediction])
    above = float(prediction > border)
    assert metrics.Recall(thresholds=threshold)(Y, p) == above
    assert metrics.TruePositives(threshold)(Y, p) == above
    assert metrics.FalsePositives([threshold, 1.0])(Y, p).tolist() == [above, 0.0]
    assert metrics.TrueNegatives(threshold)(Y, p) == 1 - above
    smallest = np.finfo(dtype).tiny
    if dtype != "float16" and not (0 < prediction < smallest or 0 < border < smallest):  # native: they are 0
        assert metrics.BinaryAccuracy(threshold=threshold)([1.0, 1.0], p) == above
        assert metrics.binary_accuracy(np.ones((2, 1)), p[:, None], threshold).tolist() == [above] * 2


@pytest.mark.parametrize("threshold", [i / 10 for i in range(1, 10)])
def test_in_a_model_too(threshold: float) -> None:
    """A model of one weight gives the threshold itself, in single precision."""
    model = Sequential([layers.Dense(1, input_shape=(1,), use_bias=False)])
    model.set_weights([np.array([[threshold]], "float32")])
    items = [metrics.BinaryAccuracy(threshold=threshold), metrics.Recall(thresholds=threshold)]
    model.compile("sgd", "mse", metrics=[*items, metrics.TruePositives(thresholds=np.float64(threshold))])
    assert model.evaluate(np.ones((3, 1)), np.ones(3), verbose=0)[1:] == [0.0, 0.0, 0.0]


def test_plain_numbers_have_the_precision_of_the_library() -> None:
    for made in (metrics.Recall(thresholds=0.3), metrics.BinaryAccuracy(threshold=0.3)):
        assert made([[1]], [[0.3]]) == 0.0
        assert made([[1]], [[1]]) > 0.0


def data(low: float, high: float) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(100, 3)).astype("float32")
    positive = x[:, :1] + 0.7 * rng.normal(size=(100, 1)) > 0
    return x, np.where(positive, high, low), positive


LOSSES = [
    (losses.BinaryCrossentropy(from_logits=True), 0, 1),
    (functools.partial(losses.binary_crossentropy, from_logits=True), 0, 1),
    *((loss, low, 1) for loss in ("hinge", losses.SquaredHinge(), losses.hinge) for low in (-1, 0)),
]


@pytest.mark.parametrize("word", ["accuracy", "acc"])
@pytest.mark.parametrize(("loss", "low", "high"), LOSSES)
def test_accuracy_cuts_where_the_loss_does(word: str, loss: Any, low: float, high: float) -> None:
    x, y, positive = data(low, high)
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile(optimizers.SGD(0.0), loss, metrics=[word], weighted_metrics=[word])
    model.set_weights([np.array([[0.4], [0.0], [0.1]]), np.array([0.02])])
    wanted = float(np.mean((model.predict(x, verbose=0) > 0) == positive))
    assert model.evaluate(x, y, verbose=0)[1:] == pytest.approx([wanted] * 2)
    history = model.fit(x, y, verbose=0, validation_data=(x, y)).history
    assert history[word] == history[f"val_{word}"] == pytest.approx([wanted])
    assert model.test_on_batch(x, y)[1] == pytest.approx(wanted)


def test_each_output_has_the_border_of_its_own_loss() -> None:
    x, y, positive = data(0, 1)
    inputs = Input((3,))
    model = Model(
        inputs, [layers.Dense(1, name="logit")(inputs), layers.Dense(1, "sigmoid", name="p")(inputs)]
    )
    given_losses = {"logit": losses.BinaryCrossentropy(from_logits=True), "p": "binary_crossentropy"}
    model.compile(optimizers.SGD(0.0), given_losses, metrics=["accuracy", "crossentropy"])
    model.set_weights([np.array([[0.4], [0.0], [0.1]]), np.array([0.02])] * 2)
    found = model.evaluate(x, [y, y], verbose=0, return_dict=True)
    wanted = np.mean((x @ np.array([[0.4], [0.0], [0.1]]) + 0.02 > 0) == positive)
    assert found["logit_accuracy"] == found["p_accuracy"] == pytest.approx(float(wanted))
    assert found["logit_crossentropy"] == pytest.approx(found["p_crossentropy"], rel=1e-5)
    assert found["logit_crossentropy"] == pytest.approx(found["logit_loss"], rel=1e-5)


def test_several_logits_a_sample() -> None:
    x, y = np.eye(2, dtype="float32"), np.array([[1, 0], [1, 1]])
    model = Sequential([layers.Dense(2, input_shape=(2,))])
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"])
    model.set_weights([np.array([[0.2, -3.0], [0.4, -0.1]]), np.zeros(2)])
    assert model.evaluate(x, y, verbose=0)[1] == pytest.approx(0.75)


def test_what_is_asked_for_by_another_name_is_told() -> None:
    x, y, _ = data(0, 1)
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True), metrics=["binary_accuracy"])
    with pytest.warns(UserWarning, match=r"'binary_accuracy' .* cuts the outputs at 0\.5.*write 'accuracy'"):
        model.evaluate(x, y, verbose=0)
    items = [metrics.BinaryAccuracy(threshold=0.5)]  # this is correct
    model.compile("sgd", losses.BinaryCrossentropy(from_logits=True), metrics=items)
    model.evaluate(x, y, verbose=0)
