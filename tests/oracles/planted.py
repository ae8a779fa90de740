"""Streams with one slow part each, which takes a known time; light to import, since workers do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamfit import Sequence

SECONDS = 0.004  # of the slow part, a batch
BATCHES = 24
SIZE, WIDTH = 4, 3


def wait(seconds: float) -> None:
    """Sleep for a time at least."""
    time.sleep(seconds)


class Samples:
    """Single samples, each of which takes its time."""

    def __init__(self, seconds: float = 0.0, count: int = BATCHES * SIZE) -> None:
        self.seconds, self.count = seconds, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        if self.seconds:
            wait(self.seconds)
        return np.full(WIDTH, index, "float32") / 100, np.full(1, index % 2, "float32")


class Wide(Sequence):
    """Batches of 16 MB that take no time to make."""

    def __init__(self) -> None:
        self.x, self.y = np.ones((SIZE, 1 << 20), "float32"), np.ones((SIZE, 1), "float32")

    def __len__(self) -> int:
        return BATCHES

    def __getitem__(self, index: int) -> Any:
        return self.x, self.y


class EndsOnce(Samples):
    """Ends the process that loads one of its samples for the first time."""

    def __init__(self, note: Path) -> None:
        super().__init__()
        self.note = note

    def __getitem__(self, index: int) -> Any:
        if index == 30 and not self.note.exists():
            self.note.touch()
            os._exit(1)
        return super().__getitem__(index)


class Broken(Samples):
    """Has a sample that cannot be loaded."""

    def __getitem__(self, index: int) -> Any:
        if index == 30:
            raise OSError("sample 30 is broken")
        return super().__getitem__(index)


def slow(x: Any, y: Any) -> Any:
    """Return what was given, after a while."""
    wait(SECONDS / SIZE)
    return x, y


def slow_batch(x: Any, y: Any) -> Any:
    """Return the batch that was given, after a while."""
    wait(SECONDS)
    return x, y


def quick(x: Any, y: Any) -> Any:
    """Return what was given."""
    return x + 1, y


def always(x: Any, y: Any) -> bool:
    """Return True."""
    return True


def batches(seconds: float = 0.0) -> Iterator[Any]:
    """Yield batches, each after a while."""
    for index in range(BATCHES):
        if seconds:
            wait(seconds)
        yield np.full((SIZE, WIDTH), index, "float32") / 100, np.full((SIZE, 1), index % 2, "float32")
