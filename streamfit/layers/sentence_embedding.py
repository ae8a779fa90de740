"""The layer that turns texts into vectors: their words are looked up, or hashed, and combined."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Unpack

from numpy.typing import ArrayLike

from streamfit import constraints, initializers, regularizers
from streamfit._base.configs import Config, describe
from streamfit._base.loading import refuse_path
from streamfit._base.specs import Shape
from streamfit._base.word_vectors import read_word_vectors
from streamfit.layers.base import Layer, LayerOptions
from streamfit.layers.checks import length
from streamfit.layers.embedding_bag import EmbeddingBag
from streamfit.layers.hashed_words import HashedWords
from streamfit.layers.text_vectorization import TextVectorization
from streamfit.ops.core import Value
from streamfit.ops.embedding_bag import COMBINERS


class SentenceEmbedding(Layer):
    """Turn each text into a vector: the vectors of its words, combined.

    A `TextVectorization` and an `EmbeddingBag` in one layer. The words of a text are looked up in a
    vocabulary, which is given or made by `adapt`; unknown words share one vector. Or they are hashed to one
    of a number of vectors, without a vocabulary; different words may then share one. A text without words
    gives zeros. Input has shape (batch,) or (batch, 1), output (batch, output_dim).

    Args:
        output_dim: Length of the vectors.
        max_tokens: As for `TextVectorization`.
        vocabulary: As for `TextVectorization`.
        num_hash_buckets: How many vectors words are hashed to, by FarmHash's Fingerprint64 of their UTF-8, as
            in Keras' ``Hashing``; in place of a vocabulary.
        combiner: ``'mean'``, ``'sum'`` or ``'sqrtn'``, as for `EmbeddingBag`.
        vectors: Vectors to begin with: the path of a file of word vectors (see
            `streamfit.utils.read_word_vectors`), from which the words of the vocabulary are taken, words that
            it does not have being initialized; or an array with a row for padding, one for unknown words, and
            one for each word of the vocabulary (with `num_hash_buckets`: for padding and for each bucket).
            They are weights and not part of `get_config`.
        standardize: As for `TextVectorization`.
        split: As for `TextVectorization`.
        embeddings_initializer: As for `Embedding`.
        embeddings_regularizer: As for `Embedding`.
        embeddings_constraint: As for `Embedding`.
        **options: As for `Layer`; ``trainable=False`` keeps the vectors as they are.

    Attributes:
        vectors_found: How many words of the vocabulary the file of word vectors has; None without one.

    Raises:
        ValueError: Arguments that do not go together; there is no vocabulary when the layer is first used; or
            vectors of another length.

    Example:
        >>> vectors = [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
        >>> layer = SentenceEmbedding(2, vocabulary=["good", "bad"], vectors=vectors)
        >>> layer(["Good, good, bad.", ""])
        array([[0.6666667 , 0.33333334],
               [0.        , 0.        ]], dtype=float32)
    """

    input_dtype = "string"
    fixed = Layer.fixed | {
        *("output_dim", "max_tokens", "num_hash_buckets", "combiner"),
        *("embeddings_initializer", "embeddings_regularizer", "embeddings_constraint"),
    }
    vectors_found: int | None = None

    def __init__(
        self,
        output_dim: int,
        max_tokens: int | None = None,
        vocabulary: object = None,
        num_hash_buckets: int | None = None,
        combiner: str = "mean",
        vectors: str | os.PathLike[str] | ArrayLike | None = None,
        standardize: str | Callable[[Any], Any] | None = "lower_and_strip_punctuation",
        split: str | Callable[[Any], Any] | None = "whitespace",
        embeddings_initializer: object = "uniform",
        embeddings_regularizer: object = None,
        embeddings_constraint: object = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**options)
        self.output_dim = length("output_dim", output_dim)
        self.max_tokens, self.num_hash_buckets = max_tokens, num_hash_buckets
        self._vectors = vectors
        if combiner not in COMBINERS:
            raise ValueError(f"combiner must be one of {COMBINERS}, got {combiner!r}")
        self.combiner = combiner
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        if num_hash_buckets is None:
            self.lookup: TextVectorization = TextVectorization(
                max_tokens, standardize, split, vocabulary=vocabulary
            )
            return
        if max_tokens is not None or vocabulary is not None:
            raise ValueError(
                "num_hash_buckets does without a vocabulary: leave out max_tokens and vocabulary"
            )
        if isinstance(vectors, (str, os.PathLike)):
            raise ValueError("a file of vectors needs a vocabulary: leave out num_hash_buckets")
        self.num_hash_buckets = length("num_hash_buckets", num_hash_buckets)
        self.lookup = HashedWords(self.num_hash_buckets, standardize, split)

    def adapt(self, data: object, batch_size: int | None = None, steps: int | None = None) -> None:
        """Make the vocabulary of data, as `TextVectorization.adapt` does; before the layer is first used.

        Raises:
            ValueError: The layer hashes words, or it has been used: its vectors are those of another
                vocabulary.
        """
        if self.num_hash_buckets is not None:
            raise ValueError(f"layer {self.name!r} hashes words: there is no vocabulary to adapt")
        if self.built:
            raise ValueError(
                f"layer {self.name!r} has vectors for its vocabulary already: call adapt before the layer is "
                "used, or make a new layer"
            )
        self.lookup.adapt(data, batch_size, steps)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """List the words by their numbers; see `TextVectorization`."""
        return self.lookup.get_vocabulary(include_special_tokens)

    def build(self, input_shape: Shape) -> None:
        """Create the table of vectors."""
        if self.num_hash_buckets is not None:
            rows = self.num_hash_buckets + 1
        elif not self.get_vocabulary(include_special_tokens=False):
            raise ValueError(
                f"layer {self.name!r} has no vocabulary yet: pass vocabulary=..., or call adapt(data) first"
            )
        else:
            rows = self.lookup.vocabulary_size()
        self.bag = EmbeddingBag(
            *(rows, self.output_dim, self.combiner),
            *(self.embeddings_initializer, self.embeddings_regularizer, self.embeddings_constraint),
            weights=self._first_vectors(),
            dtype=self.dtype,
            trainable=self.trainable,
        )
        self._vectors = None

    def _first_vectors(self) -> ArrayLike | None:
        if not isinstance(self._vectors, (str, os.PathLike)):
            return self._vectors
        refuse_path(self._vectors, "vectors")
        words = self.get_vocabulary()
        first: Any = self.embeddings_initializer
        found = read_word_vectors(self._vectors, words, dtype=self.dtype, absent=first)
        dim = found.vectors.shape[1]
        if dim != self.output_dim:
            raise ValueError(
                f"layer {self.name!r}: the vectors of {os.fspath(self._vectors)} have {dim} numbers; write "
                f"output_dim={dim} in place of {self.output_dim}"
            )
        self.vectors_found = int(found.found.sum())
        return found.vectors

    def call(self, x: Value) -> Value:
        """Look the words up, and combine their vectors."""
        combined: Value = self.bag(self.lookup(x))
        return combined

    def get_config(self) -> Config:
        """Return the arguments that make an equal layer, the vocabulary among them; vectors are weights."""
        lookup = self.lookup.get_config()
        return {
            **super().get_config(),
            "output_dim": self.output_dim,
            "max_tokens": self.max_tokens,
            "vocabulary": lookup.get("vocabulary"),
            "num_hash_buckets": self.num_hash_buckets,
            "combiner": self.combiner,
            "standardize": lookup["standardize"],
            "split": lookup["split"],
            "embeddings_initializer": describe(self.embeddings_initializer),
            "embeddings_regularizer": describe(self.embeddings_regularizer),
            "embeddings_constraint": describe(self.embeddings_constraint),
        }
