"""The layer that looks rows up: gradient, masks, numbers without a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequential, layers, ops


def test_gradient_step_is_that_of_numpy() -> None:
    layer = layers.Embedding(5, 3, dtype="float64")
    model = Sequential([Input((4,), dtype="int64"), layer])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 1.0
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (6, 4)), rng.normal(size=(6, 4, 3))
    before = layer.get_weights()[0]
    model.train_on_batch(x, y)
    slope = np.zeros_like(before)
    np.add.at(slope, x, 2 * (before[x] - y) / y.size)
    np.testing.assert_allclose(layer.get_weights()[0], before - slope, rtol=1e-12)


def test_rows_that_are_given_and_their_shape() -> None:
    table = np.arange(6.0).reshape(3, 2)
    for weights in (table, [table], table.tolist()):
        assert layers.Embedding(3, 2, weights=weights)(np.array([2]))[0].tolist() == [4.0, 5.0]
    with pytest.raises(ValueError, match=r"must have shape \(3, 2\) \(input_dim, output_dim\), got \(2, 3\)"):
        layers.Embedding(3, 2, weights=table.T)
    given = layers.Embedding(3, 2, weights=table)
    assert given.built
    np.testing.assert_array_equal(given.embeddings.numpy(), table)


def test_the_table_can_be_built_without_a_shape() -> None:
    layer = layers.Embedding(3, 2)
    layer.build()
    assert (layer.built, layer.embeddings.shape) == (True, (3, 2))
    assert (layer.supports_masking, layers.Embedding(3, 2, mask_zero=True).supports_masking) == (False, True)


def test_regularizer_and_initializer() -> None:
    layer = layers.Embedding(4, 2, embeddings_initializer="ones", embeddings_regularizer="l2")
    layer(np.array([0]))
    ((penalty, weight),) = layer.penalties
    assert float(penalty(weight)) == pytest.approx(0.01 * 8)
    drawn = layers.Embedding(2000, 2)
    drawn(np.array([0]))
    assert 0.049 < np.abs(drawn.get_weights()[0]).max() <= 0.05


def test_mask_of_zeros() -> None:
    x = np.array([[3, 0], [0, 1]])
    assert np.asarray(layers.Embedding(5, 2, mask_zero=True).compute_mask(x)).tolist() == [[1, 0], [0, 1]]
    assert layers.Embedding(5, 2).compute_mask(x) is None


@pytest.mark.parametrize("bad", [5, -1, 2**62])
@pytest.mark.parametrize("call", ["fit", "evaluate", "predict", "train_on_batch", "predict_on_batch", "call"])
def test_a_number_without_a_row_names_layer_value_and_sample(call: str, bad: int) -> None:
    model = Sequential([layers.Embedding(5, 2, name="words"), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.arange(60).reshape(20, 3) % 5, np.zeros((20, 1))
    model.train_on_batch(x, y)
    before = [w.copy() for w in model.get_weights()]
    x[13, 1] = bad
    run: Any = {
        "fit": lambda: model.fit(x, y, batch_size=20, shuffle=False, verbose=0),
        "evaluate": lambda: model.evaluate(x, y, batch_size=4, verbose=0),
        "predict": lambda: model.predict(x, batch_size=4),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "predict_on_batch": lambda: model.predict_on_batch(x),
        "call": lambda: model(x),
    }[call]
    row = 1 if call in ("evaluate", "predict") else 13
    with pytest.raises(
        DataError, match=rf"layer 'words': row {row} holds {bad}; its indices must be whole"
    ) as caught:
        run()
    if call in ("fit", "evaluate", "predict"):
        assert "sample 13, source" in str(caught.value)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    model.predict(np.zeros((2, 3), int))  # and the model can be used again


def test_the_wrong_one_of_two_layers_is_named_in_joined_steps() -> None:
    a, b = Input((2,), dtype="int64", name="a"), Input((2,), dtype="int32", name="b")
    out = layers.Flatten()(layers.Embedding(4, 2, name="first")(a) + layers.Embedding(9, 2, name="second")(b))
    model = Model([a, b], layers.Dense(1)(out))
    model.compile("sgd", "mse")
    x = [np.arange(200).reshape(100, 2) % 4, (np.arange(200).reshape(100, 2) % 9).astype("int32")]
    x[1][71, 0] = 9
    with pytest.raises(
        DataError, match=r"layer 'second': row 3 holds 9; .* \(sample 71, source 'training data'"
    ):
        model.fit(x, np.zeros((100, 1)), batch_size=4, shuffle=False, verbose=0)


def test_floats_that_cannot_hold_all_numbers_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"float32, which holds whole numbers up to 16777216 only; write Input"
    ):
        layers.Embedding(2**24 + 1, 1)(Input((1,)))
    assert layers.Embedding(2**24, 1)(Input((1,))).shape == (None, 1, 1)


def test_computed_numbers_are_checked_too() -> None:
    x = Input((1,), name="x")
    model = Model(x, layers.Embedding(3, 2, name="late")(x * 2.0))
    assert model.predict(np.array([[1.0]])).shape == (1, 1, 2)
    with pytest.raises(DataError, match=r"layer 'late': row 0 holds 0.5"):
        model.predict(np.array([[0.25]]))
    assert ops.is_symbolic(x)


def test_constraint_and_shape() -> None:
    layer = layers.Embedding(4, 2, embeddings_constraint="non_neg", embeddings_initializer="zeros")
    model = Sequential([Input((1,), dtype="int64"), layer, layers.Flatten()])
    model.compile("sgd", "mse")
    model.fit(np.arange(4)[:, None], np.full((4, 2), -1.0), verbose=0)
    assert layer.get_weights()[0].tolist() == [[0.0, 0.0]] * 4
    assert layers.Embedding(2**25, 2).compute_output_shape((None, 3)) == (None, 3, 2)
    assert layers.StringLookup(vocabulary=["a"]).compute_output_shape((None, 3)) == (None, 3)


def test_descriptions_of_stacks_keep_the_dtype_of_the_input() -> None:
    for dtype in ("int64", "string", "float32"):
        first = layers.StringLookup(vocabulary=["a"]) if dtype == "string" else layers.Activation("linear")
        stack = Sequential([Input((2,), dtype=dtype), first])
        again = Sequential.from_config(stack.get_config())
        assert again.inputs[0].dtype == stack.inputs[0].dtype


@pytest.mark.parametrize("wrong", [3.7, 4.0, "3", None, True, -1, 0])
@pytest.mark.parametrize("kind", [TypeError, ValueError])
def test_dimensions_are_whole_numbers(wrong: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="input_dim must be a whole number of at least 1, got"):
        layers.Embedding(wrong, 8)
    with pytest.raises(kind, match="output_dim must be a whole number of at least 1, got"):
        layers.Embedding.from_config({"input_dim": 8, "output_dim": wrong})


def test_dimensions_may_be_numbers_of_numpy() -> None:
    assert layers.Embedding(np.int64(3), np.int32(2)).get_config()["output_dim"] == 2
