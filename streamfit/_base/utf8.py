"""Texts as one buffer of UTF-8, for kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfit._base.specs import Array


def utf8(texts: Sequence[str]) -> tuple[Array, Array]:
    """Return texts, one behind the other, as bytes, and where each begins.

    Args:
        texts: The texts; half of a surrogate pair is written like any other character.

    Returns:
        (bytes, uint8; starts, int64, one more than there are texts: the last one is the end).

    Example:
        >>> data, starts = utf8(["ä", "", "bc"])
        >>> data.tobytes(), starts.tolist()
        (b'\\xc3\\xa4bc', [0, 2, 2, 4])
    """
    # A bytearray, since kernels are called by machine code from disk only where arrays can be written to.
    data = np.frombuffer(bytearray("".join(texts).encode("utf-8", "surrogatepass")), np.uint8)
    starts = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=starts[1:])
    if starts[-1] < len(data):  # some characters have several bytes; only their first is no 0b10xxxxxx
        first = np.append(np.flatnonzero(data & 0xC0 != 0x80), len(data))
        starts = first[starts]
    return data, starts
