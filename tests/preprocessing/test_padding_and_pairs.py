"""`pad_sequences`, `make_sampling_table`, `skipgrams`: the results of Keras-Preprocessing; and errors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import utils
from streamfit.preprocessing.sequence import make_sampling_table, pad_sequences, skipgrams

keras = pytest.importorskip("keras_preprocessing.sequence")

SIDES = st.sampled_from(["pre", "post"])
INTEGERS = st.lists(st.lists(st.integers(-9, 99), max_size=7), min_size=1, max_size=6)


@pytest.fixture(autouse=True, scope="module")
def name_of_numpy_1() -> Iterator[None]:
    """Give the oracle a name that NumPy 2 has no more."""
    patch = pytest.MonkeyPatch()
    patch.setattr(np, "unicode_", np.str_, raising=False)
    yield
    patch.undo()


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs, strict=True)


@given(INTEGERS, st.none() | st.integers(1, 8), SIDES, SIDES, st.sampled_from(["int32", "int64", "float32"]))
def test_padded_numbers_are_those_of_keras(
    sequences: Any, maxlen: int | None, padding: Any, truncating: Any, dtype: str
) -> None:
    options = {"maxlen": maxlen, "dtype": dtype, "padding": padding, "truncating": truncating, "value": -1}
    expected = keras.pad_sequences(sequences, **options)
    for kind in (sequences, tuple(map(tuple, sequences)), [np.array(row, "int64") for row in sequences]):
        same(pad_sequences(kind, **options), expected)
    mixed = [row if place % 2 else np.array(row, "int8") for place, row in enumerate(sequences)]
    same(pad_sequences(mixed, **options), expected)


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=5),
    st.sampled_from([(), (2,), (2, 3)]),
    st.none() | st.integers(1, 5),
    SIDES,
)
def test_padded_vectors_are_those_of_keras(
    lengths: list[int], shape: tuple[int, ...], maxlen: int | None, side: Any
) -> None:
    rng = np.random.default_rng(len(lengths))
    rows = [rng.normal(size=(length, *shape)) for length in lengths]
    for dtype in ("float32", "float64"):
        expected = keras.pad_sequences(rows, maxlen, dtype, side, side, 0.5)
        same(pad_sequences(rows, maxlen, dtype, side, side, 0.5), expected)
        lists = [row.tolist() for row in rows]
        same(
            pad_sequences(lists, maxlen, dtype, side, side, 0.5),
            keras.pad_sequences(lists, maxlen, dtype, side, side, 0.5),
        )


def test_padded_text_is_that_of_keras() -> None:
    words = [["a", "bc"], ["def"], []]
    for dtype in (object, "<U3"):
        same(pad_sequences(words, dtype=dtype, value="-"), keras.pad_sequences(words, dtype=dtype, value="-"))
    same(
        pad_sequences([["a"], []], dtype=str, value="-"),
        keras.pad_sequences([["a"], []], dtype=str, value="-"),
    )
    assert utils.pad_sequences is pad_sequences


def test_large_whole_numbers_keep_every_bit() -> None:
    same(pad_sequences([[2**62 + 1], [1, 2]], dtype="int64"), np.array([[0, 2**62 + 1], [1, 2]]))
    same(pad_sequences([[2**62 + 1], [1.0, 2.0]], dtype="int64"), np.array([[0, 2**62 + 1], [1, 2]]))
    same(pad_sequences([[1.0], [2]]), np.array([[1], [2]], "int32"))


@pytest.mark.parametrize(
    ("sequences", "options", "message"),
    [
        ([[1], [0.5]], {}, "sequence 1: dtype int32 does not hold .*0.5.*; write dtype='float32'"),
        ([[1], [np.nan]], {}, "sequence 1: dtype int32 does not hold"),
        ([[1], [2**40]], {}, "sequence 1: dtype int32 does not hold"),
        ([np.array([1]), np.array([2**40])], {}, "sequence 1: dtype int32 does not hold .*1099511627776"),
        ([[1], [2**24 + 1]], {"dtype": "float32"}, "sequence 1: dtype float32 does not hold .*16777217"),
        ([[1.0], [1e6]], {"dtype": "float16"}, "sequence 1: dtype float16 does not hold .*1000000"),
        ([[1], [1j]], {}, "sequence 1: dtype int32 does not hold"),
        ([["abcd"]], {"dtype": "<U3", "value": ""}, "dtype <U3 does not hold .*'abcd'.*; write dtype=object"),
        ([["ab"]], {"dtype": str, "value": ""}, "dtype <U1 does not hold"),
        ([[1]], {"value": 0.5}, "value: dtype int32 does not hold"),
        ([[1]], {"value": "a"}, "write dtype=object for text"),
        ([[1], 2], {}, "sequence 1 is 2"),
        (["abc"], {}, "sequence 0 is 'abc'"),
        ("abc", {}, "sequences must be a list"),
        (iter([[1]]), {}, "sequences must be a list"),
        ([], {}, "give maxlen"),
        ([[[1, 2]], [[1]]], {}, r"sequence 1 has shape \(1,\), one of sequence 0 has \(2,\)"),
        ([[1], [[1], [1, 2]]], {}, "sequence 1: dtype int32 does not hold"),
        ([[None]], {}, "sequence 0: dtype int32 does not hold"),
        ([[1]], {"maxlen": 0}, "maxlen must be at least 1"),
        ([[1]], {"padding": "left"}, "padding='left'"),
        ([[1]], {"truncating": None}, "truncating=None"),
    ],
)
def test_what_does_not_fit_is_named(sequences: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pad_sequences(sequences, **options)


def test_nothing_to_pad() -> None:
    assert pad_sequences([], maxlen=3).shape == (0, 3)
    same(pad_sequences([[], []]), keras.pad_sequences([[], []]))
    same(pad_sequences([[], []], maxlen=2), keras.pad_sequences([[], []], maxlen=2))


@given(st.integers(1, 300), st.sampled_from([1e-5, 1e-3, 1.0]))
def test_sampling_table_is_that_of_keras(size: int, factor: float) -> None:
    same(make_sampling_table(size, factor), keras.make_sampling_table(size, factor))


def draws(function: Any, start: int, *given: Any, **options: Any) -> tuple[Any, Any]:
    random.seed(start)
    found = function(*given, **options)
    return found, random.getstate()


@given(
    st.lists(st.integers(0, 19), max_size=30),
    st.fixed_dictionaries(
        {
            "window_size": st.integers(0, 40),
            "negative_samples": st.sampled_from([0, 0.3, 1.0, 2.5]),
            "shuffle": st.booleans(),
            "categorical": st.booleans(),
            "seed": st.integers(0, 2**70),
        }
    ),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_pairs_and_random_state_are_those_of_keras(
    words: list[int], options: dict[str, Any], sampled: bool, seed: int
) -> None:
    if sampled:
        options["sampling_table"] = make_sampling_table(20, 1e-2)
    ours, state = draws(skipgrams, seed, words, 20, **options)
    theirs, expected = draws(keras.skipgrams, seed, words, 20, **options)
    assert ours == theirs
    assert state == expected


@pytest.mark.filterwarnings("ignore:non-integer arguments to randrange")
def test_pairs_without_a_seed_are_drawn_like_those_of_keras() -> None:
    words = np.random.default_rng(0).integers(0, 5000, 200).tolist()
    try:
        theirs = draws(keras.skipgrams, 3, words, 5000)
    except TypeError:  # from Python 3.12 on, Keras needs a seed
        return
    assert draws(skipgrams, 3, np.array(words), 5000) == theirs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: skipgrams([1, 7], 5), r"sequence\[1\] is 7, which is not in 0..4"),
        (lambda: skipgrams([-1], 5), r"sequence\[0\] is -1"),
        (lambda: skipgrams([[1, 2]], 5), "call skipgrams for each sentence"),  # type: ignore[list-item]
        (lambda: skipgrams([0.5], 5), "dtype float64"),  # type: ignore[list-item]
        (lambda: skipgrams([4], 5, sampling_table=[1, 1]), "sampling_table has 2 entries, none for word 4"),
        (lambda: skipgrams([1], 5, negative_samples=-1), "at least 0"),
        (lambda: make_sampling_table(0), "at least 1"),
        (lambda: make_sampling_table(3, 0), "above 0"),
    ],
)
def test_wrong_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_seed_must_be_a_number() -> None:
    with pytest.raises(TypeError, match="seed must be a whole number"):
        skipgrams([1, 2], 5, seed="a")  # type: ignore[arg-type]
