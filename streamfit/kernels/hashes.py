"""Hashes of many texts and whole numbers at once: `farmhash.fingerprint64` and `siphash.siphash` as kernels.

Whole numbers are hashed as their decimal digits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base import farmhash
from streamfit._base.siphash import START
from streamfit._base.specs import Array
from streamfit._base.utf8 import utf8
from streamfit.kernels.decorator import inlined, kernel

_K0, _K1, _K2 = np.uint64(farmhash._K0), np.uint64(farmhash._K1), np.uint64(farmhash._K2)
_SEED = np.uint64(farmhash._SEED)
_START_0, _START_1, _START_2, _START_3 = (np.uint64(word) for word in START)
_CROSS_START, _CROSS_FACTOR = np.uint64(0xDECAFCAFFE), np.uint64(0xC6A4A7935BD1E995)  # of TensorFlow
_WORD = np.uint64(64)
_DIGITS = 20  # of the longest whole number, its sign included


@inlined
def bytes_at(data: Array, at: int, count: int) -> np.uint64:
    """Return `count` bytes as a number, the lowest first."""
    value = np.uint64(0)
    for k in range(count):
        value |= np.uint64(data[at + k]) << np.uint64(8 * k)
    return value


@inlined
def word_at(data: Array, at: int) -> np.uint64:
    """Return 8 bytes as a number."""
    return bytes_at(data, at, 8)


@inlined
def right(value: np.uint64, by: int) -> np.uint64:
    """Rotate to the right."""
    return (value >> np.uint64(by)) | (value << (_WORD - np.uint64(by)))


@inlined
def shifted(value: np.uint64) -> np.uint64:
    """Mix the high bits into the low ones."""
    return value ^ (value >> np.uint64(47))


@inlined
def mixed(a: np.uint64, b: np.uint64, factor: np.uint64) -> np.uint64:
    """Mix two words to one."""
    return shifted((b ^ shifted((a ^ b) * factor)) * factor) * factor


@inlined
def short_fingerprint(data: Array, at: int, size: int) -> np.uint64:
    """Hash up to 16 bytes."""
    length = np.uint64(size)
    factor = _K2 + np.uint64(2) * length
    if size >= 8:
        first, last = word_at(data, at) + _K2, word_at(data, at + size - 8)
        return mixed(right(last, 37) * factor + first, (right(first, 25) + last) * factor, factor)
    if size >= 4:
        low, high = bytes_at(data, at, 4), bytes_at(data, at + size - 4, 4)
        return mixed(length + (low << np.uint64(3)), high, factor)
    if size == 0:
        return _K2
    low = np.uint64(data[at]) + (np.uint64(data[at + (size >> 1)]) << np.uint64(8))
    high = length + (np.uint64(data[at + size - 1]) << np.uint64(2))
    return shifted(low * _K2 ^ high * _K0) * _K2


@inlined
def middle_fingerprint(data: Array, at: int, size: int) -> np.uint64:
    """Hash 17 to 64 bytes."""
    factor = _K2 + np.uint64(2) * np.uint64(size)
    end = at + size
    a = word_at(data, at) * (_K1 if size <= 32 else _K2)
    b, c, d = word_at(data, at + 8), word_at(data, end - 8) * factor, word_at(data, end - 16) * _K2
    y = right(a + b, 43) + right(c, 30) + d
    second = a + right(b + _K2, 18) + c
    if size <= 32:
        return mixed(y, second, factor)
    z = mixed(y, second, factor)
    e, f = word_at(data, at + 16) * factor, word_at(data, at + 24)
    g, h = (y + word_at(data, end - 32)) * factor, (z + word_at(data, end - 24)) * factor
    return mixed(right(e + f, 43) + right(g, 30) + h, e + right(f + a, 18) + g, factor)


@inlined
def long_fingerprint(data: Array, at: int, size: int) -> np.uint64:
    """Hash more than 64 bytes."""
    y = _SEED * _K1 + np.uint64(113)
    z = shifted(y * _K2 + np.uint64(113)) * _K2
    x = _SEED * _K2 + word_at(data, at)
    v0, v1, w0, w1 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    blocks, rest = (size - 1) // 64, (size - 1) % 64
    factor, weight, place = _K1, np.uint64(1), at
    for block in range(blocks + 1):
        if block == blocks:  # the last 64 bytes, some of them again
            factor, weight = _K1 + ((z & np.uint64(0xFF)) << np.uint64(1)), np.uint64(9)
            w0 += np.uint64(rest)
            v0 += w0
            w0 += v0
            place = at + size - 64
        x = right(x + y + v0 + word_at(data, place + 8), 37) * factor
        y = right(y + v1 + word_at(data, place + 48), 42) * factor
        x ^= w1 * weight
        y += v0 * weight + word_at(data, place + 40)
        z = right(z + w0, 33) * factor
        a = v1 * factor + word_at(data, place)
        b = right(x + w0 + a + word_at(data, place + 24), 21)
        total = a + word_at(data, place + 8) + word_at(data, place + 16)
        v0, v1 = total + word_at(data, place + 24), b + right(total, 44) + a
        a = z + w1 + word_at(data, place + 32)
        b = right(y + word_at(data, place + 16) + a + word_at(data, place + 56), 21)
        total = a + word_at(data, place + 40) + word_at(data, place + 48)
        w0, w1 = total + word_at(data, place + 56), b + right(total, 44) + a
        x, z = z, x
        place += 64
    return mixed(mixed(v0, w0, factor) + shifted(y) * _K0 + z, mixed(v1, w1, factor) + x, factor)


@inlined
def fingerprint_at(data: Array, at: int, size: int) -> np.uint64:
    """Hash bytes as `farmhash.fingerprint64` does."""
    if size <= 16:
        return short_fingerprint(data, at, size)
    if size <= 64:
        return middle_fingerprint(data, at, size)
    return long_fingerprint(data, at, size)


@inlined
def siphash_at(data: Array, at: int, size: int, key: Array) -> np.uint64:
    """Hash bytes as `siphash.siphash` does."""
    a, b, c, d = _START_0 ^ key[0], _START_1 ^ key[1], _START_2 ^ key[0], _START_3 ^ key[1]
    words = size // 8
    for step in range(words + 2):
        word, rounds = np.uint64(0), 2
        if step < words:
            word = word_at(data, at + 8 * step)
        elif step == words:
            word = bytes_at(data, at + 8 * words, size % 8) | (np.uint64(size & 0xFF) << np.uint64(56))
        else:
            c ^= np.uint64(0xFF)
            rounds = 4
        d ^= word
        for _ in range(rounds):
            a += b
            c += d
            b, d = right(b, 51) ^ a, right(d, 48) ^ c
            a = right(a, 32)
            c += b
            a += d
            b, d = right(b, 47) ^ c, right(d, 43) ^ a
            c = right(c, 32)
        a ^= word
    result: np.uint64 = a ^ b ^ c ^ d
    return result


@kernel
def text_hashes(data: Array, starts: Array, gap: int, key: Array, hashes: Array) -> None:
    """Hash the text from each start to `gap` bytes before the next; with SipHash where there is a key."""
    for i in range(hashes.shape[0]):
        at, size = starts[i], starts[i + 1] - starts[i] - gap
        if key.shape[0] > 0:
            hashes[i] = siphash_at(data, at, size, key)
        else:
            hashes[i] = fingerprint_at(data, at, size)


@kernel
def number_hashes(numbers: Array, key: Array, digits: Array, hashes: Array) -> None:
    """Hash the decimal digits of whole numbers (int64); `digits` is memory for those of one."""
    for i in range(hashes.shape[0]):
        rest = np.uint64(numbers[i])
        if numbers[i] < 0:
            rest = np.uint64(0) - rest
        at = digits.shape[0]
        while True:
            tenth = rest // np.uint64(10)
            at -= 1
            digits[at] = np.uint8(np.uint64(48) + rest - tenth * np.uint64(10))
            rest = tenth
            if rest == np.uint64(0):
                break
        if numbers[i] < 0:
            at -= 1
            digits[at] = np.uint8(45)
        if key.shape[0] > 0:
            hashes[i] = siphash_at(digits, at, digits.shape[0] - at, key)
        else:
            hashes[i] = fingerprint_at(digits, at, digits.shape[0] - at)


@kernel
def crossed_hashes(parts: Array, buckets: Array, bins: int) -> None:
    """Combine the hashes of each column, as TensorFlow's ``FingerprintCat64`` does, and find its bucket.

    Args:
        parts: uint64 (parts, combinations): the hashes of the features, in order.
        buckets: int64 (combinations,), is written to.
        bins: How many buckets there are.
    """
    for i in range(buckets.shape[0]):
        total = _CROSS_START
        for part in range(parts.shape[0]):
            total ^= _CROSS_FACTOR ^ (shifted(parts[part, i] * _CROSS_FACTOR) * _CROSS_FACTOR)
            total = shifted(shifted(total * _CROSS_FACTOR) * _CROSS_FACTOR)
        buckets[i] = np.int64(total % np.uint64(bins))


def buckets_of_crosses(parts: Array, bins: int) -> Array:
    """Return the bucket of each combination of hashes, int64; see `crossed_hashes`.

    Example:
        >>> buckets_of_crosses(np.array([[1, 2], [3, 3]], np.uint64), 10)
        array([1, 4])
    """
    buckets = np.empty(parts.shape[1], np.int64)
    with np.errstate(over="ignore"):
        crossed_hashes(parts, buckets, bins)
    return buckets


def hashes_of_texts(texts: Sequence[str], key: Sequence[int] = ()) -> Array:
    """Return the hash of each text, uint64.

    Args:
        texts: The texts; their UTF-8 is hashed.
        key: Two numbers for SipHash; none for FarmHash's fingerprint.

    Example:
        >>> from streamfit._base.farmhash import fingerprint64
        >>> hashes_of_texts(["one"])[0] == fingerprint64(b"one")
        np.True_
    """
    data, starts = utf8(texts)
    hashes = np.empty(len(texts), np.uint64)
    with np.errstate(over="ignore"):  # where kernels are not compiled
        text_hashes(data, starts, 0, _key(key), hashes)
    return hashes


def hashes_of_tokens(data: Array, starts: Array) -> Array:
    """Return the fingerprint of each token, uint64.

    Args:
        data: uint8: tokens in UTF-8, one byte behind each.
        starts: int64 (tokens + 1,): where each begins, and where the last one ends.
    """
    hashes = np.empty(len(starts) - 1, np.uint64)
    with np.errstate(over="ignore"):
        text_hashes(data, starts, 1, _key(()), hashes)
    return hashes


def hashes_of_numbers(numbers: Array, key: Sequence[int] = ()) -> Array:
    """Return the hash of the decimal digits of each number of an int64 vector, uint64.

    Example:
        >>> (hashes_of_numbers(np.array([-12])) == hashes_of_texts(["-12"])).all()
        np.True_
    """
    hashes = np.empty(len(numbers), np.uint64)
    with np.errstate(over="ignore"):
        number_hashes(np.ascontiguousarray(numbers), _key(key), np.empty(_DIGITS, np.uint8), hashes)
    return hashes


def _key(key: Sequence[int]) -> Array:
    return np.array(key, np.uint64)
