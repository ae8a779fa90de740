"""Lookups: vocabularies, adapting, unknown tokens."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import DataError, Input, Model, Sequence, layers, ops, source
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


@pytest.mark.jit
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
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
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
        ({"vocabulary": ["a"], "output_mode": "ones"}, "output_mode must be one of"),
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


@pytest.mark.parametrize(
    ("make", "x", "wanted"),
    [
        (
            lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=9, salt=[11, 12]),
            ["x", "y", "zwölf"],
            [7, 2, 7],
        ),
        (
            lambda: layers.IntegerLookup(vocabulary=[5], num_oov_indices=9, oov_method="farmhash", salt=4),
            [1, -2, 5, 2**62],
            [3, 3, 9, 4],
        ),
        (
            lambda: layers.IntegerLookup(vocabulary=[5], num_oov_indices=9, oov_method="farmhash"),
            [1, -2, 5, 2**62],
            [0, 1, 9, 3],
        ),
    ],
)
def test_places_of_unknown_tokens_are_those_of_keras(make: Any, x: list[Any], wanted: list[int]) -> None:
    assert make()(x).tolist() == wanted


def test_weights_of_unknown_tokens_where_the_vocabulary_begins_with_them() -> None:
    vocabulary, weights = ["[UNK]", "a", "b", "c", "d"], [0.9, 0.25, 0.75, 0.6, 0.4]
    layer = layers.StringLookup(output_mode="tf_idf")
    layer.set_vocabulary(vocabulary, idf_weights=weights)
    wanted = np.array([[0.0, 0.25, 0.0, 0.6, 0.8], [1.8, 0.0, 0.75, 0.0, 0.4]])  # the example of Keras
    x = [["a", "c", "d", "d"], ["d", "z", "b", "z"]]
    for each in (layer, layers.StringLookup.from_config(layer.get_config())):
        np.testing.assert_allclose(each(x), wanted, rtol=1e-6)
    layer.adapt(x)
    assert layer.get_config()["vocabulary"] == layer.get_vocabulary(False)


def test_configurations_of_keras_are_read() -> None:
    of_keras = {
        **{"name": "s", "trainable": True, "dtype": "float32", "invert": False, "max_tokens": None},
        **{
            "num_oov_indices": 2,
            "oov_token": "[UNK]",
            "mask_token": None,
            "output_mode": "int",
            "sparse": False,
        },
        **{"pad_to_max_tokens": False, "idf_weights": None, "vocabulary": ["a"], "vocabulary_size": 3},
        **{"oov_method": "floormod", "salt": None},
    }
    texts = layers.StringLookup.from_config({**of_keras, "encoding": "utf-8"})
    assert texts.get_config() == {**of_keras, "encoding": "utf-8"}
    whole = {**of_keras, "oov_token": -1, "vocabulary": [7], "vocabulary_dtype": "int64"}
    assert layers.IntegerLookup.from_config(whole).get_config() == whole


def test_numbers_that_stand_for_nothing_unknown_may_be_tokens() -> None:
    layer = layers.IntegerLookup(vocabulary=[-1, 0, 1], num_oov_indices=0)
    assert layer([-1, 0, 1]).tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="has -1 among its tokens"):
        layers.IntegerLookup(vocabulary=[0, -1], num_oov_indices=0, invert=True)


@pytest.mark.parametrize("cut", [False, True])
def test_labels_are_found_behind_an_argmax(cut: bool) -> None:
    scores = Input((3,))
    layer = layers.IntegerLookup(vocabulary=[2**62, -7], invert=True)
    places = ops.argmax(layers.Rescaling(2.0)(scores), -1)
    model = Model(scores, layer(places * 2 if cut else places))
    x = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert model.predict(x, verbose=0).tolist() == ([-7, -1, -1] if cut else [2**62, -7, -1])
    layer.set_vocabulary([5, 6])
    assert model.predict(x, verbose=0).tolist() == ([6, -1, -1] if cut else [5, 6, -1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: layers.StringLookup(sparse=True, output_mode="count"), "leave sparse=True out"),
        (lambda: layers.StringLookup(salt="x"), "salt must be a whole number"),
        (lambda: layers.StringLookup(encoding="latin-1"), "encoding must be one of"),
        (lambda: layers.IntegerLookup(salt=1), "salt goes with oov_method='farmhash'"),
        (lambda: layers.IntegerLookup(oov_method="sip"), "oov_method must be one of"),
        (lambda: layers.IntegerLookup(vocabulary_dtype="int32"), "vocabulary_dtype must be one of"),
    ],
)
def test_arguments_after_keras_that_cannot_work(call: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_another_vocabulary_counts_from_the_next_call() -> None:
    layer = layers.StringLookup(vocabulary=["a", "b"])
    assert layer(["b"]).tolist() == [2]
    layer.set_vocabulary(["b", "a"])
    assert layer(["b"]).tolist() == [1]


def test_a_single_text() -> None:
    layer = layers.StringLookup(vocabulary=["a"])
    assert int(layer("a")) == 1
    assert layers.StringLookup(vocabulary=["a"], output_mode="one_hot")("a").tolist() == [0.0, 1.0]


def test_labels_as_text_behind_a_softmax() -> None:
    start = Input((3,))
    scores = layers.Dense(3, "softmax", kernel_initializer="ones", name="scores")(start)
    layer = layers.StringLookup(vocabulary=["cat", "dög"], invert=True, name="label")
    label = layer(ops.argmax(start, -1))
    model = Model(start, [scores, label])
    x = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    wanted = ["cat", "dög", "[UNK]"]
    assert model.predict(x, batch_size=2, verbose=0)[1].tolist() == wanted
    assert model.predict_on_batch(x)[1].tolist() == wanted
    assert np.asarray(model(x)[1]).tolist() == wanted
    assert model.predict(x[:0], verbose=0)[1].dtype == object
    layer.set_vocabulary(["a", "b"])
    assert model.predict(x, verbose=0)[1].tolist() == ["a", "b", "[UNK]"]
    model.compile("sgd", loss=["mse", None])
    y = [np.zeros((3, 3)), None]
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert model.predict(x, verbose=0)[1].tolist() == ["a", "b", "[UNK]"]
    alone = Model(start, label)
    alone.compile("sgd", "mse")
    with pytest.raises(ValueError, match="output 'label' is text, which has no loss and no metrics"):
        alone.fit(x, np.zeros((3, 1)), verbose=0)


def test_text_that_only_other_layers_read_stays_in_front() -> None:
    places = Input((1,), dtype="int64")
    words = layers.StringLookup(vocabulary=["x", "y"], invert=True)(places)
    hashed = layers.Hashing(9)(words)
    model = Model(places, [words, hashed])
    found = model.predict(np.array([[1], [2]]), verbose=0)
    assert found[0].tolist() == [["x"], ["y"]]
    assert found[1].tolist() == layers.Hashing(9)([["x"], ["y"]]).tolist()
    late = layers.StringLookup(vocabulary=["x"], invert=True)(ops.argmax(Input((2,)), -1))
    with pytest.raises(ValueError, match="runs where batches are loaded, before the model"):
        Model(late.node.inputs[0].node.inputs[0], layers.Hashing(9)(late)).predict(
            np.zeros((1, 2)), verbose=0
        )


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


def test_idf_weights_are_those_of_all_numbers_and_max_tokens_has_room_for_one() -> None:
    layer = layers.StringLookup(vocabulary=["a", "b"], output_mode="tf_idf", idf_weights=[0.5, 1.5])
    assert layer.idf_weights is not None
    assert layer.idf_weights.tolist() == [1.0, 0.5, 1.5]  # the mean for unknown tokens
    assert layers.StringLookup(vocabulary=["a"]).idf_weights is None
    assert layers.StringLookup(output_mode="tf_idf").idf_weights is None
    for lookup in (layers.StringLookup, layers.IntegerLookup):
        with pytest.raises(ValueError, match="max_tokens=1 leaves no room"):
            lookup(max_tokens=1)  # type: ignore[operator]


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.StringLookup(num_oov_indices=2, mask_token="", vocabulary=["a", "ü b", "c"]),
        lambda: layers.IntegerLookup(vocabulary=[7, -3]),
        lambda: layers.StringLookup(output_mode="tf_idf", vocabulary=["a", "b"], idf_weights=[0.5, 2.0]),
    ],
)
def test_vocabularies_travel_as_files_of_a_folder(tmp_path: Path, make: Any) -> None:
    layer, other = make(), make()
    layer.save_assets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.txt"]
    with open(tmp_path / "vocabulary.txt", "a", encoding="utf-8") as file:
        file.write("\n")
    other.load_assets(tmp_path)
    assert other.get_vocabulary() == layer.get_vocabulary()
    tokens = np.array([layer.get_vocabulary()[-1:]])
    np.testing.assert_array_equal(other(tokens), layer(tokens))
    for kind in (RuntimeError, ValueError):
        with pytest.raises(kind, match=r"has no vocabulary yet.*output_mode=int"):
            layers.StringLookup()(["a"])


def test_the_number_of_unknown_tokens_may_be_a_token_unless_it_is_looked_up() -> None:
    layer = layers.IntegerLookup(vocabulary=[1, 2, 3], oov_token=1, mask_token=0)
    assert layer(np.array([0, 1, 2, 3, 9])).tolist() == [0, 2, 3, 4, 1]
    with pytest.raises(ValueError, match="has 1 among its tokens"):
        layers.IntegerLookup(vocabulary=[2, 1], oov_token=1, mask_token=0, invert=True)


def test_an_unknown_argument_is_both_errors() -> None:
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="StringLookup has no argument 'vocab'"):
            layers.StringLookup(vocab=["a"])  # type: ignore[call-arg]
