"""Text functions and `Tokenizer`: the results of Keras-Preprocessing; and errors for what it loses."""

from __future__ import annotations

import json
import pickle
import random
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamfit._base.errors import DataError
from streamfit.preprocessing.text import (
    Tokenizer,
    hashing_trick,
    one_hot,
    text_to_word_sequence,
    tokenizer_from_json,
)

keras = pytest.importorskip("keras_preprocessing.text")

TEXTS = st.text("aAbBcC ,.\t\nßİ'", max_size=30)
DOCUMENTS = st.lists(TEXTS | st.lists(st.sampled_from(["a", "B", "c c", ""])), max_size=6)
OPTIONS = st.fixed_dictionaries(
    {
        "num_words": st.none() | st.integers(0, 6),
        "filters": st.sampled_from(["", ",.\t\n", [",", "a"]]),
        "lower": st.booleans(),
        "split": st.sampled_from([" ", "b", "bc"]),
        "char_level": st.booleans(),
        "oov_token": st.sampled_from([None, "?", "a"]),
    }
)
IDS = st.lists(st.lists(st.integers(0, 12), max_size=8), max_size=5)


def state(tokenizer: Any) -> tuple[Any, ...]:
    names = ("word_counts", "word_docs", "index_docs", "word_index", "index_word", "document_count")
    return tuple(getattr(tokenizer, name) for name in names)


def pair(texts: list[Any], options: dict[str, Any]) -> tuple[Tokenizer, Any]:
    ours, theirs = Tokenizer(**options), keras.Tokenizer(**options)
    for half in (texts[:3], texts[3:]):
        ours.fit_on_texts(half)
        theirs.fit_on_texts(half)
    return ours, theirs


@given(TEXTS, st.sampled_from(["", "ab", ["a", ","]]), st.booleans(), st.sampled_from([" ", "a", "bc"]))
def test_words_are_those_of_keras(text: str, filters: Any, lower: bool, split: str) -> None:
    expected = keras.text_to_word_sequence(text, filters, lower, split)
    assert text_to_word_sequence(text, filters, lower, split) == expected
    assert text_to_word_sequence(text) == keras.text_to_word_sequence(text)


@given(TEXTS, st.integers(2, 50))
def test_hashed_words_are_those_of_keras(text: str, n: int) -> None:
    for function in (None, "md5", len, lambda word: -len(word)):
        assert hashing_trick(text, n, function) == keras.hashing_trick(text, n, function)
    assert one_hot(text, n) == keras.one_hot(text, n)


@given(DOCUMENTS, OPTIONS)
def test_vocabulary_is_that_of_keras(texts: list[Any], options: dict[str, Any]) -> None:
    ours, theirs = pair(texts, options)
    assert state(ours) == state(theirs)
    assert list(ours.word_counts) == list(theirs.word_counts)
    assert list(ours.word_index) == list(theirs.word_index)


@given(DOCUMENTS, OPTIONS, DOCUMENTS, IDS)
def test_sequences_and_texts_are_those_of_keras(
    texts: list[Any], options: dict[str, Any], others: list[Any], ids: list[list[int]]
) -> None:
    ours, theirs = pair([*texts, "aa"], options)
    if not theirs.word_index:
        return
    expected = theirs.texts_to_sequences(others)
    assert ours.texts_to_sequences(others) == expected
    assert list(ours.texts_to_sequences_generator(iter(others))) == expected
    assert ours.sequences_to_texts(ids) == theirs.sequences_to_texts(ids)
    assert list(ours.sequences_to_texts_generator(iter(expected))) == theirs.sequences_to_texts(expected)


@given(DOCUMENTS, st.integers(1, 9), IDS, st.sampled_from(["binary", "count", "freq", "tfidf"]))
def test_matrices_are_those_of_keras(texts: list[Any], num_words: int, ids: Any, mode: Any) -> None:
    ours, theirs = pair([*texts, "a b"], {"num_words": num_words})
    for tokenizer in (ours, theirs):
        tokenizer.fit_on_sequences(ids[1:])
    assert state(ours) == state(theirs)
    np.testing.assert_array_equal(ours.sequences_to_matrix(ids, mode), theirs.sequences_to_matrix(ids, mode))
    np.testing.assert_array_equal(ours.texts_to_matrix(texts, mode), theirs.texts_to_matrix(texts, mode))
    ours.num_words = theirs.num_words = None
    np.testing.assert_array_equal(ours.texts_to_matrix(texts, mode), theirs.texts_to_matrix(texts, mode))


@given(DOCUMENTS, OPTIONS)
def test_json_is_read_by_keras_and_read_from_it(texts: list[Any], options: dict[str, Any]) -> None:
    ours, theirs = pair(texts, options)
    written, known = json.loads(ours.to_json()), json.loads(theirs.to_json())
    assert list(written["config"]) == list(known["config"])
    for config in (written["config"], known["config"]):
        for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index"):
            config[name] = json.loads(config[name])
    assert written == known
    assert state(keras.tokenizer_from_json(ours.to_json())) == state(theirs)
    again = tokenizer_from_json(theirs.to_json(indent=1))
    assert state(again) == state(ours)
    assert tokenizer_from_json(ours.to_json()).to_json() == ours.to_json()
    again.fit_on_texts(["new words"])  # a restored tokenizer can be fitted on


def test_texts_of_any_kind_give_one_vocabulary() -> None:
    texts = ["the cat", "the ä"]
    expected = pair(texts, {})[0].word_index
    kinds: list[Any] = [
        np.array(texts),
        np.array(texts, object),
        np.array(texts, np.dtypes.StringDType()),
        [text.encode() for text in texts],
        pd.Series(texts),
        iter(texts),
    ]
    for kind in kinds:
        tokenizer = Tokenizer()
        tokenizer.fit_on_texts(kind)
        assert tokenizer.word_index == expected
    assert state(pickle.loads(pickle.dumps(tokenizer))) == state(tokenizer)


def test_tokens_that_are_no_text_work_without_lower() -> None:
    ours, theirs = pair([[1, 2], [2]], {"lower": False})
    assert ours.texts_to_sequences([[2, 3]]) == theirs.texts_to_sequences([[2, 3]]) == [[1]]
    with pytest.raises(TypeError, match="token 1 is a int"):
        ours.to_json()  # Keras writes "1", which is another token


def test_fit_that_fails_changes_nothing() -> None:
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(["a"])
    before = pickle.dumps(tokenizer)
    with pytest.raises(TypeError, match="got nan") as caught:
        tokenizer.fit_on_texts(["b", float("nan")])  # type: ignore[list-item]
    assert caught.value.__notes__ == ["in text 1"]
    with pytest.raises(ValueError, match="at least 0, got -1"):
        tokenizer.fit_on_sequences([[1], [-1]])
    assert pickle.dumps(tokenizer) == before


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: text_to_word_sequence(b"a"), TypeError, "must be a str"),
        (lambda: text_to_word_sequence("a", split=""), ValueError, "split=''"),
        (lambda: text_to_word_sequence("a", filters=["ab"]), ValueError, "single characters, got 'ab'"),
        (lambda: hashing_trick("a", 1), ValueError, "n must be at least 2"),
        (lambda: hashing_trick("a", 5, "sha"), ValueError, "write 'md5'"),
        (lambda: hashing_trick("a", 5, lambda word: 0.5), TypeError, "float"),  # type: ignore[arg-type,return-value]
        (lambda: Tokenizer(words=3), TypeError, "no argument 'words'"),
        (lambda: Tokenizer(oov_token=True), TypeError, "oov_token=True"),  # type: ignore[arg-type]
        (lambda: Tokenizer(num_words=-1), ValueError, "at least 0"),
        (lambda: Tokenizer(split=""), ValueError, "split=''"),
        (lambda: Tokenizer().fit_on_texts("the cat"), TypeError, r"write a list of texts: \[text\]"),
        (lambda: Tokenizer().fit_on_texts([["a", 1]]), TypeError, "token 1 is a int"),
        (lambda: Tokenizer().texts_to_sequences(["a"]), ValueError, "vocabulary is empty"),
        (lambda: Tokenizer().sequences_to_texts([[1]]), ValueError, "vocabulary is empty"),
        (lambda: Tokenizer().sequences_to_matrix([[1]]), ValueError, "give num_words"),
        (lambda: Tokenizer(5).sequences_to_matrix([[1]], "tfidf"), ValueError, "counts of documents"),
        (lambda: Tokenizer(5).sequences_to_matrix([], "sum"), ValueError, "mode='sum'"),  # type: ignore[arg-type]
        (lambda: Tokenizer(5).sequences_to_matrix([[1], [2, -1]]), DataError, "sequence 1 holds -1"),
        (lambda: Tokenizer(5).sequences_to_matrix([[1], [0.5]]), DataError, "sequence 1 holds something"),  # type: ignore[list-item]
        (lambda: Tokenizer(5).sequences_to_matrix(iter([[1]])), TypeError, "must have a length"),  # type: ignore[arg-type]
        (lambda: tokenizer_from_json("[]"), DataError, "no JSON of a tokenizer"),
        (lambda: tokenizer_from_json("{"), DataError, "no JSON of a tokenizer"),
        (lambda: tokenizer_from_json("[" * 100_000), DataError, "no JSON of a tokenizer"),
    ],
)
def test_wrong_input_is_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_keras_loses_is_an_error() -> None:
    tokenizer, theirs = pair(["a ? b", "?"], {"oov_token": "?", "filters": ""})
    last = max(tokenizer.word_index.values())
    assert theirs.texts_to_matrix(["b"]).sum() == 0  # the OOV token is a word, too: a row is one too short
    with pytest.raises(DataError, match=f"holds {last}, which is no number of the vocabulary"):
        tokenizer.texts_to_matrix(["b"])
    tokenizer = Tokenizer(9)
    tokenizer.fit_on_sequences([[1]])
    for restored in (tokenizer, tokenizer_from_json(tokenizer.to_json())):
        with pytest.raises(ValueError, match="would overwrite the counts"):
            restored.fit_on_texts(["a"])


@pytest.mark.parametrize("name", ["word_counts", "word_index", "index_word"])
@pytest.mark.parametrize("value", ["[]", '{"1": []}', "3", "{", None])
def test_damaged_json_is_named(name: str, value: Any) -> None:
    whole = json.loads(Tokenizer().to_json())
    whole["config"][name] = value
    with pytest.raises(DataError, match="no JSON of a tokenizer"):
        tokenizer_from_json(json.dumps(whole))


def test_name_of_keras_1_is_taken_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="write num_words"):
        assert Tokenizer(nb_words=3).num_words == 3


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_long_texts_have_the_vocabulary_of_keras(seed: int) -> None:
    draw = random.Random(seed)
    texts = [" ".join(f"w{int(draw.paretovariate(0.8)) % 300}" for _ in range(40)) for _ in range(20)]
    ours, theirs = pair(texts, {"num_words": 50, "oov_token": "?"})
    assert state(ours) == state(theirs)
    for mode in ("freq", "tfidf"):
        np.testing.assert_array_equal(ours.texts_to_matrix(texts, mode), theirs.texts_to_matrix(texts, mode))  # type: ignore[arg-type]
