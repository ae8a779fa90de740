"""Movie reviews for the accuracy of text models: the same splits for every library."""

from __future__ import annotations

from pathlib import Path

import numpy as np

EPOCHS, BATCH, DIM, HIDDEN, SEEDS = 20, 512, 32, 16, (0, 1, 2)


def read(folder: str) -> tuple[list[str], np.ndarray]:
    """Return the sentences, and 1 for each that is in favour of its film, float32 (n, 1)."""
    texts: list[str] = []
    for name in ("neg", "pos"):
        texts += (Path(folder) / f"rt-polarity.{name}").read_text(encoding="latin-1").splitlines()
    return texts, np.repeat(np.array([[0.0], [1.0]], "float32"), len(texts) // 2, axis=0)


def split(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the sentences to train on, and of a tenth to test on."""
    order = np.random.default_rng(seed).permutation(count)
    return order[count // 10 :], order[: count // 10]
