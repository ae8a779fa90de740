"""Vectors of words from files in the text format of word2vec, GloVe and fastText.

A line holds a word and its numbers, with a space between each two. A first line of two whole numbers, as
word2vec and fastText write it, gives the number of words and that of the numbers of each. A word may hold
spaces, as some of GloVe's do: the numbers are the last fields of a line.
"""

from __future__ import annotations

import gzip
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from streamfit._base.errors import DataError
from streamfit._base.specs import Array

_LOOKED_AT = 100  # lines, to see how many numbers a line has
_BLOCK = 4096  # rows that are put together where it is not known how many there will be
_DUPLICATES = ("error", "first")

Absent = Callable[[tuple[int, ...], npt.DTypeLike], npt.ArrayLike]
"""Makes rows of a shape and a dtype, such as an initializer."""


class WordVectors(NamedTuple):
    """Words and their vectors.

    Attributes:
        words: The words, one for each row.
        vectors: Shape (words, dim).
        found: Whether the file has each word, bool (words,).
    """

    words: list[str]
    vectors: Array
    found: Array


def read_word_vectors(
    path: str | os.PathLike[str],
    words: Iterable[str] | None = None,
    *,
    dtype: npt.DTypeLike = "float32",
    encoding: str = "utf-8",
    absent: Absent | None = None,
    duplicates: str = "error",
) -> WordVectors:
    """Read vectors of words from a text file of word2vec, GloVe or fastText.

    The file is read once, line by line. Only the numbers of words in use are parsed and held, so that memory
    is that of the result, however large the file is.

    Args:
        path: The file; it may be compressed by gzip.
        words: The words in use, such as the vocabulary of a `StringLookup`: row i of the result is that of
            word i. None for all words of the file, in its order.
        dtype: Dtype of the vectors.
        encoding: Of the words in the file.
        absent: Makes the rows of words that the file does not have, from a shape and a dtype; an initializer
            does. None for zeros.
        duplicates: What to do where the file has a word twice: ``'error'``, or ``'first'`` to take the first.

    Returns:
        Words, vectors, and which of the words the file has.

    Raises:
        DataError: A line has too few or too many numbers, what is no number, or one that is not finite in the
            dtype; a word stands there twice or cannot be decoded; the first line promises another number of
            words; the file has none of the words. It names the file, the line and the value.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "vectors.txt")
        >>> _ = file.write_text("the 0.5 1\\ncat -2 3e-1\\n")
        >>> read_word_vectors(file, ["", "cat", "dog"])
        WordVectors(words=['', 'cat', 'dog'], vectors=array([[ 0. ,  0. ],
               [-2. ,  0.3],
               [ 0. ,  0. ]], dtype=float32), found=array([False,  True, False]))
        >>> read_word_vectors(file).words
        ['the', 'cat']
    """
    if duplicates not in _DUPLICATES:
        raise ValueError(f"duplicates must be one of {_DUPLICATES}, got {duplicates!r}")
    real = np.dtype(dtype)
    if real.kind != "f":
        raise ValueError(f"dtype must be a float dtype, got {real}")
    name = os.fspath(path)
    with open(name, "rb") as plain:
        magic = plain.read(2)
        plain.seek(0)
        if magic == b"PK":
            raise DataError(f"{name} is a zip archive; unpack it and pass the text file that it holds")
        with gzip.open(plain) if magic == b"\x1f\x8b" else plain as file, np.errstate(over="ignore"):
            reader = _Reader(name, file, real, encoding, duplicates == "first")
            if words is None:
                return reader.read_all()
            return reader.read(list(words), absent)


class _Reader:
    """Reads one file; the arguments are those of `read_word_vectors`."""

    def __init__(
        self, name: str, file: Iterable[bytes], dtype: np.dtype[np.generic], encoding: str, keep_first: bool
    ) -> None:
        self._name, self._dtype, self._encoding, self._keep_first = name, dtype, encoding, keep_first
        lines = ((number, line.rstrip(b" \r\n")) for number, line in enumerate(file, 1))
        filled = (pair for pair in lines if pair[1])
        begin = list(islice(filled, _LOOKED_AT))
        self._promised, self.dim = self._sizes([line for _, line in begin])
        if self._promised is not None:
            del begin[0]
        self._lines = chain(begin, filled)

    def _error(self, number: int, words: str) -> DataError:
        return DataError(f"{self._name}, line {number}: {words}")

    def _sizes(self, begin: Sequence[bytes]) -> tuple[int | None, int]:
        """Return how many words the first line promises, if it does, and how many numbers a word has."""
        if not begin:
            raise DataError(f"{self._name} is empty: it has no vectors")
        fields = begin[0].split(b" ")
        if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
            words, dim = int(fields[0]), int(fields[1])
            if dim and (len(begin) == 1 or begin[1].count(b" ") >= dim):
                return words, dim
        # A line with more fields than most has spaces in its word; one with fewer lacks numbers.
        ((most, _),) = Counter(line.count(b" ") for line in begin).most_common(1)
        if not most:
            raise self._error(1, f"{_shown(begin[0])} holds no word with numbers, separated by spaces")
        return None, most

    def _split(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield the number of each line, its word, and the text of its numbers."""
        dim, count = self.dim, 0
        for number, line in self._lines:
            spaces = line.count(b" ")
            if spaces == dim:
                word, _, rest = line.partition(b" ")
            elif spaces > dim:
                word = line.rsplit(b" ", dim)[0]
                rest = line[len(word) + 1 :]
                last = word.rpartition(b" ")[2]
                if not last or _is_number(last):
                    found = f"more than {dim} numbers, or two spaces side by side"
                    raise self._error(number, f"{_shown(line)} has {found}; each word has {dim} here")
            else:
                raise self._error(number, f"{_shown(line)} has {spaces} numbers; each word has {dim} here")
            count += 1
            yield number, word, rest
        if self._promised is not None and count != self._promised:
            raise DataError(
                f"{self._name} has {count} words, but its first line promises {self._promised}; is the file "
                "complete?"
            )

    def _row(self, number: int, word: bytes, rest: bytes) -> Array:
        fields = rest.split(b" ")
        try:
            row = np.array([float(field) for field in fields], dtype=self._dtype)
            fits = np.isfinite(row).all() and b"_" not in rest
        except ValueError:
            fits = False
        if not fits:
            wrong = next(field for field in fields if not self._fits(field))
            what = "is not finite" if _is_number(wrong) else "is no number"
            where = f" in {self._dtype}" if _is_number(wrong) else ""
            raise self._error(number, f"value {_shown(wrong)} of word {_shown(word)} {what}{where}")
        return row

    def _fits(self, field: bytes) -> bool:
        if not _is_number(field):
            return False
        return bool(np.isfinite(np.array(float(field)).astype(self._dtype)))

    def _decoded(self, number: int, word: bytes) -> str:
        try:
            return word.decode(self._encoding)
        except UnicodeDecodeError:
            raise self._error(
                number, f"word {word[:40]!r} is not encoded as {self._encoding}; pass encoding=..."
            ) from None

    def _twice(self, number: int, word: bytes, before: int) -> DataError:
        return self._error(
            number, f"word {_shown(word)} stands there twice, first in line {before}; pass duplicates='first'"
        )

    def read_all(self) -> WordVectors:
        """Return all words."""
        seen: dict[bytes, int] = {}
        words: list[str] = []
        blocks: list[Array] = []
        rows: list[Array] = []
        for number, word, rest in self._split():
            if word in seen:
                if not self._keep_first:
                    raise self._twice(number, word, seen[word])
                continue
            seen[word] = number
            words.append(self._decoded(number, word))
            rows.append(self._row(number, word, rest))
            if len(rows) == _BLOCK:
                blocks.append(np.array(rows))
                rows.clear()
        blocks.append(np.array(rows, dtype=self._dtype).reshape(len(rows), self.dim))
        return WordVectors(words, np.concatenate(blocks), np.ones(len(words), bool))

    def read(self, words: list[str], absent: Absent | None) -> WordVectors:
        """Return the vectors of `words`."""
        places: dict[bytes, list[int]] = {}
        for place, token in enumerate(words):
            if not isinstance(token, str):
                raise TypeError(f"words must be strings, got {token!r} at place {place}")
            places.setdefault(token.encode(self._encoding, "backslashreplace"), []).append(place)
        vectors = np.zeros((len(words), self.dim), self._dtype)
        lines = np.zeros(len(words), np.int64)
        for number, word, rest in self._split():
            wanted = places.get(word)
            if wanted is None:
                continue
            if lines[wanted[0]]:
                if not self._keep_first:
                    raise self._twice(number, word, int(lines[wanted[0]]))
                continue
            vectors[wanted], lines[wanted] = self._row(number, word, rest), number
        found = lines > 0
        if words and not found.any():
            raise DataError(
                f"{self._name} has none of the {len(words)} words, such as {words[-1]!r}; are they in "
                "the same language and case?"
            )
        if absent is not None and not found.all():
            vectors[~found] = absent((int((~found).sum()), self.dim), self._dtype)
        return WordVectors(words, vectors, found)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _shown(text: bytes) -> str:
    shown = text.decode("utf-8", "backslashreplace")
    return repr(shown if len(shown) <= 40 else f"{shown[:37]}...")
