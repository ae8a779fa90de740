"""IMDB: 50,000 reviews of films as numbers of words, good or bad."""

from __future__ import annotations

import json
import os

import numpy as np

from streamfit._base.checks import is_mapping, whole, whole_or_none
from streamfit._base.errors import DataError
from streamfit._base.specs import Array
from streamfit.datasets.local_files import Splits, find_local, load_npz

_FOLDER = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"


def load_data(
    path: str | os.PathLike[str] = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Splits:
    """Read the reviews of IMDB. For one seed the result is that of Keras.

    Args:
        path: ``imdb.npz`` as Keras has it, which is looked for here and in ``~/.keras/datasets``. Its pickles
            may hold lists of numbers alone: anything else in them is refused.
        num_words: Words from this number on become `oov_char`; the more frequent a word, the lower its
            number. None for all.
        skip_top: Words below this number do, too.
        maxlen: Reviews of this length and longer are left out; None for none.
        seed: Of the order.
        start_char: Stands in front of each review; None for nothing.
        oov_char: Stands for words that are left out; None to leave nothing in their place.
        index_from: What the numbers of words begin at.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: lists of numbers, as arrays of objects, and labels, 1 for
        good.

    Raises:
        NoFileError: There is no such file; the message says what to download, and where it belongs.
        DataError: It is damaged or something else.
        ValueError: No review is short enough.
    """
    whole("skip_top", skip_top, 0)
    found = find_local(path, ["imdb.npz"], f"{_FOLDER}imdb.npz")
    texts = load_npz(found, ["x_train", "x_test"], objects=True)
    labels = load_npz(found, ["y_train", "y_test"])
    rng = np.random.RandomState(seed)
    parts: list[tuple[list[list[int]], Array]] = []
    for x, y in zip(texts, labels, strict=True):
        if x.shape != y.shape or not all(isinstance(text, list) for text in x):
            raise DataError(f"{found!r} holds no list of words for each label; download it again")
        order = np.arange(len(x))
        rng.shuffle(order)
        begin = [] if start_char is None else [start_char]
        moved = [begin + [word + index_from for word in text] for text in x[order]]
        parts.append(_short(moved, y[order], whole_or_none("maxlen", maxlen, 1)))
    limit = num_words or max(max(text, default=0) for x, _ in parts for text in x)
    made = [(_objects([_known(text, skip_top, limit, oov_char) for text in x]), y) for x, y in parts]
    return made[0], made[1]


def get_word_index(path: str | os.PathLike[str] = "imdb_word_index.json") -> dict[str, int]:
    """Read the number of each word, from 1 on; `load_data` adds `index_from`.

    Raises:
        NoFileError: There is no such file; the message says what to download, and where it belongs.
        DataError: It is damaged or something else.
    """
    name = "imdb_word_index.json"
    found = find_local(path, [name], f"{_FOLDER}{name}")
    try:
        with open(found, encoding="utf-8") as file:
            index = json.load(file)
    except ValueError as error:
        raise DataError(f"{found!r} is no file in JSON: {error}; download it again") from None
    if not is_mapping(index):
        raise DataError(f"{found!r} holds no dictionary of words; download it again")
    return dict(index)


def _short(x: list[list[int]], y: Array, maxlen: int | None) -> tuple[list[list[int]], Array]:
    if maxlen is None:
        return x, y
    kept = [place for place, text in enumerate(x) if len(text) < maxlen]
    if not kept:
        raise ValueError(f"maxlen={maxlen}: no review is shorter; write a larger one")
    return [x[place] for place in kept], y[kept]


def _known(text: list[int], skip_top: int, limit: int, oov_char: int | None) -> list[int]:
    if oov_char is None:
        return [word for word in text if skip_top <= word < limit]
    return [word if skip_top <= word < limit else oov_char for word in text]


def _objects(texts: list[list[int]]) -> Array:
    made = np.empty(len(texts), object)
    made[:] = texts
    return made
