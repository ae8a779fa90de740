"""`tokenize`: any tokenizer in a pipeline; ids padded and cut only as asked."""

from __future__ import annotations

import importlib.util
import os
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import source, stream
from streamfit._base.errors import DataError, SampleError
from streamfit.preprocessing.sequence import pad_sequences
from streamfit.preprocessing.text import Tokenizer, tokenize

PARALLELISM = "TOKENIZERS_PARALLELISM"
TEXTS = ["to be or not", "that", "is the question"]


def word_lengths(text: str) -> list[int]:
    return [len(word) for word in text.split()]


class Batched:
    """As `tokenizers.Tokenizer`: encodings with ids, or as in tiktoken lists."""

    def __init__(self, bare: bool = False) -> None:
        self.bare = bare

    def encode_batch(self, texts: list[str], add: int = 0) -> list[Any]:
        """Encode texts."""
        found = [[each + add for each in word_lengths(text)] for text in texts]
        return found if self.bare else [SimpleNamespace(ids=ids) for ids in found]


class Hugging:
    """As the tokenizers of `transformers`: called with texts, they return a mapping."""

    def convert_tokens_to_ids(self, tokens: Any) -> Any:
        """Tell this class from a function."""

    def __call__(self, texts: list[str], add: int = 0) -> Any:
        """Encode texts."""
        return {"input_ids": [[each + add for each in word_lengths(text)] for text in texts], "mask": []}


def with_place(text: str) -> list[int]:
    """Return the process, whether threads of tokenizers are off there, and the lengths of the words."""
    return [os.getpid(), os.environ.get(PARALLELISM) == "false", *word_lengths(text)]


@given(
    st.lists(st.text("ab ", max_size=12), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from(["pre", "post"]),
    st.sampled_from(["pre", "post"]),
)
def test_ids_are_padded_and_cut_as_asked(
    texts: list[str], length: int, padding: Any, truncating: Any
) -> None:
    function = tokenize(word_lengths, length, padding=padding, truncating=truncating, value=9)
    ids = [word_lengths(text) for text in texts]
    expected = pad_sequences(ids, length, "int64", padding, truncating, 9)
    found = pickle.loads(pickle.dumps(function))(np.array(texts, object))
    np.testing.assert_array_equal(found, expected, strict=True)
    np.testing.assert_array_equal(function(np.array(texts)[:, None]), expected, strict=True)
    np.testing.assert_array_equal(function(texts[0]), expected[0], strict=True)
    longest = tokenize(word_lengths, padding=padding)(texts)
    assert longest.shape == (len(texts), max(map(len, ids)))
    for row, found_row in zip(ids, longest, strict=True):
        filled = len(found_row) - len(row)
        assert found_row.tolist() == ([0] * filled + row if padding == "pre" else row + [0] * filled)


@pytest.mark.parametrize(
    "tokenizer", [Batched(), Batched(bare=True), Hugging()], ids=["ids", "lists", "mapping"]
)
def test_libraries_get_the_texts_of_a_batch_at_once(tokenizer: Any) -> None:
    expected = [[3, 3, 3, 4], [5, 0, 0, 0], [3, 4, 9, 0]]
    assert tokenize(tokenizer, padding="post", add=1)(TEXTS).tolist() == expected
    assert tokenize(tokenizer, 2, padding="post", truncating="pre")(TEXTS).tolist() == [
        [2, 3],
        [4, 0],
        [3, 8],
    ]


def test_tokenizer_of_this_package() -> None:
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(TEXTS)
    found = tokenize(tokenizer, padding="post")(TEXTS)
    np.testing.assert_array_equal(found, pad_sequences(tokenizer.texts_to_sequences(TEXTS), padding="post"))


def test_ids_are_the_same_on_any_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PARALLELISM, raising=False)
    data = source(np.array(TEXTS * 4, object), np.arange(12.0)).shuffle().batch(5)
    data = data.map(tokenize(with_place, 6, padding="post"), on="x")
    assert repr(data).endswith(".map(tokenize, on='x')")
    found = []
    for how in ({"workers": 0}, {"workers": 2}, {"workers": 2, "use_multiprocessing": True}):
        with stream(data, seed=3, **how) as batches:
            found.append([np.concatenate(part) for part in zip(*batches, strict=True)])
    for ids, y in found:
        np.testing.assert_array_equal(ids[:, 2:], found[0][0][:, 2:])
        np.testing.assert_array_equal(y, found[0][1])
    places = [set(map(tuple, ids[:, :2].tolist())) for ids, _ in found]
    assert places[0] == places[1] == {(os.getpid(), 0)}
    assert all(process != os.getpid() and off == 1 for process, off in places[2])
    assert PARALLELISM not in os.environ


def test_single_texts_are_mapped_as_well() -> None:
    expected = [[2, 2, 2, 3], [4, 0, 0, 0], [2, 3, 8, 0]]
    texts = source(np.array(TEXTS, object), np.arange(3))
    found, _ = next(iter(texts.map(tokenize(word_lengths, 4, padding="post"), on="x").batch(3)))
    assert found.tolist() == expected
    assert next(iter(source(TEXTS, kind="samples").map(tokenize(word_lengths)))).tolist() == expected[0]


def test_parallelism_that_the_program_sets_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.preprocessing.text.tokenizing.inside_worker", lambda: True)
    monkeypatch.setenv(PARALLELISM, "true")
    assert tokenize(with_place, 6, padding="post")(["a"])[0, 1] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "text 1 has 1 ids and not 4, as text 0 has; give tokenize a length"),
        ({"length": 4}, "text 1 has 1 ids and not 4; give tokenize padding='post'"),
        ({"length": 2, "padding": "post"}, "text 0 has 4 ids and not 2; give tokenize truncating='post'"),
    ],
)
def test_text_that_does_not_fit_is_named(options: Any, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        tokenize(word_lengths, **options)(TEXTS)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tokenize(3), TypeError, "a int is no tokenizer"),
        (lambda: tokenize(len, 0), ValueError, "length must be at least 1"),
        (lambda: tokenize(len, truncating="post"), ValueError, "needs a length"),
        (lambda: tokenize(len, padding="left"), ValueError, "padding='left'"),  # type: ignore[arg-type]
        (lambda: tokenize(len, value=0.5), TypeError, "value=0.5"),  # type: ignore[arg-type]
        (lambda: tokenize(len)(TEXTS), SampleError, "made 12 of text 0, which is no list"),
        (lambda: tokenize(str.split)(TEXTS), SampleError, "of text 0, which is no list of whole numbers"),
        (lambda: tokenize(word_lengths)([1]), SampleError, "row 0 holds 1"),
        (lambda: tokenize(word_lengths)(np.array([["a", "b"]])), DataError, "one text for each sample"),
        (
            lambda: tokenize(SimpleNamespace(encode_batch=lambda texts: []))(["a"]),
            DataError,
            "0 lists of ids for 1",
        ),
    ],
)
def test_wrong_arguments_and_tokenizers_are_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="tokenizers is not installed")
def test_library_tokenizers() -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = sorted(set(" ".join(TEXTS).split()))
    library = Library(WordLevel({word: number for number, word in enumerate(["?", *words])}, unk_token="?"))
    library.pre_tokenizer = Whitespace()
    function = pickle.loads(pickle.dumps(tokenize(library, 3, padding="post", truncating="post")))
    expected = pad_sequences(
        [[1 + words.index(w) for w in t.split()] for t in TEXTS], 3, "int64", "post", "post"
    )
    np.testing.assert_array_equal(function(TEXTS), expected, strict=True)
