"""`adapt_layers`: several layers in one pass find what each finds alone, and errors name the column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit import DataError, Input, Model, ShapeError, layers, source
from streamfit._base.errors import SampleError
from streamfit.utils import adapt_layers

RNG = np.random.default_rng(0)
ROWS = 60
COLUMNS: dict[str, Any] = {
    "age": RNG.normal(40, 12, ROWS).astype("float32"),
    "hours": RNG.integers(1, 99, ROWS),
    "job": RNG.choice(np.array(["cook", "pilot", "né", ""], dtype=object), ROWS),
    "code": RNG.integers(0, 9, ROWS),
    "text": RNG.choice(np.array(["a b", "b c c", "d"], dtype=object), ROWS),
    "picture": RNG.normal(size=(ROWS, 2, 3)).astype("float32"),
}
TARGETS = np.zeros(ROWS, "float32")


def fresh() -> dict[str, Any]:
    return {
        "age": [layers.Normalization(), layers.Discretization(num_bins=4)],
        "job": layers.StringLookup(),
        "code": layers.IntegerLookup(max_tokens=5),
        "text": layers.TextVectorization(output_mode="tf_idf"),
        "picture": layers.Normalization(axis=(1, -1)),
    }


def state(found: dict[str, Any]) -> list[object]:
    """List what the layers have found, exactly."""
    norm, bins = found["age"]
    lookups = [found[name].get_vocabulary() for name in ("job", "code", "text")]
    moments = [weight.tolist() for layer in (norm, found["picture"]) for weight in layer.get_weights()]
    return [*moments, bins.bin_boundaries, *lookups, found["text"].idf_weights.tolist()]


def alone(batch_size: int | None = None) -> list[object]:
    """Return what each layer finds in its own `adapt`."""
    found = fresh()
    for name, listed in found.items():
        column = COLUMNS[name]
        for layer in listed if isinstance(listed, list) else [listed]:
            layer.adapt(column[:, None] if column.ndim == 1 else column, batch_size=batch_size)
    return state(found)


@pytest.mark.parametrize("size", [1, 7, ROWS])
def test_one_pass_finds_what_each_layer_finds_alone(size: int) -> None:
    def batches() -> Iterator[object]:
        for begin in range(0, ROWS, size):
            yield {name: column[begin : begin + size] for name, column in COLUMNS.items()}, TARGETS[:size]

    whole = source(COLUMNS, TARGETS)
    wanted = alone(size)
    for data, batch_size in ((COLUMNS, size), (whole, size), (whole.batch(size), None), (batches(), None)):
        found = fresh()
        adapt_layers(found, data, batch_size)
        assert state(found) == wanted


def test_data_are_read_once_and_only_as_far_as_asked() -> None:
    read: list[int] = []

    def batches() -> Iterator[object]:
        for number in range(5):
            read.append(number)
            yield {"age": np.full(2, float(number)), "job": np.array([f"{number}", "x"], dtype=object)}

    age, job = layers.Normalization(), layers.StringLookup()
    adapt_layers({"age": age, "job": job}, batches(), steps=3)
    assert read[:3] == [0, 1, 2]
    assert len(read) == len(set(read))
    assert age.get_weights()[0].tolist() == [1.0]
    assert int(age.get_weights()[2]) == 6
    assert job.get_vocabulary() == ["[UNK]", "x", "2", "1", "0"]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.text(max_size=3)), min_size=1, max_size=30), st.data())
def test_any_columns_in_any_batches(rows: list[tuple[float, str]], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(rows)))
    numbers = np.array([number for number, _ in rows])
    words = np.array([f"w{word}" for _, word in rows], dtype=object)
    bins, lookup = layers.Discretization(num_bins=3, dtype="float64"), layers.StringLookup()
    adapt_layers({"n": bins, "w": lookup}, {"n": numbers, "w": words}, size)
    other, again = layers.Discretization(num_bins=3, dtype="float64"), layers.StringLookup()
    other.adapt(numbers)
    again.adapt(words)
    assert bins.bin_boundaries == other.bin_boundaries
    assert lookup.get_vocabulary() == again.get_vocabulary()


def test_joined_columns_and_a_shared_vocabulary() -> None:
    both, shared = layers.Normalization(), layers.StringLookup()
    columns = {"a": COLUMNS["age"], "b": COLUMNS["hours"], "from": ["x", "y"] * 30, "to": ["z"] * ROWS}
    adapt_layers({("a", "b"): both, "from": shared, "to": shared}, columns, 7)
    joined = np.stack([COLUMNS["age"], COLUMNS["hours"]], 1).astype("float64")
    np.testing.assert_allclose(both.get_weights()[0], joined.mean(0), rtol=1e-6)
    np.testing.assert_allclose(both.get_weights()[1], joined.var(0), rtol=1e-6)
    assert shared.get_vocabulary() == ["[UNK]", "z", "y", "x"]  # z 60 times, the others 30 times


def test_a_model_of_columns_trains_on_the_same_source() -> None:
    inputs = {"age": Input((1,), name="age"), "job": Input((1,), name="job", dtype="string")}
    norm, lookup = layers.Normalization(), layers.StringLookup(output_mode="one_hot")
    train = source({"age": COLUMNS["age"], "job": COLUMNS["job"]}, TARGETS)
    adapt_layers({"age": norm, "job": lookup}, train)
    joined = layers.Concatenate()([norm(inputs["age"]), lookup(inputs["job"])])
    model = Model(inputs, layers.Dense(1, activation="sigmoid")(joined))
    model.compile("sgd", "binary_crossentropy")
    losses = model.fit(train.batch(20), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


class OwnLayer(layers.Layer):
    """The largest number seen; it has no check of its arguments."""

    def reset_state(self) -> None:
        self.seen = -np.inf

    def update_state(self, data: Any) -> None:
        self.seen = max(self.seen, float(np.max(data)))

    def finalize_state(self) -> None:
        self.largest = self.seen


def test_a_layer_of_the_user() -> None:
    layer = OwnLayer()
    adapt_layers({"age": layer}, COLUMNS, 7)
    assert layer.largest == float(COLUMNS["age"].max())


def test_an_error_while_data_are_read_leaves_all_layers_as_they_were() -> None:
    age, job = layers.Normalization(), layers.StringLookup(vocabulary=["cook"])
    adapt_layers({"age": age}, COLUMNS)
    before = [weight.tolist() for weight in age.get_weights()]
    ages = COLUMNS["age"].copy()
    ages[45] = np.nan
    with pytest.raises(SampleError, match="nan") as caught:
        adapt_layers({"job": job, "age": age}, {"age": ages, "job": COLUMNS["job"]}, 10)
    assert caught.value.__notes__ == ["while a layer adapted to column 'age'"]
    assert [weight.tolist() for weight in age.get_weights()] == before
    assert job.get_vocabulary() == ["[UNK]", "cook"]
    adapt_layers({"job": job}, {"job": ["pilot"]})  # nothing of the failed pass is left
    assert job.get_vocabulary() == ["[UNK]", "pilot"]


@pytest.mark.parametrize(
    ("asked", "data", "error", "words"),
    [
        ({}, COLUMNS, ValueError, "no layers to adapt"),
        ({"age": []}, COLUMNS, ValueError, "no layers to adapt"),
        ({"age": layers.Dense(3, name="top")}, COLUMNS, TypeError, "'age': layer 'top' has nothing to adapt"),
        ({"age": "norm"}, COLUMNS, TypeError, "'age': 'norm' has nothing to adapt"),
        ({3: layers.Normalization()}, COLUMNS, TypeError, "named by a string, or by a tuple of them, got 3"),
        ({(): layers.Normalization()}, COLUMNS, TypeError, r"got \(\)"),
        ({"agee": layers.Normalization()}, COLUMNS, DataError, "no column 'agee'; their columns are .'age'"),
        ({"age": layers.Normalization()}, COLUMNS["age"], DataError, "dictionary of named columns"),
        ({"age": layers.Normalization()}, {"age": np.zeros(0)}, ValueError, "no samples in it"),
        ({("age", "picture"): layers.Normalization()}, COLUMNS, ShapeError, r"\(60, 1\), \(60, 2, 3\)"),
        ({"age": layers.Normalization(mean=0.0, variance=1.0)}, COLUMNS, ValueError, "nothing to adapt"),
        ({"age": layers.Discretization([0.0, 1.0])}, COLUMNS, ValueError, "made with bin_boundaries"),
    ],
)
def test_errors(asked: Any, data: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        adapt_layers(asked, data)


def test_layers_must_be_by_column():
    with pytest.raises(TypeError, match=r"write a dictionary by column, such as \{'age': layer\}"):
        adapt_layers([layers.Normalization()], COLUMNS)  # type: ignore[arg-type]
