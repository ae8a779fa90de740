"""Hashing and HashedCrossing: the buckets of Keras, data of any kind, errors."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from streamfit import DataError, Input, Model, Sequential, ShapeError, layers
from streamfit._base.farmhash import fingerprint64
from streamfit.layers.known_hashes import KnownHashes

LETTERS = [["A"], ["B"], ["C"], ["D"], ["E"]]
WORDS = ["one", "two", "three", "", "zwölf", "five", "x" * 20, "y" * 40, "z" * 100, "ä€𝄞" * 50]
NUMBERS = np.array([7, -3, 2**62, -(2**63), 2**63 - 1, 0, 2**53 + 1])


@pytest.mark.parametrize(
    ("settings", "x", "wanted"),
    [  # Keras 3.15.1 on TensorFlow
        ({"num_bins": 3}, LETTERS, [[1], [0], [1], [1], [2]]),
        ({"num_bins": 3, "salt": 1337}, LETTERS, [[2], [0], [0], [2], [0]]),
        ({"num_bins": 3, "salt": [133, 137]}, LETTERS, [[1], [2], [1], [0], [2]]),
        ({"num_bins": 3, "mask_value": ""}, [["A"], ["B"], [""], ["C"], ["D"]], [[1], [1], [0], [2], [2]]),
        ({"num_bins": 5}, WORDS, [0, 4, 0, 3, 3, 2, 3, 1, 3, 1]),
        ({"num_bins": 5, "mask_value": ""}, WORDS, [2, 2, 1, 0, 4, 1, 1, 3, 2, 3]),
        ({"num_bins": 5, "mask_value": "", "salt": 1337}, WORDS, [3, 4, 4, 0, 1, 2, 2, 4, 1, 3]),
        ({"num_bins": 7}, NUMBERS, [2, 4, 2, 3, 2, 2, 2]),
        ({"num_bins": 7, "salt": 9, "mask_value": 0}, NUMBERS, [3, 4, 4, 4, 6, 0, 3]),
        ({"num_bins": 1, "mask_value": ""}, ["a", ""], [0, 0]),
    ],
)
def test_the_buckets_of_keras(settings: dict[str, Any], x: Any, wanted: list[Any]) -> None:
    assert layers.Hashing(**settings)(x).tolist() == wanted


def test_texts_and_numbers_of_any_form() -> None:
    layer = layers.Hashing(1000)
    wanted = layer(["1", "2"]).tolist()
    forms = [
        np.array(["1", "2"]),
        np.array([b"1", b"2"]),
        np.array(["1", "2"], object),
        np.array([1, 2]),
        np.array([1.0, 2.0]),
        [1, 2],
    ]
    for form in forms:
        assert layer(form).tolist() == wanted


def test_models_take_what_the_data_are() -> None:
    for x in (np.array([["a", "b"], ["c", "a"]]), np.array([[2**62, 1], [2**62 + 1, 2]])):
        model = Sequential([layers.Hashing(50), layers.Embedding(50, 2), layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse")
        assert np.isfinite(model.fit(x, np.zeros((2, 1)), verbose=0).history["loss"][0])
        np.testing.assert_array_equal(model.predict(x, verbose=0), model(x))
        first = layers.Hashing(50)
        dtype = "string" if x.dtype.kind == "U" else "int64"
        stack = Sequential([Input((2,), dtype=dtype), first])
        assert stack.predict(x, verbose=0).tolist() == first(x).tolist()


def test_crossings_of_keras() -> None:
    letters, codes = np.array(["A", "B", "A", "B", "A"]), np.array([101, 101, 101, 102, 102])
    layer = layers.HashedCrossing(5)
    assert layer((letters, codes)).tolist() == [1, 4, 1, 1, 3]
    one = layers.HashedCrossing(5, output_mode="one_hot")([letters[:, None], codes[:, None]])
    assert (one.argmax(-1).tolist(), one.shape) == ([1, 4, 1, 1, 3], (5, 5))
    large = layers.HashedCrossing(2**40)
    texts, numbers = np.array(["A", "B", "", "ä€"]), np.array([101, -5, 2**62, 0])
    assert large([texts, numbers]).tolist() == [1081723973131, 439286517320, 402399931069, 516815859255]
    three = [np.array(["A", "B"]), np.array([1, 2]), np.array(["x", "y"])]
    assert large(three).tolist() == [782802769325, 655136824615]
    a, b = Input((1,), dtype="string"), Input((1,), dtype="int64")
    model = Model([a, b], layer([a, b]))
    assert model.predict([letters, codes], verbose=0).ravel().tolist() == [1, 4, 1, 1, 3]


def test_crossings_of_words_that_come_again() -> None:
    """What a layer remembers of texts changes nothing: a second time, in threads, in a copy."""
    rng = np.random.default_rng(3)
    words = np.array([f"w{i}" for i in range(60)], object)
    batches = [rng.choice(words[: 5 + 5 * i], (2, 40)) for i in range(12)]
    wanted = [layers.HashedCrossing(1000)(list(batch)).tolist() for batch in batches]
    layer = layers.HashedCrossing(1000)
    for _ in range(2):
        assert [layer(list(batch)).tolist() for batch in batches] == wanted
    shared = layers.HashedCrossing(1000)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: shared.compute(list(batch)).tolist(), batches * 20))
    assert found == wanted * 20
    assert pickle.loads(pickle.dumps(layer))(list(batches[3])).tolist() == wanted[3]


def test_only_so_many_texts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfit.layers.known_hashes._MOST", 3)
    known = KnownHashes()
    texts = ["a", "b", "a", "ä", "d", "e", "d"]
    for _ in range(2):
        assert known(texts).tolist() == [fingerprint64(text.encode()) for text in texts]
    assert len(known) == 3
    assert known([]).tolist() == []


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: layers.Hashing(0), ValueError, "num_bins must be a whole number of at least 1"),
        (lambda: layers.Hashing(2, salt=-1), ValueError, "salt must be a whole number in"),
        (lambda: layers.Hashing(2, salt=[1, 2, 3]), ValueError, "salt must be a whole number in"),
        (
            lambda: layers.Hashing(2, mask_value=0.5),
            ValueError,
            "mask_value must be a text or a whole number",
        ),
        (lambda: layers.Hashing(2, output_mode="tf_idf"), ValueError, "output_mode must be one of"),
        (lambda: layers.Hashing(2, sparse=True), ValueError, "leave sparse=True out"),
        (lambda: layers.Hashing(2, dtype="float32"), ValueError, "dtype of Hashing with output_mode='int'"),
        (
            lambda: layers.Hashing(2, mask_value="")([1, 2]),
            TypeError,
            "has mask_value='', but its input is numbers",
        ),
        (
            lambda: layers.Hashing(2, mask_value=0)(["a"]),
            TypeError,
            "has mask_value=0, but its input is text",
        ),
        (lambda: layers.Hashing(2)([0.5]), DataError, "row 0 holds 0.5"),
        (lambda: layers.HashedCrossing(2)(NUMBERS), ValueError, "combines at least two inputs"),
        (lambda: layers.HashedCrossing(2)([NUMBERS]), ValueError, "combines at least two inputs"),
        (
            lambda: layers.HashedCrossing(2)([NUMBERS, NUMBERS[:, None]]),
            ShapeError,
            r"got \(None,\), \(None, 1\)",
        ),
        (lambda: layers.HashedCrossing(2)([np.zeros((2, 2), int)] * 2), ShapeError, r"or all \(batch, 1\)"),
        (lambda: layers.HashedCrossing(2, "count"), ValueError, "output_mode must be one of"),
    ],
)
def test_errors(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()
