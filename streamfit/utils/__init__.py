"""Public names as Keras users know them: `Sequence`, `PyDataset`, `to_categorical`, `set_random_seed`;
and vectors of words from files."""

from __future__ import annotations

from streamfit._base.config import set_random_seed
from streamfit._base.word_vectors import WordVectors, read_word_vectors
from streamfit.streams.sequence import Sequence
from streamfit.streams.sequence import Sequence as PyDataset
from streamfit.utils.categorical import to_categorical

__all__ = [
    "PyDataset",
    "Sequence",
    "WordVectors",
    "read_word_vectors",
    "set_random_seed",
    "to_categorical",
]
