"""Sentences of four words and the share of good words in each; in a module that workers import quickly."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from streamfit.streams import Sequence

GOOD, BAD = ["fine", "great", "nice", "grün"], ["awful", "poor", "ugly", "dull"]
WORDS = np.array(GOOD + BAD, dtype=object)
X = WORDS[np.random.default_rng(0).integers(0, 8, (96, 4))]
Y = np.isin(X, GOOD).mean(axis=1, keepdims=True)
BATCH = 8


class Sentences(Sequence):
    """The sentences as lists of texts, in batches; the worker that first loads a batch may be killed."""

    def __init__(self, mark: Path | None = None, x: Any = X, y: Any = Y) -> None:
        super().__init__()
        self.mark, self.x, self.y = mark, x, y

    def __len__(self) -> int:
        return len(self.x) // BATCH

    def __getitem__(self, index: int) -> Any:
        if self.mark is not None and index == 5 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        rows = slice(index * BATCH, (index + 1) * BATCH)
        return self.x[rows].tolist(), self.y[rows]
