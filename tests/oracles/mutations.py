"""Damaged copies of files: bytes changed, cut off, put in and taken out, the same ones in each run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def mutated(data: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield damaged copies of a file."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        copy = bytearray(data)
        # The ends of files hold headers and footers, where damage does most.
        place = int(rng.integers(0, len(copy)))
        place = [place, place % 64, len(copy) - 1 - place % 256][number % 3] % len(copy)
        size = int(rng.integers(1, 9))
        how = number % 5
        if how == 0:
            copy[place] ^= 1 << int(rng.integers(0, 8))
        elif how == 1:
            copy[place : place + size] = rng.bytes(size)
        elif how == 2:
            del copy[place : place + size]
        elif how == 3:
            copy[place:place] = rng.bytes(size)
        else:
            del copy[place:]
        yield bytes(copy)
