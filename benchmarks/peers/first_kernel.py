"""A note for the start benchmark: Numba alone, one small kernel from its disk cache.

No library based on Numba starts faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def scale(x: Any) -> None:
    """Double a vector."""
    for i in range(x.shape[0]):
        x[i] *= 2


if __name__ == "__main__":
    vector = np.ones(4, np.float32)
    scale(vector)
    assert vector[0] == 2
