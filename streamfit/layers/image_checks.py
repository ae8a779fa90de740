"""Checks of the arguments that layers for images take."""

from __future__ import annotations

from collections.abc import Sequence

from streamfit._base.checks import real
from streamfit.layers.checks import one_of

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")


def factor_range(name: str, value: object, low: float = -1.0, high: float = 1.0) -> tuple[float, float]:
    """Return the range that a factor is drawn from: a pair in order, or a number as the largest distance.

    Args:
        name: The name of the argument.
        value: A pair, or a number for (-number, number), cut off at `low`.
        low: The smallest factor.
        high: The largest.

    Raises:
        ValueError: It is neither, or out of range.

    Example:
        >>> factor_range("factor", 0.2), factor_range("factor", [0.5, 0.1]), factor_range("factor", 0.2, 0)
        ((-0.2, 0.2), (0.1, 0.5), (0.0, 0.2))
    """
    message = (
        f"The `{name}` argument should be a number (or a list of two numbers) in the range [{low}, {high}]. "
        f"Received: {name}={value!r}"
    )
    pair = isinstance(value, (tuple, list))
    numbers = [real(each) for each in (value if isinstance(value, (tuple, list)) else (value,))]
    found = [number for number in numbers if number is not None]
    if len(found) != len(numbers) or len(found) != (2 if pair else 1):
        raise ValueError(message)
    if any(not low <= number <= high for number in found):
        raise ValueError(message)
    if pair:
        return min(found) + 0.0, max(found) + 0.0
    largest = abs(found[0])
    return max(-largest, float(low)) + 0.0, largest + 0.0  # no negative zero


def value_range(value: object) -> tuple[float, float]:
    """Return the values of black and white.

    Raises:
        ValueError: It is no pair of numbers.
    """
    numbers = [real(each) for each in value] if isinstance(value, (tuple, list)) else []
    found = [number for number in numbers if number is not None]
    if len(found) != 2 or len(numbers) != 2:
        raise ValueError(
            f"The `value_range` argument should be a list of two numbers. Received: value_range={value}"
        )
    return min(found), max(found)


def outside_mode(value: object, choices: Sequence[str] = FILL_MODES) -> str:
    """Return what is outside the image.

    Raises:
        ValueError: It is none of `choices`.
    """
    return one_of("fill_mode", value, choices)


def interpolation_mode(value: object) -> str:
    """Return how points between pixels are taken.

    Raises:
        ValueError: It is none of `INTERPOLATIONS`.
    """
    return one_of("interpolation", value, INTERPOLATIONS)
