"""Checks of the arguments that layers take."""

from __future__ import annotations

from typing import Any

from streamfit._base.checks import integer, real


def length(name: str, value: Any) -> int:
    """Return `value` as a whole number of at least 1.

    Raises:
        ValueError: It is none.

    Example:
        >>> length("units", 3)
        3
    """
    number = integer(value)
    if number is None or number < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def rate(name: str, value: Any) -> float:
    """Return `value` as a number in [0, 1).

    Raises:
        ValueError: It is none.

    Example:
        >>> rate("rate", 0.5)
        0.5
    """
    number = real(value)
    if number is None or not 0 <= number < 1:
        raise ValueError(f"{name} must be a number in [0, 1), the share that is dropped, got {value!r}")
    return number
