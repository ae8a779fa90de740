"""`Tokens`: texts that are split into tokens, as arrays of bytes and numbers."""

from __future__ import annotations

import functools
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from streamfit._base.specs import Array
from streamfit.layers.token_kernels import BREAK, CHARACTERS, DROP, END, SLACK, WHOLE, WORDS, split_texts

STANDARDS = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
SPLITS = ("whitespace", "character")
_MODES = {"whitespace": WORDS, "character": CHARACTERS, None: WHOLE}
_TOGETHER = 1 << 18  # characters that are split together: what is made of them stays in the cache
_NUL, _NO_TEXT = 0, 0xFF  # bytes that part texts; UTF-8 never has the second one


@dataclass(frozen=True)
class Tokens:
    """The tokens of some texts.

    Attributes:
        data: uint8: their UTF-8 bytes, a space behind each.
        starts: int64 (tokens + 1,): where each begins, and where the last one ends.
        rows: int64 (texts + 1,): the number of each text's first token, and the number of all.

    Example:
        >>> tokens = split(["b a!", "", "c"], "strip_punctuation", "whitespace")
        >>> bytes(tokens.data[:6]), tokens.starts.tolist(), tokens.rows.tolist()
        (b'b a c ', [0, 2, 4, 6], [0, 2, 2, 3])
    """

    data: Array
    starts: Array
    rows: Array

    def in_rows(self, count: int) -> Tokens:
        """Return the same tokens as those of `count` texts, each of which has as many."""
        each = (len(self.starts) - 1) // max(count, 1)
        return Tokens(self.data, self.starts, np.arange(count + 1) * each)


def split(texts: Sequence[str], standardize: str | None, how: str | None) -> Tokens:
    """Standardize texts and split them.

    Args:
        texts: The texts; a lone surrogate is a character as any other.
        standardize: One of `STANDARDS`, or None. Only the letters and signs of ASCII change, as in
            TensorFlow.
        how: ``'whitespace'``: at the blanks of ASCII; ``'character'``: a token for each code point; None: a
            token for each text.
    """
    data, separator = _joined(texts)
    mode = _MODES[how]
    room = SLACK + (len(data) * 2 if mode == CHARACTERS else len(data))
    most = {WORDS: len(data) // 2, CHARACTERS: len(data) - len(texts), WHOLE: len(texts)}[mode]
    out, starts = np.empty(room, np.uint8), np.empty(most + 1, np.int64)
    rows = np.empty(len(texts) + 1, np.int64)
    split_texts(data, _actions(standardize, mode, separator), mode, out, starts, rows)
    starts = starts[: rows[-1] + 1]
    return Tokens(out, starts, rows)


def parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut texts into parts of at most so many characters together as are best split at once."""
    if len(texts) == 1:
        yield texts
        return
    ends = np.fromiter(accumulate(map(len, texts)), np.int64, len(texts))
    first = 0
    while first < len(texts):
        done = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _TOGETHER, "right")))
        yield texts if last - first == len(texts) else texts[first:last]
        first = last


def _joined(texts: Sequence[str]) -> tuple[Array, int]:
    """Return the bytes of texts, and the one that stands behind each."""
    data = "\0".join((*texts, "")).encode("utf-8", "surrogatepass")
    if data.count(_NUL) == len(texts):
        return np.frombuffer(bytearray(data), np.uint8), _NUL
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    return np.frombuffer(bytearray(b"\xff".join((*pieces, b""))), np.uint8), _NO_TEXT


@functools.cache
def _actions(standardize: str | None, mode: int, separator: int) -> Array:
    """Return what becomes of each byte; see `split_texts`."""
    actions = np.arange(256, dtype=np.int16)
    if standardize in ("lower", "lower_and_strip_punctuation"):
        actions[list(string.ascii_uppercase.encode())] = list(string.ascii_lowercase.encode())
    if standardize in ("strip_punctuation", "lower_and_strip_punctuation"):
        actions[list(string.punctuation.encode())] = DROP
    if mode == WORDS:
        actions[list(b"\t\n\v\f\r ")] = BREAK
    actions[separator] = END
    return actions
