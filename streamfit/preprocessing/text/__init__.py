"""Text to words and numbers: Keras 2's functions and `Tokenizer`, any tokenizer in `map`, word dropout."""

from __future__ import annotations

from streamfit.preprocessing.text.tokenizing import Tokenize, tokenize
from streamfit.preprocessing.text.word_counts import Tokenizer, tokenizer_from_json
from streamfit.preprocessing.text.word_dropping import WordDropout, word_dropout
from streamfit.preprocessing.text.word_sequences import hashing_trick, one_hot, text_to_word_sequence

__all__ = [
    "Tokenize",
    "Tokenizer",
    "WordDropout",
    "hashing_trick",
    "one_hot",
    "text_to_word_sequence",
    "tokenize",
    "tokenizer_from_json",
    "word_dropout",
]
