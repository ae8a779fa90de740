"""`skipgrams`: pairs of words that stand near each other, and pairs that do not, as Keras 2 draws them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from streamfit._base.checks import integer, number, truth, whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array

_EULER = 0.577  # as short as in Keras, whose results these are
_MOST_SEED = 10_000_000


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> Array:
    """Return the probability to keep a word, by its rank: frequent words are kept more rarely.

    As in word2vec (T. Mikolov and others, "Distributed representations of words and phrases", NIPS 2013), a
    word of frequency f is kept with the probability ``min(1, sqrt(sampling_factor / f))``. The frequency of a
    rank follows Zipf's law: ``1 / f = rank * (log(rank) + 0.577) + 1/2 - 1 / (12 * rank)``.

    Args:
        size: How many words there are, with number 0, which is no word.
        sampling_factor: The frequency below which all occurrences are kept.

    Returns:
        float64 (size,): number 0 has the probability of number 1.

    Raises:
        ValueError: `size` is less than 1, or `sampling_factor` is not positive.

    Example:
        >>> make_sampling_table(4).round(4)
        array([0.0032, 0.0032, 0.0055, 0.0074])
    """
    rank = np.maximum(np.arange(whole("size", size, 1)), 1)
    factor = number("sampling_factor", sampling_factor)
    if factor <= 0:
        raise ValueError(f"sampling_factor={sampling_factor}: write a frequency above 0, such as 1e-5")
    scaled = factor * (rank * (np.log(rank) + _EULER) + 0.5 - 1.0 / (12.0 * rank))
    kept: Array = np.minimum(1.0, scaled / np.sqrt(scaled))
    return kept


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Sequence[float] | Array | None = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Return pairs of words with labels: 1 for two words of one window, 0 for a word and a random one.

    The results are those of Keras 2, random numbers included. These come from Python's `random`, and `seed`
    sets its state **for the shuffle only**, at the end: call `random.seed` before for the same random words.
    The state of `random` is another one in each worker process.

    Args:
        sequence: Numbers of words; 0 is no word, and in no pair.
        vocabulary_size: The numbers are below it; random words are from 1 to ``vocabulary_size - 1``.
        window_size: How many positions to the left and to the right belong to the window of a word.
        negative_samples: How many pairs with a random word there are for each pair of a window; these words
            may be of the window by chance.
        shuffle: Whether to shuffle the pairs.
        categorical: Whether labels are ``[0, 1]`` and ``[1, 0]`` in place of 1 and 0.
        sampling_table: The probability that a word has a window, by its number; see `make_sampling_table`.
        seed: Of the shuffle; None draws one.

    Returns:
        The pairs, lists of two numbers, and their labels.

    Raises:
        DataError: A number is not in ``0..vocabulary_size - 1``, or has no entry in the sampling table.
        ValueError: An argument is out of range.

    Example:
        >>> skipgrams([1, 2, 0, 3], 4, window_size=2, negative_samples=0, shuffle=False)
        ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])
    """
    size, reach = whole("vocabulary_size", vocabulary_size, 1), whole("window_size", window_size, 0)
    share = number("negative_samples", negative_samples, 0.0)
    words = _words(sequence, size)
    centers = np.flatnonzero(words)
    if sampling_table is not None:
        centers = centers[_chances(words[centers], sampling_table) >= _draws(len(centers))]
    pairs = _neighbours(words, centers, reach)
    positive = len(pairs)
    if share > 0:
        pairs = np.concatenate([pairs, _random_pairs(pairs[:, 0], int(positive * share), size)])
    targets = np.arange(len(pairs)) < positive
    if truth("shuffle", shuffle):
        order = _shuffled(len(pairs), seed)
        pairs, targets = pairs[order], targets[order]
    if truth("categorical", categorical):
        return pairs.tolist(), np.stack([~targets, targets], axis=1).astype(int).tolist()
    return pairs.tolist(), targets.astype(int).tolist()


def _words(sequence: Sequence[int], size: int) -> Array:
    words = np.asarray(sequence)
    if words.ndim != 1 or (words.size and words.dtype.kind not in "iu"):
        raise DataError(
            f"sequence must be a list of whole numbers, got shape {words.shape} of dtype {words.dtype}; call "
            "skipgrams for each sentence"
        )
    wrong = np.flatnonzero((words < 0) | (words >= size))
    if wrong.size:
        at = int(wrong[0])
        raise DataError(
            f"sequence[{at}] is {words[at]}, which is not in 0..{size - 1} (vocabulary_size={size})"
        )
    return words.astype(np.int64)


def _chances(words: Array, sampling_table: Sequence[float] | Array) -> Array:
    table = np.asarray(sampling_table)
    if words.size and words.max() >= len(table):
        raise DataError(f"sampling_table has {len(table)} entries, none for word {words.max()}")
    chances: Array = table[words]
    return chances


def _draws(count: int) -> Array:
    return np.array([random.random() for _ in range(count)])


def _neighbours(words: Array, centers: Array, reach: int) -> Array:
    """Return the pairs (word, other word of its window), from left to right: int64 (n, 2)."""
    reach = min(reach, len(words))
    offsets = np.concatenate([np.arange(-reach, 0), np.arange(1, reach + 1)])
    places = centers[:, None] + offsets
    padded = np.concatenate([words, np.zeros(reach + 1, np.int64)])  # a negative place is in the padding, too
    others = padded[places]
    row, column = np.nonzero(others)
    return np.stack([words[centers[row]], others[row, column]], axis=1)


def _random_pairs(firsts: Array, count: int, size: int) -> Array:
    """Return pairs of the same words, in random order, with random ones."""
    words = firsts.tolist()
    _shuffle(words)
    if not count:
        return np.zeros((0, 2), np.int64)
    if size < 2:
        raise ValueError(f"vocabulary_size={size} has no word to draw; write negative_samples=0")
    repeated = np.resize(np.array(words), count)
    return np.stack([repeated, 1 + np.array(_below(size - 1, count))], axis=1)


def _below(limit: int, count: int) -> list[int]:
    """Draw numbers in [0, limit) exactly as ``random.randrange`` does, without its checks for each."""
    draw, bits = random.getrandbits, limit.bit_length()
    found: list[int] = []
    while len(found) < count:
        found += [each for each in (draw(bits) for _ in range(count - len(found))) if each < limit]
    return found


def _shuffled(count: int, seed: int | None) -> list[int]:
    """Return the order in which ``random.shuffle`` leaves a list."""
    if seed is not None and integer(seed) is None:
        raise TypeError(f"seed must be a whole number or None, got {seed!r}")
    random.seed(random.randint(0, _MOST_SEED) if seed is None else integer(seed))
    order = list(range(count))
    _shuffle(order)
    return order


def _shuffle(values: list[int]) -> None:
    """Shuffle a list exactly as ``random.shuffle`` does, without a call of its own for each number."""
    draw = random.getrandbits
    for last in range(len(values) - 1, 0, -1):
        bits = (last + 1).bit_length()
        other = draw(bits)
        while other > last:
            other = draw(bits)
        values[last], values[other] = values[other], values[last]
