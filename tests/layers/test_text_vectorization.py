"""Text to numbers of words: against plain Python, and against values of Keras."""

from __future__ import annotations

import math
import pickle
import string
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import DataError, Input, Model, Sequence, Sequential, ShapeError, layers, source
from streamfit.layers import token_table
from streamfit.layers.token_kernels import _FIRST, _SECOND
from streamfit.layers.token_table import ONE, TokenCounter, TokenTable
from streamfit.layers.token_text import STANDARDS, parts, split

Vectorize = layers.TextVectorization
BLANKS = "\t\n\v\f\r "
ODD = BLANKS + "\0\x1c\x85\u00a0\u2028!'-_ABab\u00c4\u00e9\u0130\u00df\u65e5\ud800\udfff\U0001f600"
texts = st.text(st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=())), max_size=40)
standards = st.sampled_from([None, "lower", "strip_punctuation", "lower_and_strip_punctuation"])
splits = st.sampled_from([None, "whitespace", "character"])
widths = st.sampled_from([None, 1, 2, 3, (2,), (3, 1)])


def tokens_of(text: str, standardize: str | None, how: str | None, ngrams: Any = None) -> list[str]:
    """The tokens of a text, as TensorFlow makes them, in plain Python."""
    if standardize in ("lower", "lower_and_strip_punctuation"):
        text = "".join(c.lower() if c in string.ascii_uppercase else c for c in text)
    if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        text = "".join(c for c in text if c not in string.punctuation)
    if how == "whitespace":
        for blank in BLANKS:
            text = text.replace(blank, " ")
        found = [token for token in text.split(" ") if token]
    else:
        found = [text] if how is None else list(text)
    each = (1,) if ngrams is None else range(1, ngrams + 1) if isinstance(ngrams, int) else ngrams
    return [" ".join(found[i : i + n]) for n in each for i in range(len(found) - n + 1)]


def ranked(counts: Counter[str]) -> list[str]:
    return sorted(sorted(counts, reverse=True), key=lambda token: -counts[token])


def numbers_of(
    rows: list[list[str]], vocabulary: list[str], wanted: int | None = None
) -> np.ndarray[Any, Any]:
    longest = wanted if wanted is not None else max(map(len, rows), default=0)
    out = np.zeros((len(rows), longest), np.int64)
    for row, tokens in zip(out, rows, strict=True):
        for place, token in enumerate(tokens[:longest]):
            row[place] = 0 if token == "" else vocabulary.index(token) + 2 if token in vocabulary else 1
    return out


@given(
    st.lists(texts, min_size=1, max_size=6), st.lists(texts, max_size=6), standards, splits, widths, st.data()
)
def test_any_text_as_in_plain_python(
    known: list[str], others: list[str], standardize: Any, how: Any, ngrams: Any, data: Any
) -> None:
    settings = {"standardize": standardize, "split": how, "ngrams": ngrams}
    rows = [tokens_of(text, standardize, how, ngrams) for text in known]
    counts = Counter(token for row in rows for token in row if token not in ("", "[UNK]"))
    most = data.draw(st.one_of(st.none(), st.integers(3, 12)))
    layer = Vectorize(max_tokens=most, **settings)
    cut = data.draw(st.integers(0, len(known)))
    for part in (known[:cut], known[cut:]):
        if part:
            layer.update_state(part)
    if not counts:
        with pytest.raises(ValueError, match="hold no token"):
            layer.finalize_state()
        return
    layer.finalize_state()
    vocabulary = ranked(counts)[: None if most is None else most - 2]
    assert layer.get_vocabulary() == ["", "[UNK]", *vocabulary]
    wanted = data.draw(st.one_of(st.none(), st.integers(1, 9)))
    for batch in (known, others, [*others, known[0]]):
        tokenized = [tokens_of(text, standardize, how, ngrams) for text in batch]
        looking = Vectorize(vocabulary=vocabulary, output_sequence_length=wanted, **settings)
        found = looking(np.array(batch, dtype=object))
        np.testing.assert_array_equal(found, numbers_of(tokenized, vocabulary, wanted))
        assert found.dtype == np.int64


@given(st.lists(st.lists(st.sampled_from(["a", "B", "c!", "[UNK]"]), max_size=6), min_size=1, max_size=5))
def test_counts_of_any_text(rows: list[list[str]]) -> None:
    batch = [" ".join(row) for row in rows]
    clean = [[token.lower().strip("![]") for token in row] for row in rows]
    if not any(clean):
        return
    layer = Vectorize(output_mode="tf_idf", dtype="float64")
    layer.adapt(batch)
    counts = Counter(token for row in clean for token in row)
    vocabulary = ranked(counts)
    assert layer.get_vocabulary() == ["[UNK]", *vocabulary]
    idf = [math.log(1 + len(rows) / (1 + sum(token in row for row in clean))) for token in vocabulary]
    np.testing.assert_allclose(layer.get_config()["idf_weights"], idf, rtol=1e-12)
    table = np.array([[row.count(token) for token in vocabulary] for row in clean], float)
    np.testing.assert_allclose(layer(batch)[:, 1:], table * idf)
    assert not layer(batch)[:, 0].any()
    for mode, wanted in (("count", table), ("multi_hot", table > 0)):
        found = Vectorize(vocabulary=vocabulary, output_mode=mode)([*batch, "q unk"])
        np.testing.assert_array_equal(found[:-1, 1:], wanted)
        assert found[-1, 0] == {"count": 2 - ("unk" in vocabulary), "multi_hot": 1}[mode]
        assert found.dtype == np.float32


def test_values_of_keras() -> None:
    """Made by Keras 3.15.1 with TensorFlow."""
    known = ["b a! A [UNK] \u00e9 \u00c9 ", "b, c"]

    def adapted(**settings: Any) -> list[str]:
        layer = Vectorize(**settings)
        layer.adapt(known)
        return layer.get_vocabulary()

    assert adapted() == ["", "[UNK]", "b", "a", "\u00e9", "\u00c9", "unk", "c"]
    assert adapted(standardize=None) == ["", "[UNK]", "\u00e9", "\u00c9", "c", "b,", "b", "a!", "A"]
    assert adapted(max_tokens=4) == ["", "[UNK]", "b", "a"]
    vocabulary = ["a", "b", "c", "a b"]

    def made(x: Any, **settings: Any) -> Any:
        return Vectorize(vocabulary=vocabulary, **settings)(x).tolist()

    assert made(["a b q", "c"]) == [[2, 3, 1], [4, 0, 0]]
    assert made("a b q") == [2, 3, 1]
    assert made([[["a b q"], ["c"]]]) == [[[2, 3, 1], [4, 0, 0]]]
    assert made([["a", "b", ""]], split=None) == [[2, 3, 0]]
    assert made(["a", "b"], split=None) == [[2], [3]]  # where Keras has the shape (batch,)
    assert made([["a", "b", "", "A!"]], split=None, output_sequence_length=2) == [[2, 3]]
    assert made([["a", "b", "", "A!"]], split=None, output_mode="count") == [[0, 2, 1, 0, 0]]
    assert made(["a b c", "c"], ngrams=2) == [[2, 3, 4, 5, 1], [4, 0, 0, 0, 0]]
    assert made(["a b c", "c"], ngrams=(2,)) == [[5, 1], [0, 0]]
    assert made(["a b c", "c"], ngrams=(2, 1)) == [[5, 1, 2, 3, 4], [4, 0, 0, 0, 0]]
    assert made(["ab c"], ngrams=2, split="character") == [[2, 3, 1, 4, 5, 1, 1]]
    assert made(["a b q a", "c"], output_mode="count") == [[1, 2, 1, 0, 0], [0, 0, 0, 1, 0]]
    assert made(["a b q a", "c", ""], output_mode="multi_hot", max_tokens=7, pad_to_max_tokens=True) == [
        [1, 1, 1, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
    weighted = made(["a b q a", "c"], output_mode="tf_idf", idf_weights=[1, 2, 3, 4])
    assert weighted == [[2.5, 2.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0, 0.0]]
    assert made(["a b q", "c"], output_sequence_length=2) == [[2, 3], [4, 0]]
    assert made(["", ""]) == [[], []]
    assert made(["A! b\x7fc \x00"], standardize="strip_punctuation") == [[1, 1, 1]]


# -- data -------------------------------------------------------------------------------------------

TEXTS = ["A cat!", "the dog; the cat", "", "a b\u00e4r"] * 3
ADAPTED = ["", "[UNK]", "the", "cat", "a", "dog", "b\u00e4r"]
NUMBERS = [[4, 3, 0, 0], [2, 5, 2, 3], [0, 0, 0, 0], [4, 6, 0, 0]] * 3


class Batches(Sequence):
    """One batch for each two texts."""

    def __len__(self) -> int:
        return len(TEXTS) // 2

    def __getitem__(self, index: int) -> Any:
        return np.array(TEXTS[2 * index : 2 * index + 2]), np.zeros(2)


def kinds_of_data() -> list[Any]:
    arrays = [np.array(TEXTS), np.array(TEXTS, object), np.char.encode(np.array(TEXTS), "utf-8")]
    strings = [np.array(TEXTS, np.dtypes.StringDType())] if hasattr(np.dtypes, "StringDType") else []
    return [
        TEXTS,
        *arrays,
        *strings,
        np.array([text.encode() for text in TEXTS], object),
        np.array(TEXTS)[:, None],
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype="string"),
    ]


@pytest.mark.parametrize("place", range(len(kinds_of_data())))
def test_every_kind_of_text(place: int) -> None:
    data, layer = kinds_of_data()[place], Vectorize()
    layer.adapt(data)
    assert layer.get_vocabulary() == ADAPTED
    assert layer(data).tolist() == NUMBERS


def test_adapting_to_every_kind_of_source() -> None:
    def batches() -> Any:
        for text in TEXTS:
            yield [text]

    def endless() -> Any:
        while True:
            yield from batches()

    shuffled = source(np.array(TEXTS), np.zeros(len(TEXTS))).shuffle().batch(5)
    for data in (batches(), Batches(), shuffled, {"only": np.array(TEXTS)}):
        layer = Vectorize()
        layer.adapt(data)
        assert layer.get_vocabulary() == ADAPTED
    layer.adapt(endless(), steps=len(TEXTS))
    assert layer.get_vocabulary() == ADAPTED
    layer.adapt(["other words"])  # begins again
    assert layer.get_vocabulary(include_special_tokens=False) == ["words", "other"]


def model_of(*settings: Any, shape: tuple[int, ...] = (), **named: Any) -> Model:
    vectorize = Vectorize(*settings, vocabulary=ADAPTED, **named)
    model = Sequential(
        [
            Input(shape, dtype="string"),
            vectorize,
            layers.Embedding(vectorize.vocabulary_size(), 4, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("longest", [None, 3])
def test_in_models_with_batches_of_several_lengths(shape: tuple[int, ...], longest: int | None) -> None:
    model = model_of(shape=shape, output_sequence_length=longest)
    x = np.array(["a", "the dog", "the dog the cat a"] * 4, object).reshape(12, *shape)
    model.fit(x, np.ones((12, 1)), batch_size=1, epochs=2, verbose=0)
    alone = np.concatenate([model.predict(x[i : i + 1], verbose=0) for i in range(12)])
    np.testing.assert_allclose(model.predict(x, batch_size=5, verbose=0), alone, rtol=1e-5)
    assert len(set(alone[:3, 0].tolist())) == 3


def test_in_a_functional_model() -> None:
    words = Input((1,), dtype="string")
    numbers = Vectorize(vocabulary=ADAPTED, output_sequence_length=4)(words)
    assert numbers.shape == (None, 4)
    assert numbers.dtype == np.int64
    assert Vectorize(vocabulary=ADAPTED)(words).shape == (None, None)
    assert Vectorize(vocabulary=ADAPTED[2:], output_mode="count")(words).shape == (None, 6)
    np.testing.assert_array_equal(Model(words, numbers).predict(TEXTS, verbose=0), NUMBERS)


def test_a_model_that_is_made_before_its_vocabulary() -> None:
    model = Sequential([Input((), dtype="string"), Vectorize(output_mode="tf_idf")])
    assert model.outputs[0].shape == (None, None)
    model.layers[0].adapt(TEXTS)
    np.testing.assert_array_equal(model.predict(TEXTS, verbose=0), model.layers[0](TEXTS))
    padded = Vectorize(output_mode="count", max_tokens=9, pad_to_max_tokens=True)
    model = Sequential([Input((), dtype="string"), padded, layers.Dense(2)])
    padded.adapt(TEXTS)
    assert model.predict(TEXTS, verbose=0).shape == (12, 2)
    with pytest.raises(
        ShapeError, match="n must be known: a layer in front that has a vocabulary must adapt"
    ):
        Sequential([Input((), dtype="string"), Vectorize(output_mode="count"), layers.Dense(2)])


@pytest.mark.jit
def test_workers_make_the_same() -> None:
    model = model_of()
    here = model.predict(source(TEXTS).batch(5), verbose=0)
    for processes in (False, True):
        there = model.predict(source(TEXTS).batch(5), workers=2, use_multiprocessing=processes, verbose=0)
        np.testing.assert_array_equal(there, here)


def test_pickled_and_described() -> None:
    layer = Vectorize(ngrams=(1, 2), output_mode="tf_idf", name="mine", max_tokens=99)
    layer.adapt(TEXTS)
    config = layer.get_config()
    assert config["ngrams"] == [1, 2]
    assert len(config["vocabulary"]) == len(config["idf_weights"])
    for again in (pickle.loads(pickle.dumps(layer)), Vectorize.from_config({**config, "vocabulary_size": 8})):
        assert again.get_config() == config
        np.testing.assert_array_equal(again(TEXTS), layer(TEXTS))
    assert Vectorize(ngrams=np.int64(2)).get_config()["ngrams"] == 2
    half = Vectorize()
    half.update_state(TEXTS[:6])
    half = pickle.loads(pickle.dumps(half))
    half.update_state(TEXTS[6:])
    half.finalize_state()
    assert half.get_vocabulary() == ADAPTED


def test_a_vocabulary_that_is_set_or_read(tmp_path: Path) -> None:
    layer = Vectorize(vocabulary=["x", "y"])
    assert layer(["y z"]).tolist() == [[3, 1]]
    layer.set_vocabulary(np.array(["", "[UNK]", "z"]))
    assert layer(["y z"]).tolist() == [[1, 2]]
    assert layer.vocabulary_size() == 3
    path = tmp_path / "words.txt"
    path.write_text("eins\nzwei\n", encoding="utf-8")
    assert Vectorize(vocabulary=path)(["zwei"]).tolist() == [[3]]


# -- functions of the user's ------------------------------------------------------------------------


def test_functions_get_and_return_text() -> None:
    seen = []

    def lowered(x: Any) -> Any:
        seen.append((x.dtype.kind, x.shape))
        return np.char.replace(np.char.lower(x), ",", " ")

    def cut(x: Any) -> Any:
        seen.append((x.dtype.kind, x.shape))
        return [text.split("|") for text in x]

    layer = Vectorize(standardize=lowered, split="whitespace")
    layer.adapt([["B,a B"], ["\u00c4"]])
    assert layer.get_vocabulary() == ["", "[UNK]", "b", "\u00e4", "a"]
    assert layer(["a,B"]).tolist() == [[4, 2]]
    layer = Vectorize(standardize="lower", split=cut, ngrams=2)
    layer.adapt(["X|y.|x", ""])
    assert layer.get_vocabulary() == ["", "[UNK]", "x", "y. x", "y.", "x y."]
    assert layer([["x|Y."], ["x"]]).tolist() == [[2, 4, 5], [2, 0, 0]]
    assert seen == [("U", (2, 1)), ("U", (1,)), ("U", (2,)), ("U", (2,))]
    assert layer.get_config()["split"] is cut
    arrays = Vectorize(split=lambda x: np.array([[text, "b"] for text in x]), vocabulary=["a", "b"])
    assert arrays(["a", "c"]).tolist() == [[2, 3], [1, 3]]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (
            {"standardize": lambda x: x[:1]},
            ShapeError,
            r"must have the shape of its input, \(2,\), got \(1,\)",
        ),
        (
            {"standardize": lambda x: np.zeros(2)},
            DataError,
            "what standardize of layer 'mine' returns must be text",
        ),
        ({"split": lambda x: [["a"]]}, DataError, "one list of tokens for each of the 2 texts"),
        ({"split": lambda x: ["a", "b"]}, DataError, "one list of tokens for each of the 2 texts"),
        ({"split": lambda x: [["a"], [b"b"]]}, DataError, r"row 1 holds b'b' \(bytes\), which is no token"),
    ],
)
def test_functions_that_return_something_else(settings: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Vectorize(vocabulary=["a"], name="mine", **settings)(["a b", "c"])


def test_a_text_that_no_array_for_functions_can_hold() -> None:
    with pytest.raises(DataError, match=r"layer 'mine': row 1 ends with the character NUL, 'b\\x00'"):
        Vectorize(vocabulary=["a"], name="mine", split=lambda x: [[t] for t in x])(["a", "b\0"])


# -- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"standardize": "upper"}, "standardize must be one of .*, None or a function, got 'upper'"),
        ({"split": "words"}, "split must be one of .* got 'words'"),
        ({"ngrams": 0}, "ngrams must be a whole number of at least 1"),
        ({"ngrams": ()}, "ngrams must be a whole number of at least 1"),
        ({"ngrams": (1, 1.5)}, "ngrams must be a whole number of at least 1"),
        ({"output_mode": "rows"}, "output_mode must be one of"),
        ({"output_mode": "count", "output_sequence_length": 3}, "goes with output_mode='int', got 'count'"),
        ({"output_sequence_length": -1}, "output_sequence_length must be a whole number of at least 1"),
        ({"sparse": True}, "write sparse=False"),
        ({"ragged": True}, "write ragged=False"),
        ({"encoding": "latin-1"}, r"decode others first, for example \[text.decode\('latin-1'\)"),
        ({"vocabulary": ["a", "a"]}, "has 'a' twice"),
        ({"vocabulary": ["a", ""]}, "has '' among its tokens"),
        ({"vocabulary": ["a", "b"], "max_tokens": 3}, "more than max_tokens=3"),
        ({"vocabulary": ["a"], "output_mode": "tf_idf"}, "idf_weights do not go together"),
    ],
)
def test_arguments_that_cannot_work(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Vectorize(**settings)


def test_inputs_that_cannot_work() -> None:
    layer = Vectorize(vocabulary=["a"], name="mine")
    with pytest.raises(ShapeError, match=r"layer 'mine' splits texts of shape .* got \(None, 2\)"):
        layer([["a", "b"]])
    with pytest.raises(ShapeError, match=r"layer 'mine' splits texts of shape"):
        layer(Input((2,), dtype="string"))
    with pytest.raises(DataError, match=r"layer 'mine': row 1 holds None \(NoneType\), which is no text"):
        layer(np.array(["a", None], object))
    with pytest.raises(TypeError, match="layer 'mine' reads text, got an array of dtype int64"):
        layer(np.arange(3))
    with pytest.raises(DataError, match=r"row 0 holds bytes that are no UTF-8, b'\\xff'"):
        layer(np.array([b"\xff"], object))
    with pytest.raises(ValueError, match=r"layer 'new' has no vocabulary yet: pass vocabulary="):
        Vectorize(name="new")(["a"])
    with pytest.raises(ValueError, match="layer 'new': the data hold no token"):
        Vectorize(name="new").adapt(["", "!"])


# -- the table --------------------------------------------------------------------------------------


def colliding() -> list[str]:
    """Return two tokens of 16 bytes that have the same hash, by undoing what the first 8 bytes did."""

    def after(word: int) -> int:
        code = ((16 * int(_FIRST)) ^ word) * int(_SECOND) % 2**64
        return code ^ (code >> 32)

    first, last = (struct.unpack("<Q", half)[0] for half in (b"aaaaaaaa", b"bbbbbbbb"))
    for i in range(10**6):
        other = struct.unpack("<Q", f"{i:08d}"[::-1].encode())[0]
        end = struct.pack("<Q", last ^ after(first) ^ after(other))
        if all(32 < byte < 127 for byte in end):
            return ["aaaaaaaabbbbbbbb", f"{i:08d}"[::-1] + end.decode()]
    raise AssertionError


def test_tokens_of_one_hash_stay_apart() -> None:
    words = colliding()
    table = TokenTable(words)
    assert len({int(slot) >> 32 for slot in table._slots if slot}) == 1  # they do have one hash
    found, _ = table.find(split([*words, "q"], None, None), ONE, np.array([2, 1, 0]))
    assert found.tolist() == [2, 3, 1]
    counter = TokenCounter()
    counter.add(split([f"{words[0]} {words[1]} {words[1]}"], None, "whitespace"), ONE)
    assert counter.ranked() == words[::-1]


def test_many_and_long_tokens() -> None:
    rng = np.random.default_rng(0)
    words = [f"{n:x}" * int(1 + n % 5) for n in range(3000)] + ["x" * size for size in (7, 8, 9, 63, 10**4)]
    drawn = [words[place] for place in rng.integers(0, len(words), 8_000)]
    counter = TokenCounter()
    for first in range(0, len(drawn), 700):
        counter.add(split([" ".join(drawn[first : first + 700])], None, "whitespace"), ONE)
    counts = Counter(drawn)
    assert counter.ranked() == ranked(counts)
    assert counter.ranked(10) == ranked(counts)[:10]
    assert counter.ranked(0) == []
    table = TokenTable(words)
    assert list(table) == words
    assert (table[5], table[-1], table[1:3]) == (words[5], words[-1], words[1:3])
    found, lengths = table.find(split([" ".join(drawn)], None, "whitespace"), ONE, np.array([0, -1, -1]))
    assert [words[number] for number in found] == drawn
    assert lengths.tolist() == [len(drawn)]


@given(st.lists(st.integers(0, 400_000), max_size=8))
def test_parts_are_all_texts_in_order(sizes: list[int]) -> None:
    given = ["x" * size for size in sizes]
    found = list(parts(given))
    assert [text for part in found for text in part] == given
    assert all(len(part) == 1 or sum(map(len, part)) <= 1 << 18 for part in found if given)


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_long_texts_are_counted_piece_by_piece(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_table, "_PIECE", piece)
    rng = np.random.default_rng(1)
    given = [" ".join(f"w{n}" for n in rng.integers(0, 40, size)) for size in (0, 5, 0, 0, 90, 1, 2, 30)]
    counter = TokenCounter()
    counter.add(split(given, None, "whitespace"), np.array([1, 3]))
    rows = [tokens_of(text, None, "whitespace", (1, 3)) for text in given]
    counts = Counter(token for row in rows for token in row)
    assert counter.ranked() == ranked(counts)
    seen = np.array([sum(token in row for row in rows) for token in ranked(counts)])
    np.testing.assert_allclose(counter.inverse_frequencies(ranked(counts)), np.log(1 + 8 / (1 + seen)))


@given(st.text("aB é!\t\n\x00\x1c\x85\u2003\ud800,.'", max_size=30), st.sampled_from([None, *STANDARDS]))
def test_one_text_alone_has_the_numbers_that_it_has_among_others(text: str, standardize: str | None) -> None:
    layer = layers.TextVectorization(
        vocabulary=["a", "b", "ab", "é", "B"], standardize=standardize, output_sequence_length=6
    )
    alone, among = layer([text]), layer([text, "a b"])
    assert alone.tolist() == among[:1].tolist()


def test_words_as_rows_with_a_single_one() -> None:
    layer = layers.TextVectorization(output_mode="one_hot", vocabulary=["foo", "bar", "baz"])
    texts = np.array(["foo what baz", "bar"])
    found = layer(texts)
    wanted = np.zeros((2, 3, 4))
    for row, place, number in [(0, 0, 1), (0, 1, 0), (0, 2, 3), (1, 0, 2)]:  # 0 stands for unknown words
        wanted[row, place, number] = 1
    np.testing.assert_array_equal(found, wanted)
    start = Input((1,), dtype="string")
    out = layer(start)
    assert out.shape == (None, None, 4)
    np.testing.assert_array_equal(layer(texts[:, None]), wanted)
