"""The layer from texts to vectors: vocabulary and hashes, vectors to begin with, descriptions, training."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import Model, Sequential, layers, optimizers
from streamfit._base.farmhash import fingerprint64
from streamfit.layers.hashed_words import HashedWords
from streamfit.optimizers import tables

Array = np.ndarray[Any, Any]
TEXTS = ["A good, good film.", "bad", "", "a film of sorts", "?!"]
WORDS = ["a", "good", "bad", "film"]
X = np.array(TEXTS * 4, dtype=object)
Y = np.arange(20.0)[:, None] % 5


def combined(texts: list[str], table: Array, combiner: str) -> Array:
    """The formula: lower case, no punctuation, words at blanks, [UNK] for what is not in WORDS."""
    rows = []
    for text in texts:
        words = "".join(c for c in text.lower() if c.isalnum() or c == " ").split()
        found = [table[WORDS.index(word) + 2 if word in WORDS else 1] for word in words]
        power = {"sum": 0.0, "mean": 1.0, "sqrtn": 0.5}[combiner]
        rows.append(np.sum(found, axis=0) / len(found) ** power if found else np.zeros(table.shape[1]))
    return np.array(rows)


@pytest.mark.parametrize("combiner", ["mean", "sum", "sqrtn"])
def test_values(combiner: str) -> None:
    layer = layers.SentenceEmbedding(3, vocabulary=WORDS, combiner=combiner, dtype="float64")
    found = layer(np.array(TEXTS, dtype=object))
    (table,) = layer.get_weights()
    assert table.shape == (6, 3)
    np.testing.assert_allclose(found, combined(TEXTS, table, combiner), rtol=1e-12)
    assert layer.get_vocabulary() == ["", "[UNK]", *WORDS]
    for form in (TEXTS, np.array(TEXTS), np.array(TEXTS, object)[:, None], np.array(TEXTS).astype("S")):
        np.testing.assert_array_equal(layer(form), found)


def test_adapt_makes_the_vocabulary_and_comes_first() -> None:
    layer = layers.SentenceEmbedding(2, max_tokens=4, name="words")
    with pytest.raises(ValueError, match=r"layer 'words' has no vocabulary yet: pass vocabulary=..., or"):
        layer(TEXTS)
    layer.adapt(TEXTS)
    assert layer.get_vocabulary() == ["", "[UNK]", "good", "film"]
    assert layer(TEXTS).shape == (5, 2)
    assert layer.get_weights()[0].shape == (4, 2)
    with pytest.raises(ValueError, match="layer 'words' has vectors for its vocabulary already: call"):
        layer.adapt(TEXTS)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1), max_size=4))
def test_hashes_are_those_of_the_fingerprint(words: list[str]) -> None:
    rows = HashedWords(7, None, "whitespace")(np.array([" ".join(words), "one"], object))
    wanted = [1 + fingerprint64(word.encode()) % 7 for word in words]
    assert rows[0].tolist() == wanted + [0] * (rows.shape[1] - len(words))
    assert rows[1, 0] == 1 + fingerprint64(b"one") % 7


def test_a_layer_of_hashes_is_described_and_pickled() -> None:
    layer = HashedWords(7, split="character", name="hashed")
    found = layer(TEXTS)
    assert layer.get_config()["buckets"] == 7
    for again in (HashedWords.from_config(layer.get_config()), pickle.loads(pickle.dumps(layer))):
        assert again.get_config() == layer.get_config()
        np.testing.assert_array_equal(again(TEXTS), found)


def test_hashed_words_need_no_vocabulary() -> None:
    layer = layers.SentenceEmbedding(2, num_hash_buckets=5, combiner="sum", standardize="lower")
    found = layer(["One two", "two ONE", ""])
    (table,) = layer.get_weights()
    assert table.shape == (6, 2)
    both = sum(table[1 + fingerprint64(word) % 5] for word in (b"one", b"two"))
    np.testing.assert_allclose(found, [both, both, [0, 0]], rtol=1e-6)
    with pytest.raises(ValueError, match="hashes words: there is no vocabulary to adapt"):
        layer.adapt(TEXTS)


def model_of(layer: layers.Layer, optimizer: Any = "adam") -> Sequential:
    model = Sequential([layer, layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


@pytest.mark.jit
@pytest.mark.parametrize("options", [{"vocabulary": WORDS}, {"num_hash_buckets": 9}], ids=["words", "hashes"])
def test_it_trains_on_texts_with_the_same_bits_whoever_loads_them(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SMALLEST", 0)
    found = []
    for settings in ({"workers": 0}, {"workers": 2}, {"workers": 1, "use_multiprocessing": True}):
        layer = layers.SentenceEmbedding(3, embeddings_initializer="ones", **options)
        model = model_of(layer, optimizers.Adam(0.05))
        model.predict(X[:1], verbose=0)
        model.layers[-1].set_weights([np.array([[1.0], [2.0], [-1.0]]), np.zeros(1)])
        history = model.fit(X, Y, batch_size=3, epochs=3, seed=1, verbose=0, **settings)
        assert history.history["loss"][-1] < history.history["loss"][0]
        found.append(b"".join(w.tobytes() for w in [*model.get_weights(), model.predict(X, verbose=0)]))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("when", ["given", "set"])
def test_vectors_that_are_not_trainable_stay(when: str) -> None:
    layer = layers.SentenceEmbedding(3, vocabulary=WORDS, trainable=when != "given")
    model = model_of(layer)
    if when == "set":
        model.predict(X[:1], verbose=0)
        layer.trainable = False
        model.compile("adam", "mse")
    model.predict(X[:1], verbose=0)
    before = layer.get_weights()[0].copy()
    assert [w.name for w in model.trainable_weights] == ["kernel", "bias"]
    model.fit(X, Y, verbose=0)
    assert layer.get_weights()[0].tobytes() == before.tobytes()


def test_vectors_of_a_file_are_those_of_the_words(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("the 9 9\nfilm 1 2\ngood -1 .5\n")
    layer = layers.SentenceEmbedding(2, vocabulary=WORDS, vectors=path, embeddings_initializer="ones")
    layer(TEXTS)
    table = layer.get_weights()[0]
    assert table.tolist() == [[1, 1], [1, 1], [1, 1], [-1, 0.5], [1, 1], [1, 2]]
    assert layer.vectors_found == 2
    with pytest.raises(ValueError, match=r"vectors.txt have 2 numbers; write output_dim=2 in place of 3"):
        layers.SentenceEmbedding(3, vocabulary=WORDS, vectors=str(path))(TEXTS)
    with pytest.raises(ValueError, match="a file of vectors needs a vocabulary: leave out num_hash_buckets"):
        layers.SentenceEmbedding(2, num_hash_buckets=3, vectors=path)


def test_vectors_that_are_given_must_fit() -> None:
    layer = layers.SentenceEmbedding(2, vocabulary=["a"], vectors=[[0, 0], [1, 1], [2, 3]])
    assert layer(["a", "b"]).tolist() == [[2.0, 3.0], [1.0, 1.0]]
    assert layer.vectors_found is None
    with pytest.raises(ValueError, match=r"must have shape \(3, 2\)"):
        layers.SentenceEmbedding(2, vocabulary=["a"], vectors=[[0, 0]])(["a"])


@pytest.mark.parametrize(
    "options",
    [
        {"vocabulary": WORDS, "max_tokens": 8, "combiner": "sqrtn", "trainable": False},
        {"num_hash_buckets": 9, "standardize": None, "split": "character", "embeddings_regularizer": "l2"},
    ],
    ids=["words", "hashes"],
)
def test_description_makes_an_equal_layer(options: dict[str, Any]) -> None:
    layer = layers.SentenceEmbedding(3, name="words", **options)
    config = layer.get_config()
    assert {"output_dim", "vocabulary", "num_hash_buckets", "combiner"} < set(config)
    again = layers.SentenceEmbedding.from_config(config)
    assert again.get_config() == config
    found = layer(TEXTS)
    again(TEXTS)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(TEXTS), found)
    assert layer.get_config() == config
    assert again.trainable == layer.trainable


def test_an_adapted_layer_is_described_with_its_vocabulary() -> None:
    layer = layers.SentenceEmbedding(3)
    layer.adapt(TEXTS)
    again = layers.SentenceEmbedding.from_config(layer.get_config())
    assert again.get_vocabulary() == layer.get_vocabulary()


def test_it_can_be_shared_in_a_graph() -> None:
    a, b = (layers.Input((), dtype="string", name=name) for name in "ab")
    layer = layers.SentenceEmbedding(3, vocabulary=WORDS)
    model = Model([a, b], layers.subtract([layer(a), layer(b)]))
    assert not model.predict([X, X], verbose=0).any()
    assert model.count_params() == 18


def test_arguments_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="num_hash_buckets does without a vocabulary: leave out max_tokens"):
        layers.SentenceEmbedding(2, max_tokens=9, num_hash_buckets=3)
    with pytest.raises(ValueError, match=r"combiner must be one of .* got 'max'"):
        layers.SentenceEmbedding(2, vocabulary=WORDS, combiner="max")
