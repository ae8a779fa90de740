"""Sequences for tests, at module level so that worker processes find them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.streams import Sequence


class Numbered(Sequence):
    """Batch k holds `size` rows of k; it writes down the hooks that are called."""

    def __init__(self, count: int = 5, size: int = 3) -> None:
        super().__init__()
        self.count, self.size, self.events = count, size, list[str]()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        assert type(index) is int
        return np.full((self.size, 2), index, "float32"), np.full(self.size, -index, "int32")

    def on_epoch_begin(self) -> None:
        self.events.append("begin")

    def on_epoch_end(self) -> None:
        self.events.append("end")


class Growing:
    """Knows nothing of our classes: duck-typed; its batches grow and their count shrinks after each pass."""

    def __init__(self, samples: int = 13, size: int = 2) -> None:
        self.data, self.size, self.passes = np.arange(samples), size, 0

    def __len__(self) -> int:
        return -(-len(self.data) // self.size)

    def __getitem__(self, index: int) -> Any:
        rows = self.data[index * self.size : (index + 1) * self.size]
        return rows + 100 * self.passes, rows

    def on_epoch_end(self) -> None:
        self.size += 2
        self.passes += 1


class Drawing(Sequence):
    """Batches are random numbers drawn from the generator of the batch."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        return self.rng(index).random((4, 2)), np.zeros(4)


class Failing(Sequence):
    """Raises at one index."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Any:
        if index == self.at:
            raise KeyError(f"no batch {index}")
        return np.full(2, index), np.zeros(2)


class Endless(Sequence):
    """Has no end, as Keras 3 says it: the number of batches is None."""

    @property
    def num_batches(self) -> int | None:
        return None

    def __getitem__(self, index: int) -> Any:
        return np.full(2, index), np.zeros(2)


class Recorded(Sequence):
    """Batches in a given order for each pass: rows[pass][index] are sample ids."""

    def __init__(self, x: np.ndarray, y: np.ndarray, rows: list[list[np.ndarray]]) -> None:
        super().__init__()
        self.x, self.y, self.rows, self.passed = x, y, rows, 0

    def __len__(self) -> int:
        return len(self.rows[0])

    def __getitem__(self, index: int) -> Any:
        ids = self.rows[self.passed][index]
        return self.x[ids], self.y[ids]

    def on_epoch_end(self) -> None:
        self.passed = min(self.passed + 1, len(self.rows) - 1)


class Slices(Sequence):
    """Batches are rows of an array; the worker process that loads batch `dies_at` first is killed."""

    def __init__(self, x: np.ndarray, size: int = 8, dies_at: int = -1, folder: Path | None = None) -> None:
        super().__init__()
        self.x, self.size, self.dies_at, self.folder, self.main = x, size, dies_at, folder, os.getpid()

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, index: int) -> Any:
        if index == self.dies_at and os.getpid() != self.main and self.folder is not None:
            mark = self.folder / "died"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return self.x[index * self.size : (index + 1) * self.size]
