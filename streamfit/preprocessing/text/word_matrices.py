"""Lists of word numbers as rows of a matrix: which words, how often, how telling."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.specs import Array

Mode = Literal["binary", "count", "tfidf", "freq"]
_MODES = ("binary", "count", "tfidf", "freq")


def mode_of(mode: object) -> None:
    """Check the mode of a matrix.

    Raises:
        ValueError: It is unknown.
    """
    if mode not in _MODES:
        raise ValueError(f"mode={mode!r}: write one of {', '.join(map(repr, _MODES))}")


def word_matrix(
    sequences: Sequence[Sequence[int]],
    columns: int,
    mode: Mode,
    documents: int,
    documents_with: Mapping[int, int],
    limited: bool,
) -> Array:
    """Return a row for each list of numbers; for modes see `Tokenizer.sequences_to_matrix`.

    Args:
        sequences: Lists of whole numbers from 0.
        columns: Length of a row.
        mode: What a row holds.
        documents: How many documents were counted.
        documents_with: In how many of them each number occurs.
        limited: Whether numbers beyond the row are left out; else they are an error.

    Raises:
        DataError: A number has no place in the matrix.

    Example:
        >>> word_matrix([[2, 2, 1, 5]], 3, "freq", 0, {}, limited=True)
        array([[0.  , 0.25, 0.5 ]])
    """
    lengths = np.array([len(ids) for ids in sequences], np.int64)
    rows, ids = np.repeat(np.arange(len(lengths)), lengths), _flat(sequences)
    inside = ids < columns
    if ids.size and (ids.min() < 0 or not (limited or inside.all())):
        at = int(np.flatnonzero((ids < 0) | ~(limited | inside))[0])
        raise DataError(
            f"sequence {rows[at]} holds {ids[at]}, which is no number of the vocabulary, 0 to {columns - 1}; "
            "give Tokenizer(num_words=...) to leave out higher ones"
        )
    matrix = np.zeros((len(lengths), columns))
    cells, counts = np.unique(rows[inside] * columns + ids[inside], return_counts=True)
    places = np.divmod(cells, columns)
    if mode == "binary":
        matrix[places] = 1
    elif mode == "count":
        matrix[places] = counts
    elif mode == "freq":
        matrix[places] = counts / lengths[places[0]]
    else:
        known, which = np.unique(places[1], return_inverse=True)
        with_it = np.array([documents_with.get(int(index), 0) for index in known])
        rarity = np.log(1 + documents / (1 + with_it))
        matrix[places] = (1 + np.log(counts)) * rarity[which]
    return matrix


def _flat(sequences: Sequence[Sequence[int]]) -> Array:
    """Return all numbers, one list behind the other."""
    flat = np.array(list(itertools.chain.from_iterable(sequences)))
    if not flat.size:
        return np.zeros(0, np.int64)
    if flat.dtype.kind not in "iu" or flat.ndim != 1:
        for place, ids in enumerate(sequences):
            if any(np.ndim(each) or np.asarray(each).dtype.kind not in "iu" for each in ids):
                raise DataError(
                    f"sequence {place} holds something else than whole numbers: {list(ids)!r:.60}"
                )
    return flat.astype(np.int64)
