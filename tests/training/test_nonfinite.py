"""The error of a step that was stopped: losses, gradients, samples, causes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from streamfit import Input, Model, NonFiniteError, Sequential, layers
from streamfit.callbacks import TerminateOnNaN
from streamfit.streams import Batch
from streamfit.training.nonfinite import unusable_data, weight_paths

RAISING = TerminateOnNaN(raise_error=True, before_update=True)


def found(model: Any, *data: Any, **options: Any) -> NonFiniteError:
    with pytest.raises(NonFiniteError) as caught:
        model.fit(*data, shuffle=False, verbose=0, callbacks=[RAISING], **options)
    return caught.value


def single(name: str = "dense", **options: Any) -> Sequential:
    model = Sequential([layers.Dense(1, input_shape=(2,), name=name, **options)])
    model.compile("sgd", "mse")
    return model


def test_data_that_are_no_numbers() -> None:
    x, y = np.ones((6, 2)), np.ones((6, 1))
    x[4, 0], y[5, 0] = np.nan, np.inf
    error = found(single(), x, y, batch_size=3)
    assert (error.epoch, error.batch, error.ids.tolist()) == (0, 1, [3, 4, 5])
    assert error.weights == ["dense/kernel", "dense/bias"]
    assert error.data == ["x", "y"]
    text = str(error)
    assert "loss is nan" in text
    assert "the gradient of dense/kernel, dense/bias holds NaN or Inf" in text
    assert "x holds NaN or Inf in samples 4; y holds NaN or Inf in samples 5" in text
    assert "(source 'training data', pass 0, batch 1, samples 3, 4, 5)" in text
    assert "Fix these samples" in text


def test_sample_weights_that_are_no_numbers() -> None:
    error = found(single(), np.ones((2, 2)), np.zeros((2, 1)), sample_weight=np.array([1.0, np.nan]))
    assert error.data == ["sample_weight"]
    assert "sample_weight holds NaN or Inf in samples 1" in str(error)


def test_data_too_large_for_the_dtype_of_the_model() -> None:
    x = np.ones((3, 2))
    x[2, 0] = 1e60
    with pytest.warns(RuntimeWarning, match="overflow encountered in cast"):
        error = found(single(), x, np.ones((3, 1)))
    assert "x holds NaN or Inf in samples 2" in str(error)


def test_an_infinite_gradient_of_a_finite_loss() -> None:
    model = single(kernel_initializer="zeros")
    error = found(model, np.full((1, 2), 1e30), np.full((1, 1), 1e10))
    assert error.loss == pytest.approx(1e20)
    assert error.weights == ["dense/kernel"]
    assert error.data == []
    assert "loss is" not in str(error)
    assert "the data of the batch and the weights are finite" in str(error)
    assert "Lower the learning rate" in str(error)


def test_an_infinite_loss_of_a_finite_gradient() -> None:
    error = found(single(), np.ones((1, 2)), np.full((1, 1), 1e25))
    assert error.loss == np.inf
    assert error.weights == []
    assert str(error).startswith("loss is inf; the data")


def test_weights_that_were_no_numbers_before() -> None:
    model = single()
    model.set_weights([np.array([[np.inf], [1.0]]), np.zeros(1)])
    error = found(model, np.ones((1, 2)), np.ones((1, 1)))
    assert "the weights dense/kernel held NaN or Inf before this batch" in str(error)
    assert "Go back to weights that are finite" in str(error)


def test_losses_of_several_outputs_are_named() -> None:
    x = Input((2,), name="x")
    model = Model(x, [layers.Dense(1, name="good")(x), layers.Dense(1, name="bad")(x)])
    model.compile("sgd", "mse")
    error = found(model, np.ones((2, 2)), {"good": np.ones((2, 1)), "bad": np.full((2, 1), np.nan)})
    assert str(error).startswith("loss is nan; bad_loss is nan; the gradient of bad/kernel, bad/bias holds")
    assert error.weights == ["bad/kernel", "bad/bias"]
    assert error.data == ["y"]


def test_paths_lead_through_nested_models() -> None:
    inner = Sequential([layers.Dense(2, input_shape=(2,), name="deep")], name="inner")
    shared = layers.Dense(2, name="shared")
    x = Input((2,))
    model = Model(x, shared(inner(shared(x))))
    assert {path for path, _ in weight_paths(model)} == {
        "shared/kernel", "shared/bias", "inner/deep/kernel", "inner/deep/bias",
    }  # fmt: skip


def test_samples_without_ids_are_rows() -> None:
    bad = np.array([[1.0], [np.nan], [np.inf]])
    assert unusable_data(Batch(bad, ids=7), []) == {"x": "rows 1, 2 of the batch"}
    assert unusable_data(Batch({"a": bad, "b": bad[::-1]}, [None, -bad], ids=None), []) == {
        "x": "rows 0, 1, 2 of the batch",
        "y": "rows 1, 2 of the batch",
    }
    assert unusable_data(Batch(np.arange(3), ids=np.arange(3)), []) == {}


def test_long_lists_are_cut() -> None:
    (text,) = unusable_data(Batch(np.full((20, 1), np.nan), ids=np.arange(100, 120)), []).values()
    assert text == "samples 100, 101, 102, 103, 104, 105, 106, 107, ..."


def test_the_error_travels() -> None:
    error = found(single(), np.full((2, 2), np.nan), np.ones((2, 1)))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.batch, again.weights) == (str(error), error.batch, error.weights)
    assert isinstance(again, RuntimeError)
