"""The layer that combines the rows of a sample: gradient, updates by rows, masks, numbers without a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import ops as reference
from oracles.kernel_threads import small_blocks, threads

from streamfit import DataError, Input, Model, Sequential, layers, ops, optimizers
from streamfit._base.errors import ShapeError
from streamfit.ops.embedding_bag import embedding_bag_forward
from streamfit.optimizers import tables
from streamfit.program import program as program_module

Array = np.ndarray[Any, Any]
COMBINERS = ["mean", "sum", "sqrtn"]
OPTIMIZERS: list[Callable[[], optimizers.Optimizer]] = [
    lambda: optimizers.SGD(0.1, momentum=0.9),
    lambda: optimizers.Adam(0.05),
    lambda: optimizers.Adam(0.05, clipnorm=0.1),
    lambda: optimizers.LazyAdam(0.05),
]


def model_of(*first: layers.Layer, optimizer: Any = "sgd", rate: float | None = None) -> Sequential:
    model = Sequential([Input((None,), dtype="int64"), *first, layers.Dense(2, dtype=first[-1].dtype)])
    model.compile(optimizer, "mse")
    if rate is not None:
        model.optimizer.learning_rate = rate
    model.predict(np.zeros((1, 1), int), verbose=0)
    rng = np.random.default_rng(7)
    model.set_weights([rng.normal(size=w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def batches(seed: int = 0, rows: int = 30) -> list[tuple[Array, Array]]:
    """Batches of different lengths and sizes, with ids that repeat, padding, and rows of padding alone."""
    rng = np.random.default_rng(seed)
    found = []
    for size, length in ((8, 5), (8, 3), (3, 7), (8, 5), (8, 1)):
        ids = rng.integers(0, rows // 3, (size, length)) * rng.integers(1, 4, (size, 1))
        ids[rng.random((size, length)) < 0.3] = 0
        ids[rng.integers(size)] = 0
        found.append((ids, rng.normal(size=(size, 2))))
    return found


@pytest.mark.parametrize("combiner", COMBINERS)
def test_gradient_is_that_of_finite_differences(combiner: str) -> None:
    ids, y = np.array([[1, 2, 2, 0], [3, 1, 0, 0], [0, 0, 0, 0]]), np.ones((3, 2))
    model = model_of(layers.EmbeddingBag(5, 3, combiner, dtype="float64"), rate=1.0)
    table, kernel, bias = (w.copy() for w in model.get_weights())

    def loss(changed: Array) -> float:
        found = reference.embedding_bag(changed, ids, None, combiner, 0) @ kernel + bias
        return float(np.mean((found - y) ** 2))

    slope = np.zeros_like(table)
    for place in np.ndindex(*table.shape):
        change = np.zeros_like(table)
        change[place] = 1e-6
        slope[place] = (loss(table + change) - loss(table - change)) / 2e-6
    model.train_on_batch(ids, y)
    np.testing.assert_allclose(table - model.get_weights()[0], slope, rtol=1e-6, atol=1e-8)
    assert not slope[0].any()
    assert not slope[4].any()


def train(model: Sequential, *, seed: int = 0) -> list[Array]:
    for _ in range(3):
        for x, y in batches(seed):
            model.train_on_batch(x, y)
    return [*model.get_weights(), model.predict(batches(seed)[0][0], verbose=0)]


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_it_trains_as_a_lookup_and_a_mean(
    make: Callable[[], Any], by_rows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SMALLEST", 0 if by_rows else 1 << 60)
    bag = layers.EmbeddingBag(30, 4, dtype="float64")
    apart = layers.Embedding(30, 4, mask_zero=True, dtype="float64")
    mean = layers.GlobalAveragePooling1D(dtype="float64")
    # A sample of padding alone gives zeros here and 0 / 0 there.
    with_words = [(np.where(x.any(axis=1, keepdims=True), x, 7), y) for x, y in batches()]
    one, two = model_of(bag, optimizer=make()), model_of(apart, mean, optimizer=make())
    for _ in range(3):
        for x, y in with_words:
            one.train_on_batch(x, y)
            two.train_on_batch(x, y)
    for ours, theirs in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.jit
@pytest.mark.parametrize("make", OPTIMIZERS[:3])
@given(seed=st.integers(0, 2**32), combiner=st.sampled_from(COMBINERS))
@settings(max_examples=5)
def test_updates_by_rows_have_the_bits_of_the_whole(
    make: Callable[[], Any], seed: int, combiner: str
) -> None:
    def run(twice: bool) -> list[Array]:
        x = Input((None,), dtype="int64")
        bag = layers.EmbeddingBag(30, 5, combiner)
        both = bag(x) + bag(ops.minimum(x * 2, 29)) if twice else bag(x)
        model = Model(x, layers.Dense(2)(both))
        model.compile(make(), "mse")
        rng = np.random.default_rng(7)
        model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
        return train(model, seed=seed)  # type: ignore[arg-type]

    for twice in (False, True):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(tables, "SMALLEST", 0)
            by_rows = run(twice)
            patched.setattr(program_module, "find_tables", lambda nodes, read: [])
            whole = run(twice)
        for found, wanted in zip(by_rows, whole, strict=True):
            assert found.tobytes() == wanted.tobytes()


@pytest.mark.jit
@pytest.mark.parametrize("by_rows", [True, False])
def test_same_bits_on_any_number_of_threads(by_rows: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SMALLEST", 0 if by_rows else 1 << 60)
    found = []
    for number in (1, 2, 4):
        with small_blocks(), threads(number):
            model = model_of(layers.EmbeddingBag(30, 4), optimizer=optimizers.Adam(0.05))
            found.append(b"".join(w.tobytes() for w in train(model)))
    assert found[0] == found[1] == found[2]


def test_what_the_batch_does_not_read_stays_under_a_lazy_rule() -> None:
    model = model_of(layers.EmbeddingBag(30, 4), optimizer=optimizers.LazyAdam(0.05))
    before = model.get_weights()[0].copy()
    model.train_on_batch(np.array([[3, 3, 0], [9, 0, 0]]), np.ones((2, 2)))
    moved = (model.get_weights()[0] != before).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [3, 9]


def test_a_sample_of_padding_gives_zeros_and_no_gradient() -> None:
    for combiner in COMBINERS:
        layer = layers.EmbeddingBag(4, 2, combiner, embeddings_initializer="ones")
        assert layer(np.zeros((2, 3), int)).tolist() == [[0.0, 0.0]] * 2
        assert layer(np.zeros((2, 0), int)).tolist() == [[0.0, 0.0]] * 2
        model = Sequential([Input((3,), dtype="int64"), layer])
        model.compile("sgd", "mse")
        model.fit(np.zeros((2, 3), int), np.full((2, 2), 9.0), verbose=0)
        assert layer.get_weights()[0].tolist() == [[1.0, 1.0]] * 4


def test_a_mask_of_the_input_leaves_out_positions_too() -> None:
    x = Input((3,), dtype="int64")
    masked = layers.Embedding(9, 1, mask_zero=True)  # any layer that gives a mask of its input
    layer = layers.EmbeddingBag(5, 2, "sum", mask_zero=False, weights=np.arange(10.0).reshape(5, 2))
    ids, mask = np.array([[1, 2, 0], [4, 4, 4]]), np.array([[True, False, True], [False, False, False]])
    assert layer(ids, mask=mask).tolist() == [[2.0, 4.0], [0.0, 0.0]]
    assert layer(ids).tolist() == [[6.0, 9.0], [24.0, 27.0]]
    assert masked(x).mask is not None
    assert layer(x).mask is None
    with pytest.raises(ValueError, match=r"the mask of embedding_bag has shape \(2, 3\), got .* \(2,\)"):
        layer(ids, mask=mask[:, 0])


@pytest.mark.parametrize("call", ["fit", "predict", "call"])
def test_a_number_without_a_row_names_layer_sample_position_and_value(call: str) -> None:
    model = Sequential([layers.EmbeddingBag(5, 2, name="words", input_shape=(3,)), layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = np.arange(60).reshape(20, 3) % 5, np.zeros((20, 1))
    model.train_on_batch(x, y)
    before = [w.copy() for w in model.get_weights()]
    x[13, 1] = 5
    run: Any = {
        "fit": lambda: model.fit(x, y, batch_size=20, shuffle=False, verbose=0),
        "predict": lambda: model.predict(x, batch_size=4),
        "call": lambda: model(x),
    }[call]
    row = 1 if call == "predict" else 13
    message = rf"layer 'words': row {row} holds 5; .* \(position 1 of the row\)"
    with pytest.raises(DataError, match=message) as caught:
        run()
    assert call == "call" or "sample 13, source" in str(caught.value)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_layer_that_is_not_trainable_keeps_its_table() -> None:
    layer = layers.EmbeddingBag(30, 4, trainable=False)
    model = model_of(layer, optimizer=optimizers.Adam(0.05))
    table, kernel = layer.get_weights()[0], model.layers[-1].get_weights()[0]
    train(model)
    assert layer.get_weights()[0].tobytes() == table.tobytes()
    assert (model.layers[-1].get_weights()[0] != kernel).any()


def test_regularizer_and_constraint_are_those_of_the_whole_table() -> None:
    layer = layers.EmbeddingBag(
        4, 2, embeddings_initializer="ones", embeddings_regularizer="l2", embeddings_constraint="non_neg"
    )
    model = Sequential([Input((2,), dtype="int64"), layer])
    model.compile("sgd", "mse")
    model.optimizer.learning_rate = 10.0
    model.fit(np.array([[1, 2]]), np.full((1, 2), -1.0), verbose=0)
    np.testing.assert_allclose(
        layer.get_weights()[0], [[0.8] * 2, [0.0] * 2, [0.0] * 2, [0.8] * 2], rtol=1e-6
    )


def test_arguments_that_are_wrong() -> None:
    with pytest.raises(ValueError, match=r"combiner must be one of \('sum', 'mean', 'sqrtn'\), got 'max'"):
        layers.EmbeddingBag(5, 2, "max")
    with pytest.raises(ValueError, match=r"must have shape \(5, 2\)"):
        layers.EmbeddingBag(5, 2, weights=np.zeros((2, 5)))
    with pytest.raises(ShapeError, match=r"ids of shape \(4,\); write ids\[:, None\]"):
        layers.EmbeddingBag(5, 2)(np.zeros(4, int))
    with pytest.raises(ValueError, match=r"embedding_bag got 5 at \(0, 1\); it must lie in \[0, 5\)"):
        ops.embedding_bag(np.zeros((5, 2)), np.array([[1, 5]]))


def test_the_description_holds_the_combiner() -> None:
    layer = layers.EmbeddingBag(5, 2, "sqrtn", mask_zero=False, name="words")
    config = layer.get_config()
    assert config["combiner"] == "sqrtn"
    assert layers.EmbeddingBag.from_config(config).get_config() == config


@pytest.mark.parametrize("combiner", range(3))
def test_a_number_beyond_the_table_makes_its_sample_not_a_number(combiner: int) -> None:
    table, scale = np.arange(6, dtype="float32").reshape(3, 2), np.ones(4, "float32")
    ids = np.array([[0, 1, 2, 0], [0, 1, 3, 0], [3, -1, -1, -1], [-1, -1, -1, 2]])
    result = np.zeros((4, 2), "float32")
    embedding_bag_forward(table, ids, combiner, result, scale)
    assert np.isnan(result).all(1).tolist() == [False, True, True, False]
    assert np.isfinite(result[[0, 3]]).all()
