"""Keys: randomness without state.

A key is a 64-bit number that is derived from a seed and from words that name the purpose of the
randomness: ``derive(seed, data_epoch, "shuffle")``. Equal words give equal keys on every worker and at every
attempt. There is no state to advance, so the order of calls cannot change a draw.

The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", OOPSLA 2014); draws come from NumPy's Philox, a counter-based
generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

import secrets

import numpy as np

from streamfit._base.checks import integer
from streamfit._base.specs import Array

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _number(word: int | str) -> int:
    if isinstance(word, str):
        value = 0xCBF29CE484222325  # FNV-1a over the bytes: Python's own hash differs between processes
        for byte in word.encode():
            value = ((value ^ byte) * 0x100000001B3) & _MASK
        return value
    return int(word) & _MASK


def derive(seed: int, *words: int | str) -> int:
    """Derive a 64-bit key from a seed and the words that name its purpose.

    Args:
        seed: Any whole number.
        words: Whole numbers or strings; their order matters.

    Returns:
        A number in [0, 2**64).

    Example:
        >>> derive(1, 0, "shuffle") == derive(1, 0, "shuffle")
        True
        >>> derive(1, 0, "shuffle") == derive(1, 1, "shuffle")
        False
    """
    key = _mix(int(seed) & _MASK)
    for word in words:
        key = _mix(key ^ _number(word))
    return key


def generator(key: int) -> np.random.Generator:
    """Return NumPy's counter-based generator for `key`.

    Example:
        >>> bool(generator(7).random() == generator(7).random())
        True
    """
    return np.random.Generator(np.random.Philox(key=key))


def uniforms(key: int, numbers: Array) -> Array:
    """Return a number in [0, 1) for each of some whole numbers: a hash of key and number.

    Example:
        >>> bool((uniforms(1, np.arange(5))[[4, 2]] == uniforms(1, np.array([4, 2]))).all())
        True
    """
    return (each_key(key, numbers) >> np.uint64(11)) * 2.0**-53


def each_key(key: int, numbers: Array) -> Array:
    """Return a key for each of some whole numbers, uint64: a hash of key and number.

    Example:
        >>> bool((each_key(1, np.arange(5))[[4, 2]] == each_key(1, np.array([4, 2]))).all())
        True
    """
    value = numbers.astype(np.uint64) ^ np.uint64(key)
    value += np.uint64(_GOLDEN)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = value ^ (value >> np.uint64(31))
    return mixed


def seed_from(value: object) -> int:
    """Return a seed in [0, 2**63) for a whole number of any kind and size; the only place that reduces seeds.

    A number in that range is returned as it is. Any other number, such as a hash or a clock, is hashed with
    its sign and all its bits.

    Raises:
        TypeError: `value` is not a whole number.

    Example:
        >>> seed_from(7), seed_from(np.uint8(7)), seed_from(2**63) == seed_from(np.uint64(2**63))
        (7, 7, True)
        >>> len({seed_from(value) for value in (0, -1, 2**63, 2**64, 2**64 - 1, -(2**64))})
        6
    """
    number = integer(value)
    if number is None:
        raise TypeError(f"seed must be a whole number, got {value!r} ({type(value).__name__})")
    if 0 <= number < 1 << 63:
        return number
    words: list[int | str] = ["seed", int(number < 0)]
    rest = abs(number)
    while rest:
        words.append(rest & _MASK)
        rest >>= 64
    return derive(len(words), *words) >> 1


def seed_or_none(value: object) -> int | None:
    """Return the seed for a whole number of any kind and size; None stays None.

    Raises:
        TypeError: `value` is neither.
    """
    if value is not None and integer(value) is None:
        raise TypeError(f"seed must be a whole number or None, got {value!r} ({type(value).__name__})")
    return None if value is None else seed_from(value)


def seed_of_call(value: object) -> int:
    """Return the seed of a call: of a whole number, drawn from a generator of NumPy, or for None a fresh one.

    Raises:
        TypeError: `value` is none of these.

    Example:
        >>> seed_of_call(7), seed_of_call(np.random.default_rng(1)) == seed_of_call(np.random.default_rng(1))
        (7, True)
    """
    if value is None:
        return draw_seed()
    return int(value.integers(1 << 63)) if isinstance(value, np.random.Generator) else seed_from(value)


def draw_seed() -> int:
    """Draw a fresh 63-bit seed from the operating system."""
    return secrets.randbits(63)
