"""Vectors of words from text files: formats, words in use, memory, and lines that are wrong."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamfit import DataError, initializers
from streamfit._base.word_vectors import read_word_vectors

GLOVE = "the 0.5 1 -1\ncat -2 3e-1 .25\n. . 1 2 3\nzwölf 0 0 1e-40\n"


def write(folder: Path, text: str | bytes, name: str = "vectors.txt") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_all_words_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = read_word_vectors(write(tmp_path, GLOVE))
    assert found.words == ["the", "cat", ". .", "zwölf"]
    wanted = np.array([[0.5, 1, -1], [-2, 0.3, 0.25], [1, 2, 3], [0, 0, 1e-40]], "float32")
    np.testing.assert_array_equal(found.vectors, wanted)
    assert found.vectors.dtype == np.float32
    assert found.found.tolist() == [True] * 4


@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
@pytest.mark.parametrize("first", ["", "4 3"])
@pytest.mark.parametrize("packed", [False, True])
def test_formats(end: str, first: str, packed: bool, tmp_path: Path) -> None:
    text = (f"{first}\n{GLOVE}" if first else GLOVE).replace("\n", end).encode()
    path = write(tmp_path, gzip.compress(text) if packed else text, "vectors.vec")
    found = read_word_vectors(path, ["zwölf", ". .", "dog", "zwölf"], dtype="float64")
    assert found.vectors.tolist() == [[0, 0, 1e-40], [1, 2, 3], [0, 0, 0], [0, 0, 1e-40]]
    assert found.found.tolist() == [True, True, False, True]
    assert found.words == ["zwölf", ". .", "dog", "zwölf"]


def test_numbers_as_words_and_vectors_of_one_number(tmp_path: Path) -> None:
    assert read_word_vectors(write(tmp_path, "5 3\n7 1\n")).words == ["5", "7"]
    assert read_word_vectors(write(tmp_path, "2 1\n5 3\n7 1\n")).words == ["5", "7"]
    assert read_word_vectors(write(tmp_path, "1995 3 4\n7 1 2\n")).words == ["1995", "7"]


def test_absent_words_are_made_by_an_initializer(tmp_path: Path) -> None:
    path = write(tmp_path, GLOVE)
    found = read_word_vectors(path, ["dog", "the", "cow"], absent=initializers.Constant(7.0))
    assert found.vectors.tolist() == [[7.0] * 3, [0.5, 1, -1], [7.0] * 3]
    assert found.vectors.dtype == np.float32


def test_another_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, GLOVE.encode("latin-1"))
    assert read_word_vectors(path, ["zwölf"], encoding="latin-1").found.all()
    with pytest.raises(DataError, match=r"line 4: word b'zw.xf6lf' is not encoded as utf-8; pass encoding"):
        read_word_vectors(path)


WRONG = {
    "cat 1 2\n": r"line 5: 'cat 1 2' has 2 numbers; each word has 3 here",
    "cow 1 2 3 4\n": r"line 5: 'cow 1 2 3 4' has more than 3 numbers.*; each word has 3 here",
    "cow 1  2 3\n": r"line 5: .* two spaces side by side; each word has 3 here",
    "dog 1 2,5 3\n": r"line 5: value '2,5' of word 'dog' is no number",
    "dog 1 1_0 3\n": r"line 5: value '1_0' of word 'dog' is no number",
    "dog 1 nan 3\n": r"line 5: value 'nan' of word 'dog' is not finite in float32",
    "dog 1 2 1e39\n": r"line 5: value '1e39' of word 'dog' is not finite in float32",
    "dog 1 2 3\ncat 1 2 3\n": r"line 6: word 'cat' stands there twice, first in line 2; pass duplicates",
}


@pytest.mark.parametrize("line", WRONG)
@pytest.mark.parametrize("words", [None, ["dog", "cat"]])
def test_wrong_lines_name_file_line_and_value(line: str, words: list[str] | None, tmp_path: Path) -> None:
    path = write(tmp_path, GLOVE + line)
    with pytest.raises(DataError, match=WRONG[line]) as caught:
        read_word_vectors(path, words)
    assert str(caught.value).startswith(str(path))


def test_the_first_of_two_can_be_taken(tmp_path: Path) -> None:
    path = write(tmp_path, "cat 1 2\ndog 3 4\ncat 5 6\n")
    assert read_word_vectors(path, ["cat"], duplicates="first").vectors.tolist() == [[1, 2]]
    assert read_word_vectors(path, duplicates="first").words == ["cat", "dog"]
    with pytest.raises(ValueError, match="duplicates must be one of"):
        read_word_vectors(path, duplicates="last")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    for text, message in (
        ("", "is empty"),
        ("word\nword\n", "'word' holds no word with numbers"),
        ("3 2\na 1 2\nb 3 4\n", "has 2 words, but its first line promises 3; is the file complete"),
        (b"PK\x03\x04", "is a zip archive; unpack it"),
    ):
        with pytest.raises(DataError, match=message):
            read_word_vectors(write(tmp_path, text))
    with pytest.raises(DataError, match="none of the 2 words, such as 'DOG'; are they in the same language"):
        read_word_vectors(write(tmp_path, GLOVE), ["COW", "DOG"])
    with pytest.raises(ValueError, match="must be a float dtype, got int32"):
        read_word_vectors(write(tmp_path, GLOVE), dtype="int32")
    with pytest.raises(TypeError, match="words must be strings, got 3 at place 1"):
        read_word_vectors(write(tmp_path, GLOVE), ["cat", 3])  # type: ignore[list-item]


TEXTS = st.text(st.characters(exclude_characters=" \r\n", exclude_categories=["Cs"]), min_size=1)


@given(st.lists(TEXTS, min_size=1, unique=True), st.integers(2, 4), st.integers(0, 2**32), st.booleans())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], dim: int, seed: int, first: bool
) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(words), dim))
    lines = [" ".join([word, *map(repr, row)]) for word, row in zip(words, vectors.tolist(), strict=True)]
    begin = [f"{len(words)} {dim}"] if first else []
    path = write(tmp_path_factory.mktemp("words"), "\n".join([*begin, *lines]))
    found = read_word_vectors(path, dtype="float64")
    assert found.words == words
    np.testing.assert_array_equal(found.vectors, vectors)
    np.testing.assert_array_equal(
        read_word_vectors(path, words[::-1], dtype="float64").vectors, vectors[::-1]
    )


def test_memory_is_that_of_the_words_in_use(tmp_path: Path) -> None:
    row = " ".join(["0.12345"] * 50)
    path = write(tmp_path, "".join(f"word{i} {row}\n" for i in range(20_000)))
    tracemalloc.start()
    try:
        read_word_vectors(path, ["word7", "word19999"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300_000 < path.stat().st_size / 20
