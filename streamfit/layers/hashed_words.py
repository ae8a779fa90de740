"""Texts as hashes of their words: what `SentenceEmbedding` does without a vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.farmhash import fingerprint64
from streamfit._base.specs import Array
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import length
from streamfit.layers.text_vectorization import TextVectorization
from streamfit.layers.token_table import decoded

_KEPT = 1 << 20  # words whose hash is kept


class HashedWords(TextVectorization):
    """Turn each text into the hashes of its words: 0 is padding, words are from 1 on.

    Args:
        buckets: How many numbers there are for words.
        standardize: As for `TextVectorization`.
        split: As for `TextVectorization`.
        **options: As for `Layer`.

    Example:
        >>> HashedWords(9)(["to be or not to be", "to be"])
        array([[8, 7, 8, 5, 8, 7],
               [8, 7, 0, 0, 0, 0]])
    """

    fixed = TextVectorization.fixed | {"buckets"}

    def __init__(
        self,
        buckets: int,
        standardize: str | Callable[[Any], Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[[Any], Any] | None = "whitespace",
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(standardize=standardize, split=split, **options)
        self.buckets = length("buckets", buckets)

    def compute(self, x: Array) -> Array:
        """Hash the words of a batch of texts."""
        known: _Numbers | None = self._table
        if known is None:
            known = _Numbers(self.buckets)
            object.__setattr__(self, "_table", known)
        found: list[tuple[Array, Array]] = []
        for tokens in self._tokenized(x):
            count = len(tokens.starts) - 1
            words = decoded(tokens.data, tokens.starts, np.arange(count))
            numbers = np.fromiter(map(known.__getitem__, words), np.int64, count)
            found.append((numbers, np.diff(tokens.rows)))
        rows = self._padded(found)
        return rows.reshape((*self._lead(x.shape), rows.shape[1]))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        kept = {"standardize", "split", *LayerOptions.__annotations__}
        config = {name: value for name, value in super().get_config().items() if name in kept}
        return {**config, "buckets": self.buckets}


class _Numbers(dict[str, int]):
    """The number of each word; those of the first million words are kept, since a hash takes long in
    Python."""

    def __init__(self, buckets: int) -> None:
        super().__init__({"": 0})
        self._buckets = buckets

    def __missing__(self, word: str) -> int:
        number = 1 + fingerprint64(word.encode("utf-8", "surrogatepass")) % self._buckets
        if len(self) < _KEPT:
            self[word] = number
        return number
