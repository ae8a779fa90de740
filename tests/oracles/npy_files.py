"""Files of arrays that lie: a pickle that leaves a mark, and files with small changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np


class Bomb:
    """Leaves a folder behind if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def mutations(content: bytes, around: int) -> Iterator[bytes]:
    """Yield 100 changed files, always the same: bytes and bits changed, removed, added, and the end cut off.

    Args:
        content: The file.
        around: Most changes are below this place, where headers are.
    """
    draw = np.random.default_rng(7)
    for number in range(100):
        changed = bytearray(content)
        kind = number % 5
        at = int(draw.integers(0, min(around, len(content)) if number % 10 < 7 else len(content)))
        if kind == 0:
            changed[at] = int(draw.integers(0, 256))
        elif kind == 1:
            changed[at] ^= 1 << int(draw.integers(0, 8))
        elif kind == 2:
            del changed[at : at + int(draw.integers(1, 40))]
        elif kind == 3:
            changed[at:at] = draw.bytes(int(draw.integers(1, 40)))
        else:
            del changed[at:]
        yield bytes(changed)
