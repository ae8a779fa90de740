"""Checks of arguments that several rooms have in common."""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np


def whole(name: str, value: Any, least: int) -> int:
    """Return `value` as an int.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is less than `least`, or NaN.
    """
    if isinstance(value, (float, np.floating)) and not np.isnan(value) and float(value).is_integer():
        value = int(value)
    if isinstance(value, (float, np.floating)) and np.isnan(value):
        raise ValueError(f"{name} must be a whole number of at least {least}, got NaN")
    if isinstance(value, (bool, np.bool_)) or np.ndim(value) or not isinstance(value, SupportsIndex):
        raise TypeError(
            f"{name} must be a whole number of at least {least}, got {value!r} ({type(value).__name__})"
        )
    number = int(value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")
    return number


def whole_or_none(name: str, value: Any, least: int) -> int | None:
    """Return `value` as an int, or None."""
    return None if value is None else whole(name, value, least)


def number(name: str, value: Any, least: float | None = None) -> float:
    """Return `value` as it is if it is a number and not less than `least`.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN, or less than `least`.

    Example:
        >>> number("min_delta", 0.5)
        0.5
    """
    if isinstance(value, (bool, np.bool_, str, bytes)) or np.ndim(value) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    if np.isnan(float(value)):
        raise ValueError(f"{name} must be a number, got NaN")
    if least is not None and float(value) < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}")
    return value  # type: ignore[no-any-return]
