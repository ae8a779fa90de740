"""The targets that make sense for a loss: cross-entropy gives a number for -1, but has no minimum there."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """Describe the targets that make sense for a loss.

    Attributes:
        wanted: Such targets, in words.
        advice: What to do where targets are something else.
        low: The least value.
        high: The largest value.
        signs: Whether only -1, 0 and 1 have a meaning.
        rows: Whether each row of the last axis must add up to 1.
        advice_below: The advice for values below `low`, where it differs.

    Example:
        >>> Meaning("counts", "use 'mse'", 0.0).complaint("loss 'mine'", -2.0, of_row=False)
        "loss 'mine': the targets hold -2, and it takes counts; use 'mse'"
    """

    wanted: str
    advice: str
    low: float = -math.inf
    high: float = math.inf
    signs: bool = False
    rows: bool = False
    advice_below: str = ""

    def complaint(self, what: str, value: float, *, of_row: bool) -> str:
        """Return the warning for a value, or for the sum of a row, that has no meaning."""
        found = f"a row of the targets adds up to {value:g}" if of_row else f"the targets hold {value:g}"
        advice = self.advice_below if self.advice_below and value < self.low else self.advice
        return f"{what}: {found}, and it takes {self.wanted}; {advice}"


CHANCES = Meaning(
    "numbers from 0 to 1",
    "for class numbers 0, 1, 2, ... use sparse_categorical_crossentropy with a unit for each class, for "
    "anything else scale the targets",
    0.0,
    1.0,
    advice_below="for labels -1 and 1 give (y + 1) / 2, or use the loss 'hinge'",
)
DISTRIBUTIONS = Meaning(
    "rows of probabilities, which are from 0 to 1 and add up to 1",
    "for rows with several ones or none use binary_crossentropy with a sigmoid, else divide each row by its "
    "sum",
    0.0,
    1.0,
    rows=True,
)
SIGNS = Meaning(
    "labels -1 and 1 (or 0 and 1)",
    "for two classes give -1 and 1, for numbers use a loss such as 'mse'",
    signs=True,
)
COUNTS = Meaning("counts, which are 0 or more", "use 'mse' or 'mae' for numbers below 0", 0.0)
SIZES = Meaning(
    "numbers that are 0 or more (less counts as 0)", "use 'mse' or 'mae' for numbers below 0", 0.0
)
