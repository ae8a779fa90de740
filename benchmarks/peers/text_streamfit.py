"""`TextVectorization` of streamfit for the benchmark of text."""

from __future__ import annotations

import numpy as np
from text_common import BATCH, options, serve, texts

from streamfit.layers import TextVectorization

given = np.array(texts(options("arrays").megabytes), dtype=object)
layer = TextVectorization()


def adapt() -> int:
    """Make the vocabulary; return its size."""
    layer.adapt(given)
    return layer.vocabulary_size()


def transform() -> int:
    """Look all texts up; return how many words they have."""
    return sum(int(np.count_nonzero(layer(given[at : at + BATCH]))) for at in range(0, len(given), BATCH))


serve({"adapt": adapt, "transform": transform})
