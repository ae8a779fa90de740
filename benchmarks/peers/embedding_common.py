"""The training problem of the benchmark of embeddings: sizes, batches and options.

NumPy only, so that each peer's environment can import it.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

SMALL, LARGE, WIDTH = 10_000, 1_000_000, 64
BATCH, LENGTH, STEPS = 256, 20, 16
LEARNING_RATE = 1e-3


def data(which: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw the batches of an epoch.

    Args:
        which: ``"first"`` for ids of the first 10,000 rows, ``"spread"`` for as many rows over a million,
            ``"all"`` for ids of a million rows.
    """
    rng = np.random.default_rng(20240229)
    ids = rng.integers(0, LARGE if which == "all" else SMALL, (BATCH * STEPS, LENGTH))
    y = rng.standard_normal((BATCH * STEPS, 1)).astype(np.float32)
    return ids * (LARGE // SMALL) if which == "spread" else ids, y


def options(*kinds: str) -> argparse.Namespace:
    """Return the options of a side: its kind, the rows of its table and the ids of its batches."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("rows", type=int)
    parser.add_argument("ids", choices=["first", "spread", "all"])
    return parser.parse_args()
