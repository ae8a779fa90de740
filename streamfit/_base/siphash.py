"""`siphash`: a keyed hash of bytes that is the same on every machine, for those who know the key.

It is SipHash-2-4 with a result of 64 bits (Aumasson and Bernstein, 2012), which TensorFlow uses for hash
buckets with a salt. Without the key nobody can find texts that share a bucket.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
START = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
"""What the four words of the state begin with, before the key is mixed in."""

_State = tuple[int, int, int, int]


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """Return the hash, a number in [0, 2**64).

    Args:
        data: The bytes.
        key: Two numbers in [0, 2**64).

    Example:
        >>> key = (0x0706050403020100, 0x0F0E0D0C0B0A0908)  # the example of the paper
        >>> hex(siphash(bytes(range(15)), key))
        '0xa129ca6149be45e5'
    """
    a, b, c, d = (start ^ key[place % 2] for place, start in enumerate(START))
    state = (a, b, c, d)
    whole = len(data) // 8 * 8
    for at in range(0, whole, 8):
        state = _take(state, int.from_bytes(data[at : at + 8], "little"))
    a, b, c, d = _take(state, int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    a, b, c, d = _rounds((a, b, c ^ 0xFF, d), 4)
    return a ^ b ^ c ^ d


def _take(state: _State, word: int) -> _State:
    """Mix a word in."""
    a, b, c, d = _rounds((state[0], state[1], state[2], state[3] ^ word), 2)
    return a ^ word, b, c, d


def _rounds(state: _State, count: int) -> _State:
    a, b, c, d = state
    for _ in range(count):
        a, c = (a + b) & _MASK, (c + d) & _MASK
        b, d = _rotate(b, 13) ^ a, _rotate(d, 16) ^ c
        a = _rotate(a, 32)
        c, a = (c + b) & _MASK, (a + d) & _MASK
        b, d = _rotate(b, 17) ^ c, _rotate(d, 21) ^ a
        c = _rotate(c, 32)
    return a, b, c, d


def _rotate(value: int, by: int) -> int:
    """Rotate to the left."""
    return (value << by) & _MASK | value >> (64 - by)
