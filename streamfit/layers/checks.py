"""Checks of the arguments that layers take."""

from __future__ import annotations

from typing import Any

import numpy as np


def length(name: str, value: Any) -> int:
    """Return `value` as a whole number of at least 1.

    Raises:
        ValueError: It is none.

    Example:
        >>> length("units", 3)
        3
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def rate(name: str, value: Any) -> float:
    """Return `value` as a number in [0, 1).

    Raises:
        ValueError: It is none.

    Example:
        >>> rate("rate", 0.5)
        0.5
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= value < 1:
        raise ValueError(f"{name} must be a number in [0, 1), the share that is dropped, got {value!r}")
    return float(value)
