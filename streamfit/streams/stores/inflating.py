"""What deflated data take when they are inflated, found in little memory before a library inflates them."""

from __future__ import annotations

import zlib

ALLOWED_BYTES = 1 << 30
"""What may be inflated without a look before: so small data that even the best ratio stays below."""
_RATIO = 1032  # the most that deflate expands


def may_burst(size: int) -> bool:
    """Return whether data of this size can take more than is allowed without a look before."""
    return size * _RATIO > ALLOWED_BYTES


def inflated_size(data: bytes, most: int) -> int:
    """Return how many bytes data of gzip or zlib take, counted no further than a little above `most`.

    Data that are damaged take none: who inflates them says why.

    Example:
        >>> inflated_size(zlib.compress(bytes(1000)), 2000)
        1000
    """
    decoder, total = zlib.decompressobj(47), 0  # gzip or zlib, whichever it is
    try:
        while data and not decoder.eof and total <= most:
            total += len(decoder.decompress(data, 1 << 16))
            data = decoder.unconsumed_tail
    except zlib.error:
        return 0
    return total
