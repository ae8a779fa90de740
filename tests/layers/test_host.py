"""Layers that run where batches are loaded: by the table, and how they are used in graphs."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from layers.host_cases import HOST_CASES, HostCase

from streamfit import DataError, Input, Model, Sequential, ShapeError, layers, ops
from streamfit._base.specs import Spec
from streamfit._base.text import TEXT

each = pytest.mark.parametrize("case", HOST_CASES, ids=str)


@each
@pytest.mark.parametrize("n", [1, 2, 17])
def test_values_are_those_of_plain_python(case: HostCase, n: int) -> None:
    x = case.input(n)
    found, wanted = case.make()(x), case.compute(x)
    if case.tolerance:
        np.testing.assert_allclose(found, wanted, rtol=0, atol=case.tolerance)
    else:
        np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype


@each
def test_symbolic_shape_and_dtype_are_the_real_ones(case: HostCase) -> None:
    layer = case.make()
    symbolic = layer(case.symbolic())
    real = layer(case.input(5))
    assert (5, *symbolic.shape[1:]) == real.shape
    assert (TEXT if real.dtype == object else real.dtype) == symbolic.dtype


@each
def test_description_and_pickle_make_an_equal_layer(case: HostCase) -> None:
    layer = case.make(name="mine")
    config = layer.get_config()
    x = case.input(9)
    for again in (type(layer).from_config(config), pickle.loads(pickle.dumps(layer))):
        assert again.get_config() == config
        np.testing.assert_array_equal(again(x), layer(x))


@each
def test_in_a_model_as_on_arrays(case: HostCase) -> None:
    layer = case.make()
    x = case.input(7)
    start = case.symbolic()
    model = Model(start, layer(start))
    np.testing.assert_array_equal(model.predict(x, batch_size=3), layer(x))
    np.testing.assert_array_equal(model(x), layer(x))


class Pair(layers.HostLayer):
    """Two inputs, two outputs."""

    def compute(self, inputs: Any) -> Any:
        a, b = inputs
        return {"sum": a + b, "rows": np.arange(len(a))}

    def compute_output_spec(self, specs: Any) -> Any:
        return {"sum": specs[0], "rows": Spec((None,), np.dtype(np.int64))}


def test_several_inputs_and_outputs_and_stacked_layers() -> None:
    a, b = Input((2,), dtype="int64", name="a"), Input((2,), dtype="int64", name="b")
    pair = Pair()
    first = pair([a, b])
    second = pair([first["sum"], b])
    total = ops.cast(first["sum"] * 0, "float32") + ops.cast(second["sum"], "float32")
    model = Model({"a": a, "b": b}, {"total": total, "rows": second["rows"] * 1})
    x = {"a": np.array([[1, 2], [3, 4]]), "b": np.array([[10, 20], [30, 40]])}
    for found in (model.predict(x), model.predict_on_batch(x), model(x)):
        np.testing.assert_array_equal(found["total"], x["a"] + 2 * x["b"])
        assert np.asarray(found["rows"]).tolist() == [0, 1]


def test_one_layer_on_several_inputs_and_twice_on_one() -> None:
    lookup = layers.StringLookup(vocabulary=["x", "y"])
    a, b = Input((1,), dtype="string", name="a"), Input((1,), dtype="string", name="b")
    out = ops.cast(lookup(a) * 100 + lookup(b) * 10 + lookup(a), "float32")
    model = Model([a, b], out)
    assert model.predict([np.array(["x", "y"]), np.array(["y", "z"])]).tolist() == [[121.0], [202.0]]


def test_nested_models_are_looked_through() -> None:
    inner = Sequential([Input((2,), dtype="string"), layers.StringLookup(vocabulary=["x", "y"])])
    outer = Sequential([Sequential([inner]), layers.Embedding(3, 2), layers.Dropout(0.5), layers.Dense(1)])
    outer.compile("sgd", "mse")
    x, y = np.array([["x", "y"]] * 8), np.zeros((8, 2, 1))
    outer.fit(x, y, batch_size=3, verbose=0)
    np.testing.assert_array_equal(outer.predict(x), outer(x))


class Reader(Model):
    """A model of a class of its own, which shows its shapes with the first data."""

    def __init__(self) -> None:
        super().__init__()
        self.lookup = layers.StringLookup(vocabulary=["x", "y"])
        self.table, self.dense = layers.Embedding(3, 2), layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        """Mix words and numbers."""
        return self.dense(ops.mean(self.table(self.lookup(inputs["words"])), axis=1) + inputs["numbers"])


def test_a_class_of_the_users_with_mixed_inputs() -> None:
    model = Reader()
    model.compile("sgd", "mse")
    x = {"words": [["x", "q"], ["y", "y"]], "numbers": np.ones((2, 2))}
    assert np.isfinite(model.fit(x, np.zeros((2, 1)), verbose=0).history["loss"]).all()
    assert model.predict(x).shape == (2, 1)


def test_a_generator_needs_a_model_that_is_built() -> None:
    model = Reader()
    model.compile("sgd", "mse")
    batch = {"words": np.array([["x"]]), "numbers": np.ones((1, 2))}, np.zeros((1, 1))
    with pytest.raises(DataError, match="must be built before the first one; begin it with an Input"):
        model.fit(iter([batch]), verbose=0)


def test_a_layer_behind_a_computation_is_refused_with_both_names() -> None:
    words = Input((1,), dtype="string")
    rows = layers.StringLookup(vocabulary=["x"], output_mode="one_hot")(words)
    places = layers.IntegerLookup(vocabulary=[1], name="late")(ops.cast(layers.Dense(1)(rows), "int64"))
    with pytest.raises(
        ValueError, match="layer 'late' runs where batches are loaded, before the model, but it"
    ):
        Model(words, places).predict(["x"])


def test_text_for_layers_that_compute_with_numbers() -> None:
    words = Input((1,), dtype="string", name="words")
    with pytest.raises(TypeError, match=r"'words' is text; put a layer in front .* such as StringLookup"):
        layers.Dense(1)(words)
    with pytest.raises(TypeError, match=r"reads text, and its input .* is float32; write Input"):
        layers.StringLookup(vocabulary=["x"])(Input((1,)))
    with pytest.raises(TypeError, match="reads text, got an array of dtype int64"):
        layers.StringLookup(vocabulary=["x"])(np.arange(3))
    with pytest.raises(TypeError, match="ops take numeric arrays"):
        layers.Dense(1)(np.array([["x"]]))


class Wrong(layers.HostLayer):
    """Returns something else than it says."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.returned = result

    def compute(self, x: Any) -> Any:
        return self.returned

    def compute_output_spec(self, spec: Spec) -> Spec:
        return spec


@pytest.mark.parametrize(
    ("result", "error", "words"),
    [
        (np.zeros((3, 2)), ShapeError, r"returned an array of shape \(3, 2\), where \(2, 2\) was due"),
        (np.zeros((2, 2), "float32"), DataError, "dtype float32, where float64 was due"),
        ([np.zeros((2, 2))] * 2, DataError, "returned 2 arrays for 1 specs"),
    ],
)
def test_results_are_checked(result: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Wrong(result)(np.zeros((2, 2)))
