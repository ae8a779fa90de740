"""What lookup layers count and encode: frequencies of tokens, and numbers as rows of zeros and ones."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from streamfit._base.specs import Array, Shape

Token = TypeVar("Token", str, int)

MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
DROPPED = -1
"""The number of a token that is left out of an encoding."""


class Counts(Protocol[Token]):
    """Tokens that were counted."""

    def ranked(self, most: int | None = None) -> list[Token]:
        """List the tokens, the most frequent one first; of equally frequent ones the largest."""

    def inverse_frequencies(self, tokens: Sequence[Token]) -> list[float]:
        """Return for each token ``log(1 + samples / (1 + samples with the token))``."""


class TokenCounts(Generic[Token]):
    """Count tokens, and in how many samples each occurs.

    Example:
        >>> counts = TokenCounts()
        >>> counts.add([["a", "b", "a"], ["b", "c", "c"]])
        >>> counts.ranked(), counts.samples
        (['c', 'b', 'a'], 2)
    """

    def __init__(self) -> None:
        self.tokens: Counter[Token] = Counter()
        self.in_samples: Counter[Token] = Counter()
        self.samples = 0

    def add(self, rows: Sequence[Sequence[Token]]) -> None:
        """Count the tokens of some samples."""
        self.samples += len(rows)
        for row in rows:
            self.tokens.update(row)
            self.in_samples.update(set(row))

    def ranked(self, most: int | None = None) -> list[Token]:
        """List the tokens, the most frequent one first; of equally frequent ones the largest, as in Keras.

        Args:
            most: How many are wanted at most; None for all.
        """
        return sorted(self.tokens, key=lambda token: (self.tokens[token], token), reverse=True)[:most]

    def inverse_frequencies(self, tokens: Sequence[Token]) -> list[float]:
        """Return for each token ``log(1 + samples / (1 + samples with the token))``, as in Keras."""
        return [float(np.log(1 + self.samples / (1 + self.in_samples[token]))) for token in tokens]


def encoded_shape(shape: Shape, mode: str, depth: int | None) -> Shape:
    """Return the shape of an encoding.

    Args:
        shape: Shape of the numbers, batch axis first.
        mode: One of `MODES`, but not ``'int'``.
        depth: Length of the last axis of the result; None if it is not known.

    Example:
        >>> encoded_shape((None, 1), "one_hot", 5), encoded_shape((None, 4), "one_hot", 5)
        ((None, 5), (None, 4, 5))
        >>> encoded_shape((None, 4), "count", 5), encoded_shape((None,), "count", 5)
        ((None, 5), (None, 5))
    """
    if len(shape) < 2 or (mode == "one_hot" and shape[-1] != 1):
        return (*shape, depth)
    return (*shape[:-1], depth)


def encode(numbers: Array, mode: str, depth: int, dtype: str, factors: Array | None = None) -> Array:
    """Encode numbers as rows of length `depth`.

    Args:
        numbers: int64 in [0, depth), or `DROPPED`; batch axis first.
        mode: ``'one_hot'`` makes a row of each number; the others make one of each sample: ``'multi_hot'``
            has a
            1 for each number that occurs, ``'count'`` how often it does, ``'tf_idf'`` that times its factor.
        depth: Length of a row.
        dtype: Of the result.
        factors: One for each number, float64, for ``'tf_idf'``.

    Example:
        >>> encode(np.array([[1, 1, 0]]), "count", 3, "float32")
        array([[1., 2., 0.]], dtype=float32)
    """
    shape = tuple(int(length or 0) for length in encoded_shape(numbers.shape, mode, depth))
    rows = math.prod(shape[:-1])
    flat = numbers.reshape(rows, -1)
    kept = flat != DROPPED
    places = (np.arange(rows)[:, None] * depth + flat)[kept]
    counts: Array = np.bincount(places, minlength=rows * depth).reshape(rows, depth)
    if mode in ("one_hot", "multi_hot"):
        counts = counts > 0
    elif factors is not None:
        counts = counts * factors
    return counts.astype(dtype).reshape(shape)
