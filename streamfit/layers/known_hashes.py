"""Hashes of texts that come again and again, such as the words of a column of a table."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array
from streamfit.kernels.hashes import hashes_of_texts

_MOST = 1 << 16
_UNKNOWN = -1


class KnownHashes:
    """Remember the hashes of the first 65,536 different texts; hash others each time that they come.

    Any number of threads may call it. Nothing that was remembered is forgotten or moved, so that a place read
    from the dictionary is valid in whatever array of hashes is read after it.

    Example:
        >>> known = KnownHashes()
        >>> (known(["a", "b", "a"]) == hashes_of_texts(["a", "b", "a"])).all()
        np.True_
        >>> len(known)
        2
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._hashes: Array = np.empty(0, np.uint64)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, texts: Sequence[str]) -> Array:
        """Return the hash of each text, uint64."""
        places = np.fromiter(map(self._places.get, texts, itertools.repeat(_UNKNOWN)), np.int64, len(texts))
        unknown = np.flatnonzero(places == _UNKNOWN)
        if not len(unknown):
            return self._hashes[places]
        new = [texts[place] for place in unknown.tolist()]
        found = np.empty(len(texts), np.uint64)
        found[unknown] = self._remember(new)
        known = places != _UNKNOWN
        found[known] = self._hashes[places[known]]
        return found

    def _remember(self, texts: list[str]) -> Array:
        different = list(dict.fromkeys(texts))
        hashes = hashes_of_texts(different)
        with self._lock:
            fresh = [place for place, text in enumerate(different) if text not in self._places]
            fresh = fresh[: _MOST - len(self._places)]
            first = len(self._hashes)
            self._hashes = np.concatenate([self._hashes, hashes[fresh]])
            self._places.update((different[place], first + at) for at, place in enumerate(fresh))
        by_text = dict(zip(different, hashes.tolist(), strict=True))
        return np.array([by_text[text] for text in texts], np.uint64)
