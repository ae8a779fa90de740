"""Checks of the parameters of transforms."""

from __future__ import annotations

import math
from typing import SupportsFloat, cast

from streamfit._base.checks import number


def probability(name: str, value: object) -> float:
    """Return a number between 0 and 1.

    Raises:
        TypeError: It is no number.
        ValueError: It is out of range.
    """
    found = number(name, value, 0)
    if found > 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value!r}")
    return found


def interval(name: str, value: object, around: float = 0.0) -> tuple[float, float]:
    """Return the range that a number is drawn from: a pair as it is, a number as the distance from a middle.

    Raises:
        TypeError: It is neither.
        ValueError: The number is negative, or the pair is not in order or not finite.

    Example:
        >>> interval("degrees", 10), interval("scale", (0.5, 2))
        ((-10.0, 10.0), (0.5, 2.0))
    """
    if isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = number(name, value[0]), number(name, value[1])
        if not -math.inf < low <= high < math.inf:
            raise ValueError(f"{name} must be a pair (lowest, highest) of finite numbers, got {value!r}")
        return low, high
    distance = number(name, cast(SupportsFloat, value), 0)
    return around - distance, around + distance


def amount(name: str, value: object) -> tuple[float, float]:
    """Return the range that an amount is drawn from: a pair as it is, a number as a range of this number.

    Raises:
        TypeError: It is neither.
        ValueError: It is negative, or the pair is not in order or not finite.

    Example:
        >>> amount("sigma", 2), amount("sigma", (0.5, 2))
        ((2.0, 2.0), (0.5, 2.0))
    """
    low, high = interval(name, value if isinstance(value, (tuple, list)) else (value, value))
    if low < 0:
        raise ValueError(f"{name} must not be negative, got {value!r}")
    return low, high
