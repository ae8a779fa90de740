"""Lookups: vocabularies, adapting, unknown tokens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import DataError, Sequence, layers, source
from streamfit._base.farmhash import fingerprint64

WORDS = [["a", "c", "d"], ["d", "z", "b"]]


class Batches(Sequence):
    """One batch for each row of words."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return np.array([WORDS[index]]), np.zeros(1)


def kinds_of_data() -> list[Any]:
    return [
        WORDS,
        np.array(WORDS),
        np.array(WORDS).astype("S"),
        {"only": np.array(WORDS)},
        (([row], [0.0]) for row in WORDS),
        Batches(),
        source(np.array(WORDS), np.zeros(2)).shuffle().batch(1),
        source(["a c d", "d z b"]).map(lambda text: np.array(str(text).split()), new_form=True).batch(2),
    ]


@pytest.mark.parametrize("place", range(len(kinds_of_data())))
def test_adapting_to_every_kind_of_data(place: int) -> None:
    layer = layers.StringLookup()
    layer.adapt(kinds_of_data()[place])
    assert layer.get_vocabulary() == ["[UNK]", "d", "z", "c", "b", "a"]  # the example of Keras
    assert layer.vocabulary_size() == 6


@given(
    st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5), min_size=1, max_size=6),
    st.integers(2, 9),
)
def test_the_most_frequent_tokens_in_the_order_of_keras(rows: list[list[str]], most: int) -> None:
    layer = layers.StringLookup(max_tokens=most, mask_token="a")
    for row in rows:
        layer.update_state([row])
    flat = [token for row in rows for token in row if token != "a"]
    ranked = sorted(sorted(set(flat), reverse=True), key=lambda token: -flat.count(token))[: most - 2]
    if not ranked:
        with pytest.raises(ValueError, match="hold no token"):
            layer.finalize_state()
        return
    layer.finalize_state()
    assert layer.get_vocabulary() == ["a", "[UNK]", *ranked]
    assert layer.get_vocabulary(include_special_tokens=False) == ranked


def test_adapting_to_a_part_of_an_endless_generator() -> None:
    def endless() -> Any:
        while True:
            yield np.array([["x", "y"]])

    layer = layers.StringLookup()
    layer.adapt(endless(), steps=3)
    assert layer.get_vocabulary() == ["[UNK]", "y", "x"]


def test_tf_idf_is_that_of_its_formula() -> None:
    rows = [["a", "b", "a"], ["b", "c", "c"], ["b", "b", "b"]]
    layer = layers.StringLookup(output_mode="tf_idf", dtype="float64")
    layer.adapt(rows)
    assert layer.get_vocabulary() == ["[UNK]", "b", "c", "a"]
    idf = np.log(1 + 3 / (1 + np.array([3, 1, 1])))
    factors = np.array([idf.mean(), *idf])
    np.testing.assert_allclose(
        layer([["a", "q", "a"], ["b", "c", "b"]]), factors * [[1, 0, 0, 2], [0, 2, 1, 0]]
    )
    again = layers.StringLookup.from_config(layer.get_config())
    np.testing.assert_array_equal(again([["a", "q", "a"]]), layer([["a", "q", "a"]]))


def test_unknown_tokens_have_the_bucket_of_their_fingerprint_in_every_process() -> None:
    words = ["x", "Hello", "TensorFlow", "2.x", "ä"]
    wanted = [4, *(fingerprint64(word.encode()) % 4 for word in words[1:])]
    layer = layers.StringLookup(vocabulary=["x"], num_oov_indices=4)
    assert layer(words).tolist() == wanted
    code = (
        "from streamfit import layers\n"
        f"print(layers.StringLookup(vocabulary=['x'], num_oov_indices=4)({words!r}).tolist())"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert run.stdout.strip() == str(wanted)


def test_no_number_for_unknown_tokens_is_an_error_with_the_token_and_its_row() -> None:
    layer = layers.StringLookup(vocabulary=["x"], num_oov_indices=0, name="mine")
    assert layer(["x", "x"]).tolist() == [0, 0]
    with pytest.raises(DataError, match="layer 'mine': row 1 holds 'q', which is not in its vocabulary"):
        layer([["x", "x"], ["x", "q"]])


def test_masked_tokens() -> None:
    layer = layers.StringLookup(vocabulary=["x", "y"], mask_token="")
    assert layer.get_vocabulary() == ["", "[UNK]", "x", "y"]
    assert layer(["", "q", "x", "y"]).tolist() == [0, 1, 2, 3]
    count = layers.StringLookup(vocabulary=["x", "y"], mask_token="", output_mode="count")
    assert count.get_vocabulary() == ["[UNK]", "x", "y"]
    assert count([["", "x", "x", "q"]]).tolist() == [[1.0, 2.0, 0.0]]
    numbers = layers.IntegerLookup(vocabulary=[5, 7], mask_token=0)
    assert numbers([0, 7, 9]).tolist() == [0, 3, 1]


def test_a_file_and_the_special_tokens_in_front(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("eins\r\nzw\u00f6lf\n\n drei \n".encode())
    layer = layers.StringLookup(vocabulary=path)
    assert layer.get_vocabulary(False) == ["eins", "zwölf", "", " drei "]
    assert layers.StringLookup(vocabulary=str(path)).get_vocabulary() == layer.get_vocabulary()
    other = layers.StringLookup(vocabulary=layer.get_vocabulary())
    assert other.get_vocabulary() == layer.get_vocabulary()
    path.write_text("3\n-4\n")
    assert layers.IntegerLookup(vocabulary=path).get_vocabulary() == [-1, 3, -4]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"vocabulary": []}, "has no tokens"),
        ({"vocabulary": ["a", "b", "a"]}, "has 'a' twice"),
        ({"vocabulary": ["a", "[UNK]"]}, "has '\\[UNK\\]' among its tokens"),
        ({"vocabulary": ["a", "b"], "max_tokens": 2}, "2 tokens and 1 special ones, more than max_tokens=2"),
        ({"vocabulary": ["a"], "output_mode": "binary"}, "output_mode must be one of"),
        ({"vocabulary": ["a"], "output_mode": "count", "invert": True}, "invert=True goes with"),
        ({"vocabulary": ["a"], "output_mode": "tf_idf"}, "idf_weights do not go together"),
        ({"vocabulary": ["a"], "idf_weights": [1.0]}, "idf_weights do not go together"),
        ({"vocabulary": ["a"], "output_mode": "tf_idf", "idf_weights": [1.0, 2.0]}, "each of the 1 tokens"),
        ({"pad_to_max_tokens": True}, "needs max_tokens"),
        ({"num_oov_indices": -1}, "num_oov_indices must be a whole number"),
    ],
)
def test_arguments_that_cannot_work(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        layers.StringLookup(**settings)


def test_no_vocabulary_yet() -> None:
    with pytest.raises(ValueError, match=r"has no vocabulary yet: pass vocabulary=\.\.\., or call adapt"):
        layers.StringLookup()(["a"])


def test_another_vocabulary_counts_from_the_next_call() -> None:
    layer = layers.StringLookup(vocabulary=["a", "b"])
    assert layer(["b"]).tolist() == [2]
    layer.set_vocabulary(["b", "a"])
    assert layer(["b"]).tolist() == [1]


def test_a_single_text() -> None:
    layer = layers.StringLookup(vocabulary=["a"])
    assert int(layer("a")) == 1
    assert layers.StringLookup(vocabulary=["a"], output_mode="one_hot")("a").tolist() == [0.0, 1.0]


@given(
    st.lists(st.lists(st.text("ab\0\ud800é ", max_size=3), min_size=2, max_size=2), min_size=1, max_size=9)
)
def test_texts_of_any_characters_are_counted(rows: list[list[str]]) -> None:
    layer = layers.StringLookup(output_mode="tf_idf", dtype="float64")
    for row in rows:
        layer.update_state(np.array([row], object))
    layer.finalize_state()
    flat = [token for row in rows for token in row]
    ranked = sorted(sorted(set(flat), reverse=True), key=lambda token: -flat.count(token))
    assert layer.get_vocabulary(include_special_tokens=False) == ranked
    seen = np.array([sum(token in row for row in rows) for token in ranked])
    np.testing.assert_allclose(layer.get_config()["idf_weights"], np.log(1 + len(rows) / (1 + seen)))
