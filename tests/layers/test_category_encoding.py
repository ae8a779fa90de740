"""CategoryEncoding: weights, numbers outside, and where it may stand in a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequential, ShapeError, layers

X = np.array([[0, 1, 0], [3, 3, 3]])
WEIGHTS = np.array([[0.5, 1.0, 2.0], [1.0, 1.0, 0.25]])
WEIGHED = [[2.5, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.25]]


def test_weights_of_counts_on_arrays_and_in_graphs() -> None:
    layer = layers.CategoryEncoding(4, output_mode="count")
    assert layer(X, count_weights=WEIGHTS).tolist() == WEIGHED
    assert layer(X, count_weights=WEIGHTS.tolist()).tolist() == WEIGHED
    ids, weights = Input((3,), dtype="int64"), Input((3,))
    for out in (layer(ids, count_weights=weights), layer(ids, weights)):
        assert Model([ids, weights], out).predict([X, WEIGHTS], verbose=0).tolist() == WEIGHED
    assert layer(np.array([1, 2]), count_weights=np.array([2.0, 3.0])).tolist() == [
        [0, 2, 0, 0],
        [0, 0, 3, 0],
    ]


class Weighing(Model):
    """A model of a class of its own, which shows its inputs with the first data."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = layers.CategoryEncoding(4, output_mode="count")

    def call(self, inputs: Any) -> Any:
        """Encode."""
        return self.encode(inputs["ids"], count_weights=inputs["weights"])


def test_only_the_numbers_are_read_as_whole_ones() -> None:
    found = Weighing().predict({"ids": X, "weights": WEIGHTS.astype("float32")}, verbose=0)
    assert found.tolist() == WEIGHED


def test_gradients_go_to_the_weights() -> None:
    ids, x = Input((3,), dtype="int64"), Input((3,))
    dense = layers.Dense(3, use_bias=False, kernel_initializer="zeros")
    model = Model([ids, x], layers.CategoryEncoding(4, "count")(ids, count_weights=dense(x)))
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 1.0
    y = np.arange(8.0).reshape(2, 4)
    model.train_on_batch([X, WEIGHTS], y)
    slope = -2 * np.take_along_axis(y, X, 1) / y.size
    np.testing.assert_allclose(dense.get_weights()[0], -(WEIGHTS.T @ slope), rtol=1e-6)


@pytest.mark.parametrize("mode", ["multi_hot", "one_hot", "count"])
@pytest.mark.parametrize("bad", [4, -1])
def test_a_number_outside_stops_the_step_and_is_named(mode: str, bad: int) -> None:
    layer = layers.CategoryEncoding(4, mode, name="codes")
    model = Sequential([Input((3,), dtype="int64"), layer, layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((20, 3), int)
    model.fit(x, np.zeros((20, 1)), verbose=0)
    x[13, 2] = bad
    before = model.get_weights()
    with pytest.raises(DataError, match=rf"layer 'codes': row 13 holds {bad}; .*sample 13"):
        model.fit(x, np.zeros((20, 1)), batch_size=20, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    with pytest.raises(DataError, match=rf"layer 'codes': row 13 holds {bad}"):
        layer(x)


def test_behind_another_layer_and_with_an_axis_of_one() -> None:
    model = Sequential([Input((2,)), layers.Discretization([0.0]), layers.CategoryEncoding(2)])
    assert model.predict(np.array([[-1.0, 1.0]]), verbose=0).tolist() == [[1.0, 1.0]]
    one = layers.CategoryEncoding(3, "one_hot")
    assert one(np.array([[2], [0]])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one([2, 0]).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert layers.CategoryEncoding(3, "binary").output_mode == "multi_hot"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: layers.CategoryEncoding(), ValueError, "needs num_tokens; .* IntegerLookup"),
        (lambda: layers.CategoryEncoding(0), ValueError, "num_tokens must be a whole number of at least 1"),
        (lambda: layers.CategoryEncoding(2, "int"), ValueError, "output_mode must be one of"),
        (lambda: layers.CategoryEncoding(2, sparse=True), ValueError, "leave sparse=True out"),
        (
            lambda: layers.CategoryEncoding(2)(X % 2, count_weights=WEIGHTS),
            ValueError,
            "go with output_mode=",
        ),
        (
            lambda: layers.CategoryEncoding(4, "count")(X, count_weights=WEIGHTS[:, :2]),
            ShapeError,
            r"its input has the shape \(2, 3\), count_weights \(2, 2\)",
        ),
        (lambda: layers.CategoryEncoding(2)(np.array([[0.5]])), DataError, "row 0 holds 0.5"),
    ],
)
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
