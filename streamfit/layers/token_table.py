"""Tokens and their numbers: a vocabulary, and counts that grow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np

from streamfit._base.specs import Array
from streamfit.layers.token_kernels import SLACK, count_tokens, fill_slots, find_tokens
from streamfit.layers.token_text import Tokens, split

_MOST = (1 << 32) - 2  # a slot holds the number of a token in 32 bits
_LEAST = 16  # slots
_PIECE = 1 << 15  # tokens for which room is made before they are counted
ONE = np.ones(1, np.int64)
"""The width of n-grams that are the tokens themselves."""
_PLAIN = np.array([0, -1, -1])


def slots_for(words: Array, places: Array, count: int) -> Array:
    """Return a table of the tokens that begin at `places`, at most half of it used."""
    slots = np.zeros(max(_LEAST, 1 << (2 * count - 1).bit_length() if count else 0), np.uint64)
    fill_slots(words, places, count, slots)
    return slots


class TokenTable(Sequence[str]):
    """A vocabulary: different tokens, of which each has the number of its place.

    It holds a few arrays and nothing else, so that it is quickly sent to another process. As a sequence it
    has the tokens as `str`.

    Args:
        tokens: The tokens, each different from the others.

    Example:
        >>> table = TokenTable(["x", "y z"])
        >>> table.find(split(["y z", "", "q", "x"], None, None), ONE, np.array([2, 1, 0]))[0]
        array([3, 0, 1, 2])
        >>> list(table)
        ['x', 'y z']
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        if len(tokens) > _MOST:
            raise ValueError(f"a vocabulary holds at most {_MOST} tokens, got {len(tokens)}")
        found = split(tokens, None, None)
        self._words = found.data[: found.starts[-1] + SLACK].copy()
        self._places = found.starts
        self._slots = slots_for(self._words, self._places, len(tokens))

    def __len__(self) -> int:
        return len(self._places) - 1

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return decoded(self._words, self._places, np.arange(len(self))[place])
        number = range(len(self))[place]
        return decoded(self._words, self._places, np.array([number]))[0]

    def __iter__(self) -> Iterator[str]:
        return iter(decoded(self._words, self._places, np.arange(len(self))))

    def find(self, tokens: Tokens, widths: Array, meaning: Array) -> tuple[Array, Array]:
        """Look up n-grams.

        Args:
            tokens: The tokens of texts.
            widths: How many of them are one n-gram, int64; all of the first width come first.
            meaning: int64 (3,): what stands for the first token of this table, for an unknown one, for an
                empty one that is unknown.

        Returns:
            What stands for each n-gram, text behind text, and how many each text has, int64.
        """
        numbers = np.empty((len(tokens.starts) - 1) * len(widths), np.int64)
        lengths = np.empty(len(tokens.rows) - 1, np.int64)
        table = (self._slots, self._words, self._places)
        find_tokens(*(tokens.data, tokens.starts, tokens.rows, meaning, widths), *table, numbers, lengths)
        return numbers if len(widths) == 1 and widths[0] == 1 else numbers[: lengths.sum()], lengths


def decoded(words: Array, places: Array, numbers: Array) -> list[str]:
    """Return tokens as `str`.

    Args:
        words: uint8: tokens, a space behind each.
        places: int64: where each begins, and where the last one ends.
        numbers: int64: which ones are wanted.
    """
    data = words.data
    return [
        str(data[begin:end], "utf-8", "surrogatepass")
        for begin, end in zip(places[numbers].tolist(), (places[numbers + 1] - 1).tolist(), strict=True)
    ]


class TokenCounter:
    """Count tokens, and in how many texts each occurs, in memory that the different tokens take alone.

    Attributes:
        samples: How many texts were counted.

    Example:
        >>> counter = TokenCounter()
        >>> counter.add(split(["a b a", "b c c"], None, "whitespace"), ONE)
        >>> counter.ranked(), counter.ranked(1), counter.samples
        (['c', 'b', 'a'], ['c'], 2)
    """

    def __init__(self) -> None:
        self.samples = 0
        self._sizes = np.zeros(2, np.int64)  # tokens, bytes
        self._words, self._places = np.empty(0, np.uint8), np.zeros(1, np.int64)
        self._figures = np.empty((0, 3), np.int64)
        self._slots = np.zeros(_LEAST, np.uint64)

    def add(self, tokens: Tokens, widths: Array) -> None:
        """Count the n-grams of some texts."""
        count = len(tokens.starts) - 1
        for first in range(0, count, _PIECE):
            last = min(first + _PIECE, count)
            self._make_room(tokens, first, last, widths)
            row = int(np.searchsorted(tokens.rows, first, "right")) - 1
            part = np.array([first, last, row, self.samples])
            table = (self._slots, self._words, self._places, self._figures, self._sizes)
            count_tokens(tokens.data, tokens.starts, tokens.rows, widths, part, *table)
        self.samples += len(tokens.rows) - 1

    def _make_room(self, tokens: Tokens, first: int, last: int, widths: Array) -> None:
        """Have room for all n-grams that begin at some tokens, as if each were new."""
        ends = np.minimum(last - 1 + widths, len(tokens.starts) - 1)
        size = SLACK + int(np.sum((tokens.starts[ends] - tokens.starts[first]) * widths))
        more = (last - first) * len(widths)
        used = int(self._sizes[0])
        self._words = _grown(self._words, int(self._sizes[1]), size)
        self._places = _grown(self._places, used + 1, more)
        self._figures = _grown(self._figures, used, more)
        if 2 * (used + more) > len(self._slots):
            self._slots = np.zeros(1 << (2 * (used + more) - 1).bit_length(), np.uint64)
            fill_slots(self._words, self._places, used, self._slots)

    def ranked(self, most: int | None = None) -> list[str]:
        """List the tokens, the most frequent one first; of equally frequent ones the largest, as in Keras.

        Args:
            most: How many are wanted at most; None for all.
        """
        counts = self._figures[: self._sizes[0], 0]
        if most is not None and most < len(counts):
            least = np.partition(counts, len(counts) - most)[len(counts) - most] if most else np.inf
            counts = np.where(counts >= least, counts, 0)
        kept = np.flatnonzero(counts)
        tokens = decoded(self._words, self._places, kept)
        order = np.array(sorted(range(len(tokens)), key=tokens.__getitem__, reverse=True), np.int64)
        order = order[np.argsort(-counts[kept[order]], kind="stable")]
        return [tokens[number] for number in order[:most].tolist()]

    def inverse_frequencies(self, tokens: Sequence[str]) -> list[float]:
        """Return for each token ``log(1 + samples / (1 + samples with the token))``, as in Keras."""
        numbers = np.empty(len(tokens), np.int64)
        given = split(tokens, None, None)
        table = (self._slots, self._words, self._places)
        find_tokens(
            given.data, given.starts, given.rows, _PLAIN, ONE, *table, numbers, np.empty_like(numbers)
        )
        seen = np.append(self._figures[: self._sizes[0], 1], 0)[numbers]
        found: list[float] = np.log(1 + self.samples / (1 + seen)).tolist()
        return found


def _grown(array: Array, used: int, more: int) -> Array:
    """Return an array with room for more rows behind those in use: the same, or one of twice the size."""
    if used + more <= len(array):
        return array
    found = np.empty((max(2 * len(array), used + more), *array.shape[1:]), array.dtype)
    found[:used] = array[:used]
    return found
