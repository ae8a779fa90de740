"""Pipelines that depend on Python's hash seed, by a set or by `hash`, and one that only seems to.

In a module of their own, since the check loads batches in processes with other hash seeds where their module,
or one that it imports, has a set or calls `hash`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from streamfit.streams import Sequence

NAMES = ("shift", "scale", "bend", "turn", "square")


class Numbers(Sequence):
    """Batches of numbers, made again for each load."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        return np.arange(6.0).reshape(2, 3) + 10 * index, np.full(2, index)


class OverASet(Numbers):
    """Goes through a set of names."""

    def __getitem__(self, index: int) -> Any:
        x, y = super().__getitem__(index)
        for place, name in enumerate({*NAMES}):
            x = x + place * len(name)
        return x, y


class SeededByName(Numbers):
    """Seeds what it draws by the hash of a name."""

    def __getitem__(self, index: int) -> Any:
        rng = np.random.default_rng(abs(hash(f"batch {index}")))
        return rng.normal(size=(2, 3)), np.full(2, index)


class ClassesInASet(Numbers):
    """Numbers its classes in the order of a set, when it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = {name: number for number, name in enumerate(set(NAMES))}

    def __getitem__(self, index: int) -> Any:
        x, _ = super().__getitem__(index)
        return x, np.full(2, self.numbers[NAMES[index % 5]])


def drawn_from_a_set() -> Iterator[Any]:
    """Go through a set of names."""
    for name in frozenset(NAMES):
        yield np.full((2, 3), len(name)), np.zeros(2)


class Sorted(Numbers):
    """Sorts its set, asks whether names are in it, goes through a dict, and hashes by a checksum."""

    def __getitem__(self, index: int) -> Any:
        known = set(NAMES)
        rng = np.random.default_rng(zlib.crc32(f"batch {index}".encode()))
        lengths = [len(name) for name in sorted(known)]
        lengths += [len(name) for name in dict.fromkeys(NAMES) if name in known]
        return rng.normal(size=(2, 3)) + sum(lengths[index % 5 :]), np.full(2, index)
