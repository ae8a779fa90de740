"""The one training problem every side of the step benchmark solves: data, weights and sizes.

NumPy only, so that each peer's environment can import it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLES = 8192
FEATURES = 32
HIDDEN = 64
CLASSES = 2
BATCH = 32
STEPS = SAMPLES // BATCH
LEARNING_RATE = 1e-3
BETA_1 = 0.9
BETA_2 = 0.999
EPSILON = 1e-7

Floats = NDArray[np.float32]


def data() -> tuple[Floats, NDArray[np.int32]]:
    """Draw a two-class problem: labels follow a random network, and one in eight is always wrong.

    The wrong labels keep every side in the same regime however long it trains: no side reaches zero loss.
    """
    rng = np.random.default_rng(20240229)
    x = rng.standard_normal((SAMPLES, FEATURES)).astype(np.float32)
    hidden = np.tanh(x @ rng.standard_normal((FEATURES, 16)) / np.sqrt(FEATURES))
    right = hidden @ rng.standard_normal(16) > 0
    return x, (right ^ (rng.random(SAMPLES) < 0.125)).astype(np.int32)


def weights() -> list[Floats]:
    """Return the start weights in Keras' order and layout: kernel (in, out), bias, kernel, bias."""
    rng = np.random.default_rng(7)

    def glorot(rows: int, columns: int) -> Floats:
        limit = np.sqrt(6.0 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns)).astype(np.float32)

    return [
        glorot(FEATURES, HIDDEN),
        np.zeros(HIDDEN, np.float32),
        glorot(HIDDEN, CLASSES),
        np.zeros(CLASSES, np.float32),
    ]
