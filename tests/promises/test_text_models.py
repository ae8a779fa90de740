"""Models that read text: one result for every kind of text, data, worker and call."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.sentences import BATCH, GOOD, WORDS, Sentences, X, Y

from streamfit import (
    DataError,
    Input,
    Model,
    Sequential,
    layers,
    ops,
    set_random_seed,
    source,
)
from streamfit.callbacks import BackupAndRestore, Callback
from streamfit.streams import open_source


class Mean(layers.Layer):
    """Average over the words."""

    def call(self, x: Any) -> Any:
        """Average."""
        return ops.mean(x, axis=1)


def made(**settings: Any) -> Sequential:
    set_random_seed(3)
    lookup = layers.StringLookup(**settings)
    lookup.adapt(X)
    model = Sequential(
        [
            Input((4,), dtype="string", name="words"),
            lookup,
            layers.Embedding(lookup.vocabulary_size(), 8),
            Mean(),
            layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    return model


def bits(model: Any) -> list[bytes]:
    return [weight.tobytes() for weight in model.get_weights()]


def trained(*data: Any, **how: Any) -> tuple[list[bytes], dict[str, Any], list[str], Any]:
    model = made()
    given = {"batch_size": BATCH, **how} if len(data) > 1 else how
    history = model.fit(*data, epochs=3, verbose=0, seed=5, validation_data=(X[:16], Y[:16]), **given)
    return bits(model), history.history, [receipt.digest for receipt in history.receipts], model


WORKERS = [
    {"workers": 0},
    {},
    {"workers": 2},
    {"workers": 2, "use_multiprocessing": True},
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("data", ["arrays", "sequence"])
def test_one_result_for_all_workers(data: str, tmp_path: Path) -> None:
    given: Any = (X, Y) if data == "arrays" else (Sentences(),)
    expected = trained(*given, **WORKERS[0])
    assert expected[1]["loss"][-1] < expected[1]["loss"][0]
    for how in WORKERS[1:]:
        found = trained(*given, **how)
        assert found[:3] == expected[:3]
    evaluated = expected[3].evaluate(X, Y, verbose=0, batch_size=BATCH)
    predicted = expected[3].predict(X, batch_size=BATCH)
    for how in WORKERS:
        assert expected[3].evaluate(X, Y, verbose=0, batch_size=BATCH, **how) == evaluated
        np.testing.assert_array_equal(expected[3].predict(X, batch_size=BATCH, **how), predicted)
    if data == "sequence":
        killed = trained(Sentences(tmp_path / "mark"), **WORKERS[3])
        assert (tmp_path / "mark").exists()
        assert killed[:3] == expected[:3]


def frame(values: Any) -> Any:
    from pandas import DataFrame  # here, since every process of a test run imports this module

    return DataFrame(values)


ARRAYS: dict[str, Callable[[], Any]] = {
    "objects": lambda: X,
    "lists": X.tolist,
    "texts of one length": lambda: X.astype(str),
    "bytes": lambda: np.array([[word.encode() for word in row] for row in X], dtype=object),
    "bytes of one length": lambda: np.char.encode(X.astype(str), "utf-8"),
    "texts of NumPy": lambda: X.astype(np.dtypes.StringDType()),
    "frame": lambda: frame(X),
    "texts of pandas": lambda: frame(X).astype("string"),
    "by name": lambda: {"words": X},
}
BATCHES: dict[str, Callable[[], Any]] = {
    "sequence": Sentences,
    "source": lambda: open_source(X, batch_size=BATCH, text=True),
    "pipeline": lambda: source(X).batch(BATCH),
    "pipeline in order": lambda: source(X).filter(lambda x: True).batch(BATCH),
    "generator": lambda: (rows for rows in np.split(X, 12)),
}


@pytest.mark.parametrize("make", ARRAYS.values(), ids=ARRAYS.keys())
def test_every_form_of_text(make: Callable[[], Any]) -> None:
    model = made()
    wanted = model.predict(X, batch_size=BATCH)
    np.testing.assert_array_equal(model.predict(make(), batch_size=BATCH), wanted)
    np.testing.assert_allclose(model.predict_on_batch(make()), wanted, rtol=1e-6)


@pytest.mark.parametrize("make", BATCHES.values(), ids=BATCHES.keys())
def test_every_form_of_batches(make: Callable[[], Any]) -> None:
    model = made()
    wanted = model.predict(X, batch_size=BATCH)
    np.testing.assert_array_equal(model.predict(make()), wanted)


def test_calls_on_single_batches_and_on_arrays() -> None:
    model = made()
    np.testing.assert_array_equal(model(X), model.predict_on_batch(X))
    np.testing.assert_array_equal(model(X.tolist()), model.predict_on_batch(X))
    before = model.test_on_batch(X, Y)
    for _ in range(20):
        model.train_on_batch(X.tolist(), Y)
    assert model.test_on_batch(X, Y) < before
    assert model.input_names == ["words"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (None, "row 1 holds None .NoneType., which is no text"),
        (b"\xff", "row 1 holds bytes that are no UTF-8"),
        (3, "row 1 holds 3 .int., which is no text"),
    ],
)
@pytest.mark.parametrize("how", WORKERS[:3])
def test_a_value_that_is_no_text_names_input_sample_and_batch(
    wrong: Any, words: str, how: dict[str, Any]
) -> None:
    x = X.copy()
    x[9, 2] = wrong
    model = made()
    for run in (
        lambda: model.fit(x, Y, batch_size=BATCH, shuffle=False, verbose=0, **how),
        lambda: model.evaluate(x, Y, batch_size=BATCH, verbose=0, **how),
        lambda: model.predict(x, batch_size=BATCH, **how),
    ):
        with pytest.raises(
            DataError, match=rf"input 'words': {words}.*\(sample 9, source '.*batch 1, samples 8..15"
        ):
            run()


def test_other_shapes_and_kinds_are_refused_in_words_of_the_inputs() -> None:
    model = made()
    with pytest.raises(DataError, match=r"expected words to have shape \(4,\)"):
        model.predict(X[:, :3])
    with pytest.raises(DataError, match="input 'words' must be text, got an array of dtype float64"):
        model.predict(np.zeros((3, 4)))
    with pytest.raises(DataError, match='No data provided for "words"'):
        model.predict({"other": X})
    with pytest.raises(DataError, match=r"missing value.* among its text: fill them"):
        made().predict(frame({"a": ["x", None]})["a"])
    mixed = frame({"name": ["x", "y"], "age": [1, 2]})
    with pytest.raises(DataError, match=r"columns of text \('name'\) and columns of numbers.*pass a dict"):
        model.predict(mixed)


def test_a_model_without_text_refuses_it_as_before() -> None:
    model = Sequential([layers.Dense(1)])
    with pytest.raises(DataError, match="encode the text as numbers first"):
        model.predict(X)


def test_columns_of_a_frame_by_name() -> None:
    table = frame({"city": ["Rome", "Oslo", "Rome", "Bonn"], "age": [1.0, 2.0, 3.0, 4.0]})
    city, age = Input((1,), dtype="string", name="city"), Input((1,), name="age")
    lookup = layers.StringLookup(vocabulary=["Rome", "Oslo"], output_mode="one_hot")
    model = Model([city, age], layers.Dense(1)(layers.concatenate([lookup(city), age])))
    model.compile("sgd", "mse")
    columns = {"city": table["city"], "age": table["age"]}
    model.fit(columns, table["age"], batch_size=2, validation_split=0.5, verbose=0)
    by_hand = np.array([[0, 1, 0, 1], [0, 0, 1, 2], [0, 1, 0, 3], [1, 0, 0, 4.0]]) @ model.get_weights()[0]
    np.testing.assert_allclose(model.predict(columns), by_hand + model.get_weights()[1], rtol=1e-5)


def test_weights_and_copies(tmp_path: Path) -> None:
    model = trained(X, Y)[3]
    wanted = model.predict(X)
    model.save_weights(tmp_path / "w.safetensors")
    other = made()
    other.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(other.predict(X), wanted)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), wanted)


def test_the_present_vocabulary_counts() -> None:
    lookup = layers.StringLookup(vocabulary=["a", "b"])
    model = Sequential([Input((1,), dtype="string"), lookup, layers.Rescaling(1.0)])
    assert model.predict(np.array([["a"], ["b"]])).ravel().tolist() == [1.0, 2.0]
    lookup.set_vocabulary(["b", "a"])
    for how in WORKERS[:3]:
        assert model.predict(np.array([["a"], ["b"]]), **how).ravel().tolist() == [2.0, 1.0]


def test_a_vocabulary_larger_than_the_table_is_an_error_of_the_table() -> None:
    lookup = layers.StringLookup(vocabulary=["a"])
    model = Sequential([Input((1,), dtype="string"), lookup, layers.Embedding(2, 1, name="table")])
    lookup.set_vocabulary(["a", "b"])
    with pytest.raises(DataError, match=r"layer 'table': row 1 holds 2; .*\(sample 1, source 'data'"):
        model.predict(np.array([["a"], ["b"]]))


class StopAt(Callback):
    """Ends a run as if it were killed."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raise in the second epoch."""
        self.seen = getattr(self, "seen", 0) + 1
        if self.seen == 17:
            raise KeyboardInterrupt


@pytest.mark.timeout(60)
def test_an_interrupted_run_continues_with_the_same_bits(tmp_path: Path) -> None:
    expected = made()
    expected.fit(X, Y, batch_size=BATCH, epochs=3, seed=5, verbose=0)
    backup = BackupAndRestore(tmp_path, save_freq=3)
    with pytest.raises(KeyboardInterrupt):
        made().fit(X, Y, batch_size=BATCH, epochs=3, seed=5, verbose=0, callbacks=[backup, StopAt()])
    again = made()
    again.fit(
        X.astype(object),
        Y,
        batch_size=BATCH,
        epochs=3,
        seed=5,
        verbose=0,
        callbacks=[BackupAndRestore(tmp_path, save_freq=3)],
    )
    assert bits(again) == bits(expected)
    other = X.copy()
    other[0] = "else"
    with pytest.raises(KeyboardInterrupt):
        made().fit(
            X,
            Y,
            batch_size=BATCH,
            epochs=3,
            seed=5,
            verbose=0,
            callbacks=[BackupAndRestore(tmp_path, save_freq=3), StopAt()],
        )
    with pytest.raises(DataError, match="content"):
        made().fit(
            other,
            Y,
            batch_size=BATCH,
            epochs=3,
            seed=5,
            verbose=0,
            callbacks=[BackupAndRestore(tmp_path, save_freq=3)],
        )


def test_free_lengths_of_sentences() -> None:
    lookup = layers.StringLookup(vocabulary=GOOD)
    model = Sequential(
        [Input((None,), dtype="string"), lookup, layers.Embedding(5, 2), Mean(), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    for length in (3, 5):
        x = WORDS[np.arange(2 * length).reshape(2, length) % 8]
        model.train_on_batch(x, np.zeros((2, 1)))
        np.testing.assert_allclose(model.predict(x), model(x), rtol=1e-6)
