"""`fingerprint64`: a hash of bytes that is the same on every machine, in every process, forever.

It is FarmHash's Fingerprint64 (Pike and Alakuijala, 2014), which TensorFlow uses for hash buckets, so that a
text lands in the same bucket here and there. Python's own `hash` of a text differs from process to process.
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_SEED = 81  # of texts longer than 64 bytes

_Pair = tuple[int, int]


def fingerprint64(data: bytes) -> int:
    """Return the fingerprint, a number in [0, 2**64).

    Example:
        >>> fingerprint64(b"1footrue") - 2**64, fingerprint64("3true".encode()) - 2**64
        (-1541654101129638711, -4880158226897771312)
    """
    size = len(data)
    if size <= 16:
        return _up_to_16(data, size)
    if size <= 32:
        return _up_to_32(data, size)
    return _up_to_64(data, size) if size <= 64 else _longer(data, size)


def _word(data: bytes, at: int) -> int:
    found: int = struct.unpack_from("<Q", data, at)[0]
    return found


def _half(data: bytes, at: int) -> int:
    found: int = struct.unpack_from("<I", data, at)[0]
    return found


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return (value >> by) | (value << (64 - by) & _MASK)


def _shifted(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _mix(a: int, b: int, factor: int) -> int:
    """Mix two words to one."""
    b &= _MASK
    first = _shifted((a ^ b) * factor)
    return _shifted((b ^ first) * factor) * factor & _MASK


def _up_to_16(data: bytes, size: int) -> int:
    factor = _K2 + 2 * size
    if size >= 8:
        first, last = _word(data, 0) + _K2, _word(data, size - 8)
        return _mix(
            (_rotate(last, 37) * factor + first) & _MASK, (_rotate(first, 25) + last) * factor, factor
        )
    if size >= 4:
        return _mix(size + (_half(data, 0) << 3), _half(data, size - 4), factor)
    if not size:
        return _K2
    low, high = data[0] + (data[size >> 1] << 8), size + (data[size - 1] << 2)
    return _shifted((low * _K2 ^ high * _K0) & _MASK) * _K2 & _MASK


def _quarters(data: bytes, size: int, first_factor: int) -> tuple[int, int, int]:
    """Combine the first and the last 16 bytes; return two words, and the first one that went into them."""
    factor = _K2 + 2 * size
    a, b = _word(data, 0) * first_factor & _MASK, _word(data, 8)
    c, d = _word(data, size - 8) * factor & _MASK, _word(data, size - 16) * _K2
    return (_rotate(a + b, 43) + _rotate(c, 30) + d) & _MASK, (a + _rotate(b + _K2, 18) + c) & _MASK, a


def _up_to_32(data: bytes, size: int) -> int:
    first, second, _ = _quarters(data, size, _K1)
    return _mix(first, second, _K2 + 2 * size)


def _up_to_64(data: bytes, size: int) -> int:
    factor = _K2 + 2 * size
    y, second, a = _quarters(data, size, _K2)
    z = _mix(y, second, factor)
    e, f = _word(data, 16) * factor & _MASK, _word(data, 24)
    g = (y + _word(data, size - 32)) * factor & _MASK
    h = (z + _word(data, size - 24)) * factor
    return _mix((_rotate(e + f, 43) + _rotate(g, 30) + h) & _MASK, e + _rotate(f + a, 18) + g, factor)


def _weak(data: bytes, at: int, a: int, b: int) -> _Pair:
    """Hash 32 bytes with two seeds."""
    w, x, y, z = (_word(data, at + step) for step in (0, 8, 16, 24))
    a = (a + w) & _MASK
    b = _rotate(b + a + z, 21)
    total = (a + x + y) & _MASK
    return (total + z) & _MASK, (b + _rotate(total, 44) + a) & _MASK


_State = tuple[int, int, int, _Pair, _Pair]


def _round(data: bytes, at: int, state: _State, factor: int, weight: int) -> _State:
    """Take 64 bytes in."""
    x, y, z, v, w = state
    x = _rotate(x + y + v[0] + _word(data, at + 8), 37) * factor & _MASK
    y = _rotate(y + v[1] + _word(data, at + 48), 42) * factor & _MASK
    x ^= w[1] * weight & _MASK
    y = (y + v[0] * weight + _word(data, at + 40)) & _MASK
    z = _rotate(z + w[0], 33) * factor & _MASK
    v = _weak(data, at, v[1] * factor, x + w[0])
    w = _weak(data, at + 32, z + w[1], y + _word(data, at + 16))
    return z, y, x, v, w


def _longer(data: bytes, size: int) -> int:
    y = (_SEED * _K1 + 113) & _MASK
    z = _shifted(y * _K2 + 113) * _K2 & _MASK
    state: _State = ((_SEED * _K2 + _word(data, 0)) & _MASK, y, z, (0, 0), (0, 0))
    end = (size - 1) // 64 * 64
    for at in range(0, end, 64):
        state = _round(data, at, state, _K1, 1)
    x, y, z, v, w = state
    factor = _K1 + ((z & 0xFF) << 1)
    rest = (size - 1) & 63
    w = (w[0] + rest, w[1])
    v = ((v[0] + w[0]) & _MASK, v[1])
    w = ((w[0] + v[0]) & _MASK, w[1])
    x, y, z, v, w = _round(data, end + rest - 63, (x, y, z, v, w), factor, 9)
    return _mix(
        (_mix(v[0], w[0], factor) + _shifted(y) * _K0 + z) & _MASK, _mix(v[1], w[1], factor) + x, factor
    )
