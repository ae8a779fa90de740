"""Warnings that point at the user's line, however deep inside the library they are given."""

from __future__ import annotations

import sys
from itertools import count

from streamfit._base import telling

OUT_OF_DATA = (
    "Your input ran out of data; interrupting training. Make sure that your dataset or generator can "
    "generate at least `steps_per_epoch * epochs` batches."
)
"""Keras' warning when data end too early."""

OUT_OF_DATA_VALIDATING = (
    "Your input ran out of data in validation. Make sure that your validation data can generate at least "
    "`validation_steps` batches each time."
)

_PACKAGE = __name__.partition(".")[0]


def warn(text: str) -> None:
    """Give a `UserWarning` for the line that called the library.

    Args:
        text: The problem, and the advice.
    """
    telling.warn(text, UserWarning, stacklevel=_first_level_outside())


def _first_level_outside() -> int:
    """Count the frames up to the first one that runs no code of this package; 1 is `warn` itself."""
    for level in count(1):
        try:
            name = str(sys._getframe(level).f_globals.get("__name__", ""))
        except ValueError:  # the whole stack is ours, as in `python -m`
            return level
        if name.partition(".")[0] != _PACKAGE and name != "contextlib":
            return level
    raise AssertionError("a stack has an end")
