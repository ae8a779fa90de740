"""`word_dropout`: words left out at random, keyed by seed, pass and sample."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from streamfit._base.checks import number, storable, whole
from streamfit._base.errors import DataError
from streamfit._base.specs import Array

_WORD = re.compile(r"\S+\s*")
_SPACE = re.compile(r"\s*")


class WordDropout:
    """A function for `Pipeline.map` that leaves out words; made by `word_dropout`, which explains it."""

    __name__ = "word_dropout"  # its name in the text of a pipeline

    def __init__(self, rate: float, replace: int | str | None, keep: tuple[int, ...]) -> None:
        self.rate = number("rate", rate, 0.0)
        if self.rate > 1:
            raise ValueError(f"rate={rate}: write the probability to leave a word out, from 0 to 1")
        if replace is not None and not isinstance(replace, str):
            replace = whole("replace", replace, 0)
        self.replace, self.keep = replace, tuple(whole("keep", each, 0) for each in keep)

    def __call__(self, x: Any, rng: np.random.Generator) -> Any:
        """Return a sample without some of its words: a text, or int (words,)."""
        if isinstance(x, np.ndarray) and not x.ndim:
            x = x.item()
        if isinstance(x, str):
            return self._of_text(x, rng)
        ids = np.asarray(x)
        if ids.ndim != 1 or ids.dtype.kind not in "iu":
            raise DataError(
                f"word_dropout takes the text or the ids of one sample, got shape {ids.shape} of dtype "
                f"{ids.dtype}; map it before .batch(...), or with per='sample'"
            )
        return self._of_ids(ids, rng)

    def _of_text(self, text: str, rng: np.random.Generator) -> str:
        if isinstance(self.replace, int):
            raise DataError(
                f"replace={self.replace} is an id, but the sample is a text: {text!r:.60}; write a word"
            )
        words = _WORD.findall(text)
        dropped = rng.random(len(words)) < self.rate
        start = _SPACE.match(text)
        kept = ["" if start is None else start.group()]
        for word, gone in zip(words, dropped, strict=True):
            if not gone:
                kept.append(word)
            elif self.replace is not None:
                kept.append(self.replace + word[len(word.rstrip()) :])
        return "".join(kept)

    def _of_ids(self, ids: Array, rng: np.random.Generator) -> Array:
        if isinstance(self.replace, str):
            raise DataError(f"replace={self.replace!r} is a word, but the sample holds ids; write an id")
        dropped = rng.random(len(ids)) < self.rate
        dropped &= ~np.isin(ids, self.keep)
        if self.replace is None:
            return ids[~dropped]
        return np.where(dropped, storable("x", self.replace, (), ids.dtype), ids)


def word_dropout(rate: float, replace: int | str | None = None, keep: tuple[int, ...] = (0,)) -> WordDropout:
    """Make a function for `Pipeline.map` that leaves out each word of a sample with a probability.

    Words are left out as in M. Iyyer and others, "Deep unordered composition rivals syntactic methods for
    text classification" (ACL 2015), or replaced as in S. Bowman and others, "Generating sentences from a
    continuous space" (CoNLL 2016). What is left out depends on the seed, the pass and the sample, not on
    workers: map it before `batch`, or with ``per="sample"``; and map training data only.

    Args:
        rate: The probability to leave a word out. A sample may lose all of its words.
        replace: What stands in its place: an id, such as that of unknown words, or for texts a word. None
            leaves nothing: the sample is shorter then, so pad ids afterwards (`padded_batch`).
        keep: Ids that are never left out, such as 0 for padding.

    Returns:
        The function: from a text to a text, or from ids (words,) to ids. Words of a text are what white space
        separates; one that is removed takes the white space behind it along.

    Raises:
        ValueError: `rate` is not from 0 to 1.

    Example:
        >>> import numpy as np
        >>> from streamfit import source
        >>> ids = source(np.array([[5, 6, 7, 8, 9, 0, 0]] * 2), seed=1)
        >>> next(iter(ids.map(word_dropout(0.5, replace=1)).batch(2)))
        array([[5, 6, 1, 8, 1, 0, 0],
               [5, 6, 7, 1, 9, 0, 0]])
    """
    return WordDropout(rate, replace, keep)
