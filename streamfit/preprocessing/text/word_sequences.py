"""Texts to words, and words to numbers by hashing: Keras 2's functions, with its results."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from hashlib import md5
from typing import SupportsIndex

from streamfit._base.checks import whole

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
"""The characters that separate words by default: punctuation but the apostrophe, tabs and line breaks."""

HashFunction = Callable[[str], SupportsIndex]


def text_to_word_sequence(
    text: str, filters: Iterable[str] = FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """Split a text into words.

    Args:
        text: The text.
        filters: Characters that separate words too: a string, or single characters.
        lower: Whether to turn the text into lower case.
        split: What separates words.

    Returns:
        The words, in order; none is empty.

    Raises:
        TypeError: `text` is no string.
        ValueError: `split` is empty, or `filters` holds more than single characters.

    Example:
        >>> text_to_word_sequence("Don't panic: it works.")
        ["don't", 'panic', 'it', 'works']
    """
    if not isinstance(text, str):
        raise TypeError(
            f"text must be a str, got {text!r:.60} ({type(text).__name__}); pass one text at a time"
        )
    if lower:
        text = text.lower()
    table = _separators(filters if isinstance(filters, str) else tuple(filters), split)
    return [word for word in text.translate(table).split(split) if word]


@functools.lru_cache(maxsize=64)
def _separators(filters: str | tuple[str, ...], split: str) -> dict[int, str]:
    """Return what `str.translate` turns the filtered characters into `split` with."""
    if not isinstance(split, str) or not split:
        raise ValueError(
            f"split={split!r}: write what separates words, such as ' '; for characters, list(text)"
        )
    wrong = [each for each in filters if not isinstance(each, str) or len(each) != 1]
    if wrong:
        raise ValueError(f"filters must be single characters, got {wrong[0]!r}; leave out words yourself")
    return {ord(character): split for character in filters}


def hashing_trick(
    text: str,
    n: int,
    hash_function: HashFunction | str | None = None,
    filters: Iterable[str] = FILTERS,
    lower: bool = True,
    split: str = " ",
) -> list[int]:
    """Turn a text into numbers of words by hashing: no vocabulary, but several words may share a number.

    Args:
        text: The text.
        n: Size of the hashing space; 0 is not used, so that there are n - 1 numbers.
        hash_function: ``'md5'``, or a function from a word to a whole number. None is Python's own `hash`, as
            in Keras: its numbers **differ from process to process**, so nothing that is trained on them can
            be used again. Write ``'md5'``.
        filters: As for `text_to_word_sequence`.
        lower: As for `text_to_word_sequence`.
        split: As for `text_to_word_sequence`.

    Returns:
        ``hash_function(word) % (n - 1) + 1`` of each word: numbers from 1 to n - 1.

    Raises:
        TypeError: `text` is no string, or the hash function returned no whole number.
        ValueError: `n` is less than 2, or `hash_function` is an unknown name.

    Example:
        >>> hashing_trick("The cat, the hat", 50, hash_function="md5")
        [43, 32, 43, 39]
    """
    kinds = whole("n", n, 2) - 1
    hashed = _hash_function(hash_function)
    words = text_to_word_sequence(text, filters, lower, split)
    try:
        return [operator.index(hashed(word)) % kinds + 1 for word in words]
    except TypeError as error:
        error.add_note(f"hash_function={hash_function!r} must return a whole number for each word")
        raise


def _hash_function(given: HashFunction | str | None) -> HashFunction:
    if given is None:
        return hash
    if isinstance(given, str):
        if given == "md5":
            return _md5
        raise ValueError(f"hash_function={given!r}: write 'md5', or a function from a word to a number")
    return given


def _md5(word: str) -> int:
    return int.from_bytes(md5(word.encode(), usedforsecurity=False).digest(), "big")


def one_hot(
    text: str, n: int, filters: Iterable[str] = FILTERS, lower: bool = True, split: str = " "
) -> list[int]:
    """Turn a text into numbers of words with Python's own `hash`: `hashing_trick` without a choice.

    The numbers **differ from process to process** (and the result is not one-hot: the name is that of
    Keras 2). Write ``hashing_trick(text, n, hash_function='md5')`` for numbers that stay.

    Args:
        text: The text.
        n: Size of the hashing space.
        filters: As for `text_to_word_sequence`.
        lower: As for `text_to_word_sequence`.
        split: As for `text_to_word_sequence`.

    Returns:
        A number from 1 to n - 1 for each word.

    Example:
        >>> first, second, third = one_hot("the cat the", 50)
        >>> first == third, 1 <= second <= 49
        (True, True)
    """
    return hashing_trick(text, n, None, filters, lower, split)
