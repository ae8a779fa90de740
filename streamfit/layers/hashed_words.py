"""Texts as hashes of their words: what `SentenceEmbedding` does without a vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np

from streamfit._base.configs import Config
from streamfit._base.specs import Array
from streamfit.kernels.hashes import hashes_of_tokens
from streamfit.layers.base import LayerOptions
from streamfit.layers.checks import length
from streamfit.layers.text_vectorization import TextVectorization


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
        found: list[tuple[Array, Array]] = []
        for tokens in self._tokenized(x):
            hashes = hashes_of_tokens(tokens.data, tokens.starts) % np.uint64(self.buckets)
            empty = np.diff(tokens.starts) == 1  # without a byte but the one behind it
            numbers = np.where(empty, 0, 1 + hashes.astype(np.int64))
            found.append((numbers, np.diff(tokens.rows)))
        rows = self._padded(found)
        return rows.reshape((*self._lead(x.shape), rows.shape[1]))

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer."""
        kept = {"standardize", "split", *LayerOptions.__annotations__}
        config = {name: value for name, value in super().get_config().items() if name in kept}
        return {**config, "buckets": self.buckets}
