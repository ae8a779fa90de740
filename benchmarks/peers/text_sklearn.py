"""`CountVectorizer` of scikit-learn for the benchmark of text.

``pattern`` finds words by its default regular expression, ``split`` by `str.split`. It transforms to sparse
counts, all texts in one call.
"""

from __future__ import annotations

from sklearn.feature_extraction.text import CountVectorizer
from text_common import options, serve, texts

chosen = options("pattern", "split")
given = texts(chosen.megabytes)
settings = {} if chosen.kind == "pattern" else {"tokenizer": str.split, "token_pattern": None}
vectorizer = CountVectorizer(**settings)


def adapt() -> int:
    """Make the vocabulary; return its size."""
    vectorizer.fit(given)
    return len(vectorizer.vocabulary_)


def transform() -> int:
    """Look all texts up; return how many words they have."""
    return int(vectorizer.transform(given).sum())


serve({"adapt": adapt, "transform": transform})
