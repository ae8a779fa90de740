"""`SampleDraws`: random numbers of the samples of a batch, each a function of a key and a purpose.

A key is a 64-bit number that stands for (seed, pass, sample). There is no state: a draw does not depend on
other draws, on the batch that a sample is in, or on who computes it. The mixing function is that of
`streamfit._base.keys`.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.kernels.decorator import inlined, kernel
from streamfit.kernels.splitmix import splitmix

_11 = np.uint64(11)


@inlined
def _start(key: np.uint64, words: Array, last: int) -> np.uint64:
    """Return the hash of a key and the words in front of word `last`, each hashed with those before."""
    for w in range(last):
        key = splitmix(key ^ words[w], 0)
    return key


@kernel
def mix_keys(keys: Array, words: Array, count: int, mixed: Array) -> None:
    """Write `count` keys for each key: a hash of key, words and number.

    Args:
        keys: uint64 (n,).
        words: The words of the transforms that draw, the outermost first, then that of the purpose; uint64
            (at least 1,).
        count: How many for each.
        mixed: uint64 (n * count,).
    """
    last = words.shape[0] - 1
    for i in range(keys.shape[0]):
        start = _start(keys[i], words, last) ^ words[last]
        for k in range(count):
            mixed[i * count + k] = splitmix(start, k)


@kernel
def draw_units(keys: Array, words: Array, count: int, units: Array) -> None:
    """Write `count` numbers in [0, 1) for each key: the first 53 bits of what `mix_keys` writes.

    Args:
        keys: See `mix_keys` for this and what follows.
        words: See there.
        count: See there.
        units: float64 (n * count,).
    """
    last = words.shape[0] - 1
    for i in range(keys.shape[0]):
        start = _start(keys[i], words, last) ^ words[last]
        for k in range(count):
            units[i * count + k] = float(splitmix(start, k) >> _11) * 2.0**-53


@kernel
def draw_below(keys: Array, words: Array, purposes: int, limits: Array, drawn: Array) -> None:
    """Write whole numbers from 0 on and below limits: those of `draw_units` times the limit, rounded down.

    Args:
        keys: See `mix_keys`.
        words: As there, but with several purposes at the end.
        purposes: How many.
        limits: float64 (n, purposes * count); `count` numbers are drawn for each purpose.
        drawn: int64 (n, purposes * count).
    """
    last, count = words.shape[0] - purposes, limits.shape[1] // purposes
    for i in range(keys.shape[0]):
        start = _start(keys[i], words, last)
        for p in range(purposes):
            begin = start ^ words[last + p]
            for k in range(count):
                limit = limits[i, p * count + k]
                unit = float(splitmix(begin, k) >> _11) * 2.0**-53
                # A wide range may round up to its end.
                drawn[i, p * count + k] = int(min(math.floor(unit * limit), limit - 1.0))


class SampleDraws:
    """Draw random numbers for each sample of a batch.

    Args:
        keys: The key of each sample, uint64 (n,).
        path: The words that `of` was given, the outermost first.

    Example:
        >>> one, two = SampleDraws(np.array([7, 8], np.uint64)), SampleDraws(np.array([8], np.uint64))
        >>> bool(one.uniform("angle", -1, 1)[1] == two.uniform("angle", -1, 1)[0])
        True
    """

    def __init__(self, keys: Array, path: tuple[int | str, ...] = ()) -> None:
        self._keys, self._path = keys, path

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, word: int | str) -> SampleDraws:
        """Return the draws of a transform inside a transform, apart from those of others."""
        return SampleDraws(self._keys, (*self._path, word))

    def part(self, which: Array) -> SampleDraws:
        """Return the draws of some of the samples."""
        return SampleDraws(np.ascontiguousarray(self._keys[which]), self._path)

    def hashes(self, purpose: int | str, count: int = 1) -> Array:
        """Return `count` uniformly distributed words for each sample, uint64 (n * count,)."""
        mixed = np.empty(len(self._keys) * count, np.uint64)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            mix_keys(self._keys, _words(self._path, (purpose,)), count, mixed)
        return mixed

    def units(self, purpose: str, shape: tuple[int, ...] = ()) -> Array:
        """Return numbers in [0, 1), float64 (n, \\*shape)."""
        count = math.prod(shape)
        drawn = np.empty(len(self._keys) * count)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            draw_units(self._keys, _words(self._path, (purpose,)), count, drawn)
        return drawn.reshape(len(self._keys), *shape)

    def uniform(
        self, purpose: str, low: object = 0.0, high: object = 1.0, shape: tuple[int, ...] = ()
    ) -> Array:
        """Return numbers in [low, high), float64 (n, \\*shape); `low` and `high` are broadcast to that."""
        bottom = np.asarray(low, np.float64)
        drawn: Array = bottom + self.units(purpose, shape) * (np.asarray(high, np.float64) - bottom)
        return drawn

    def whole(self, purpose: str, low: object, high: object, shape: tuple[int, ...] = ()) -> Array:
        """Return whole numbers from `low` on and below `high`, int64 (n, \\*shape)."""
        if isinstance(low, int) and low == 0:
            limits = np.empty((len(self._keys), *shape))
            limits[...] = np.asarray(high, np.float64)
            return self.below((purpose,), limits.reshape(len(limits), math.prod(shape))).reshape(limits.shape)
        drawn = np.floor(self.uniform(purpose, low, high, shape)).astype(np.int64)
        # A wide range may round up to its end.
        return np.minimum(drawn, np.asarray(high, np.int64) - 1)

    def below(self, purposes: tuple[str, ...], limits: Array) -> Array:
        """Return whole numbers from 0 on and below limits, the same as ``whole(purpose, 0, limit)`` gives.

        Args:
            purposes: As many columns of the result belong to each of them as to each other.
            limits: (n, columns).

        Returns:
            int64 (n, columns).
        """
        drawn = np.empty(limits.shape, np.int64)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            draw_below(
                self._keys,
                _words(self._path, purposes),
                len(purposes),
                np.ascontiguousarray(limits, np.float64),
                drawn,
            )
        return drawn

    def normal(self, purpose: str, shape: tuple[int, ...] = ()) -> Array:
        """Return numbers of the standard normal distribution, float64 (n, \\*shape)."""
        from scipy.special import ndtri  # it takes a while to import

        words = self.hashes(purpose, math.prod(shape)).reshape(len(self._keys), *shape)
        drawn: Array = ndtri(((words >> np.uint64(11)) + 0.5) * 2.0**-53)
        return drawn

    def chance(self, purpose: str, probability: float) -> Array:
        """Return True with a probability, bool (n,)."""
        return self.units(purpose) < probability


@lru_cache(maxsize=4096)
def _words(path: tuple[int | str, ...], purposes: tuple[int | str, ...]) -> Array:
    """Return the words that stand for transforms and purposes, uint64."""
    return np.array(
        [derive(word) if isinstance(word, int) else derive(0, word) for word in (*path, *purposes)], np.uint64
    )
