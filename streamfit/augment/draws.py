"""`SampleDraws`: random numbers of the samples of a batch, each a function of a key and a purpose.

A key is a 64-bit number that stands for (seed, pass, sample). There is no state: a draw does not depend on
other draws, on the batch that a sample is in, or on who computes it. The mixing function is that of
`streamfit._base.keys`.
"""

from __future__ import annotations

import math

import numpy as np

from streamfit._base.keys import derive
from streamfit._base.specs import Array
from streamfit.kernels.decorator import kernel
from streamfit.kernels.splitmix import splitmix

_PURPOSES: dict[int | str, Array] = {}
_11 = np.uint64(11)


@kernel
def mix_keys(keys: Array, word: Array, count: int, mixed: Array) -> None:
    """Write `count` keys for each key: a hash of key, word and number.

    Args:
        keys: uint64 (n,).
        word: uint64 (1,).
        count: How many for each.
        mixed: uint64 (n * count,).
    """
    for i in range(keys.shape[0]):
        start = keys[i] ^ word[0]
        for k in range(count):
            mixed[i * count + k] = splitmix(start, k)


@kernel
def draw_units(keys: Array, word: Array, count: int, units: Array) -> None:
    """Write `count` numbers in [0, 1) for each key: the first 53 bits of what `mix_keys` writes.

    Args:
        keys: uint64 (n,).
        word: uint64 (1,).
        count: How many for each.
        units: float64 (n * count,).
    """
    for i in range(keys.shape[0]):
        start = keys[i] ^ word[0]
        for k in range(count):
            units[i * count + k] = float(splitmix(start, k) >> _11) * 2.0**-53


class SampleDraws:
    """Draw random numbers for each sample of a batch.

    Args:
        keys: The key of each sample, uint64 (n,).

    Example:
        >>> one, two = SampleDraws(np.array([7, 8], np.uint64)), SampleDraws(np.array([8], np.uint64))
        >>> bool(one.uniform("angle", -1, 1)[1] == two.uniform("angle", -1, 1)[0])
        True
    """

    def __init__(self, keys: Array) -> None:
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, word: int | str) -> SampleDraws:
        """Return the draws of a transform inside a transform, apart from those of others."""
        return SampleDraws(self.hashes(word))

    def part(self, which: Array) -> SampleDraws:
        """Return the draws of some of the samples."""
        return SampleDraws(np.ascontiguousarray(self.keys[which]))

    def hashes(self, purpose: int | str, count: int = 1) -> Array:
        """Return `count` uniformly distributed words for each sample, uint64 (n * count,)."""
        mixed = np.empty(len(self.keys) * count, np.uint64)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            mix_keys(self.keys, _word(purpose), count, mixed)
        return mixed

    def units(self, purpose: str, shape: tuple[int, ...] = ()) -> Array:
        """Return numbers in [0, 1), float64 (n, \\*shape)."""
        count = math.prod(shape)
        drawn = np.empty(len(self.keys) * count)
        with np.errstate(over="ignore"):  # where kernels are not compiled
            draw_units(self.keys, _word(purpose), count, drawn)
        return drawn.reshape(len(self.keys), *shape)

    def uniform(
        self, purpose: str, low: object = 0.0, high: object = 1.0, shape: tuple[int, ...] = ()
    ) -> Array:
        """Return numbers in [low, high), float64 (n, \\*shape); `low` and `high` are broadcast to that."""
        bottom = np.asarray(low, np.float64)
        drawn: Array = bottom + self.units(purpose, shape) * (np.asarray(high, np.float64) - bottom)
        return drawn

    def whole(self, purpose: str, low: object, high: object, shape: tuple[int, ...] = ()) -> Array:
        """Return whole numbers from `low` on and below `high`, int64 (n, \\*shape)."""
        drawn = np.floor(self.uniform(purpose, low, high, shape)).astype(np.int64)
        # A wide range may round up to its end.
        return np.minimum(drawn, np.asarray(high, np.int64) - 1)

    def normal(self, purpose: str, shape: tuple[int, ...] = ()) -> Array:
        """Return numbers of the standard normal distribution, float64 (n, \\*shape)."""
        from scipy.special import ndtri  # it takes a while to import

        words = self.hashes(purpose, math.prod(shape)).reshape(len(self.keys), *shape)
        drawn: Array = ndtri(((words >> np.uint64(11)) + 0.5) * 2.0**-53)
        return drawn

    def chance(self, purpose: str, probability: float) -> Array:
        """Return True with a probability, bool (n,)."""
        return self.units(purpose) < probability


def _word(purpose: int | str) -> Array:
    """Return the word that stands for a purpose, uint64 (1,)."""
    word = _PURPOSES.get(purpose)
    if word is None:
        key = derive(purpose) if isinstance(purpose, int) else derive(0, purpose)
        word = _PURPOSES[purpose] = np.array([key], np.uint64)
    return word
