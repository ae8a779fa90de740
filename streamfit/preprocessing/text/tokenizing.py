"""`tokenize`: any tokenizer as a function for `map`, which gives arrays of ids.

Guarantees kept here: ids are padded and cut only as asked; what is neither is an error that names the text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from streamfit._base.checks import integer, whole_or_none
from streamfit._base.errors import DataError, SampleError
from streamfit._base.specs import Array
from streamfit._base.text import text_array
from streamfit.preprocessing.sequence.padded_sequences import Side, pad_sequences
from streamfit.workers.contract import inside_worker

_THREADS = "TOKENIZERS_PARALLELISM"
Encode = Callable[[list[str]], Sequence[object]]


class Tokenize:
    """A function from texts to ids, for `Pipeline.map`; made by `tokenize`, which explains the arguments."""

    __name__ = "tokenize"  # its name in the text of a pipeline

    def __init__(
        self,
        tokenizer: object,
        length: int | None,
        padding: Side | None,
        truncating: Side | None,
        value: int,
        options: dict[str, object],
    ) -> None:
        for name, side in (("padding", padding), ("truncating", truncating)):
            if side not in (None, "pre", "post"):
                raise ValueError(f"{name}={side!r}: write 'pre', 'post' or None")
        if truncating is not None and length is None:
            raise ValueError(f"truncating={truncating!r} needs a length to cut at; give length")
        self.length, self.padding, self.truncating = whole_or_none("length", length, 1), padding, truncating
        filler = integer(value)
        if filler is None:
            raise TypeError(f"value={value!r}: write the id of padding, such as 0")
        self.tokenizer, self.value, self.options = tokenizer, filler, options
        _encoder(tokenizer, options)

    def __call__(self, texts: object) -> Array:
        """Return the ids of a batch of texts, int64 (n, length), or of one text, int64 (length,)."""
        if isinstance(texts, str) or (isinstance(texts, np.ndarray) and not texts.ndim):
            row: Array = self([texts.item() if isinstance(texts, np.ndarray) else texts])[0]
            return row
        found = text_array(texts, "x")
        if found.ndim != 1 and found.shape[1:] != (1,):
            raise DataError(f"x must hold one text for each sample, got shape {found.shape}")
        if inside_worker():  # a worker is one of several: threads of its own would be too many
            os.environ.setdefault(_THREADS, "false")
        given = found.reshape(-1).tolist()
        made = _encoder(self.tokenizer, self.options)(given)
        if len(made) != len(given):
            raise DataError(f"the tokenizer returned {len(made)} lists of ids for {len(given)} texts")
        return self._padded([_ids(ids, row) for row, ids in enumerate(made)])

    def _padded(self, rows: list[list[int]]) -> Array:
        longest = max(map(len, rows), default=0)
        length = self.length or (longest if self.padding else len(rows[0]) if rows else 0)
        for number, ids in enumerate(rows):
            if (len(ids) < length and self.padding is None) or (
                len(ids) > length and self.truncating is None
            ):
                raise SampleError(self._misfit(number, len(ids), length), number)
        if not length:
            return np.zeros((len(rows), 0), np.int64)
        return pad_sequences(
            rows, length, "int64", self.padding or "post", self.truncating or "post", self.value
        )

    def _misfit(self, number: int, count: int, length: int) -> str:
        text = f"x: text {number} has {count} ids and not {length}"
        if self.length is None:
            return f"{text}, as text 0 has; give tokenize a length, and padding='post' or truncating='post'"
        what = "padding" if count < length else "truncating"
        return f"{text}; give tokenize {what}='post' or {what}='pre', or another length"


def tokenize(
    tokenizer: object,
    length: int | None = None,
    *,
    padding: Side | None = None,
    truncating: Side | None = None,
    value: int = 0,
    **options: object,
) -> Tokenize:
    """Make a function for `Pipeline.map` that turns texts into arrays of ids.

    Put it behind `batch`, so that a tokenizer gets many texts at once: ``.batch(32).map(tokenize(...),
    on="x")``. It travels to worker processes with its tokenizer. There, and only there,
    ``TOKENIZERS_PARALLELISM`` is ``false``, unless the program has set it.

    Args:
        tokenizer: A `Tokenizer` of the library `tokenizers` (the extra ``text``) or another object with
            ``encode_batch``; one of Hugging Face's `transformers`; the `Tokenizer` of this package; or a
            function from a text to a list of ids.
        length: How many ids each text has in the result; None if all texts have as many, or `padding` is
            given.
        padding: Where to fill up texts with fewer ids: ``'pre'`` or ``'post'``; without `length`, to the
            longest of the batch. None makes them an error.
        truncating: Where to cut texts with more ids; None makes them an error.
        value: The id to fill up with.
        **options: For the tokenizer, such as ``add_special_tokens=False``. A tokenizer that pads or cuts by
            itself may do so.

    Returns:
        The function: from texts (n,) to int64 (n, length), and from one text to int64 (length,).

    Raises:
        TypeError: The tokenizer is none of these.
        ValueError: An argument is none of these.

    The function raises a `SampleError` for a text with fewer or more ids than fit.

    Example:
        >>> from streamfit import source
        >>> def lengths(text):
        ...     return [len(word) for word in text.split()]
        >>> texts = source(["to be or not", "that is"], kind="samples")
        >>> next(iter(texts.batch(2).map(tokenize(lengths, 3, padding="post", truncating="post"))))
        array([[2, 2, 2],
               [4, 2, 0]])
    """
    return Tokenize(tokenizer, length, padding, truncating, value, options)


def _encoder(tokenizer: object, options: dict[str, object]) -> Encode:
    """Return how a tokenizer turns a list of texts into lists of ids."""
    if hasattr(tokenizer, "encode_batch"):
        return lambda texts: tokenizer.encode_batch(texts, **options)
    if hasattr(tokenizer, "texts_to_sequences"):
        return lambda texts: tokenizer.texts_to_sequences(texts, **options)
    if not callable(tokenizer):
        raise TypeError(
            f"a {type(tokenizer).__name__} is no tokenizer: pass a function from a text to a list of ids, "
            "or an object with encode_batch"
        )
    if hasattr(tokenizer, "convert_tokens_to_ids"):  # of transformers
        return lambda texts: tokenizer(texts, **options)["input_ids"]
    return lambda texts: [tokenizer(text, **options) for text in texts]


def _ids(found: object, row: int) -> list[int]:
    """Return the ids of one text; an encoding of `tokenizers` has them as an attribute."""
    found = getattr(found, "ids", found)
    if type(found) is list and set(map(type, found)) <= {int}:
        return found
    array = np.asarray(found)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise SampleError(
            f"x: the tokenizer made {found!r:.60} of text {row}, which is no list of whole numbers", row
        )
    ids: list[int] = array.tolist()
    return ids
