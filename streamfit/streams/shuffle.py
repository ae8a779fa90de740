"""The argument `shuffle`."""

from __future__ import annotations

from typing import Literal

from streamfit._base.checks import truth

Shuffle = bool | Literal["batch"]


def check_shuffle(shuffle: object) -> Shuffle:
    """Return `shuffle` as True, False or ``'batch'``.

    Raises:
        ValueError: It has another value.

    Example:
        >>> import numpy as np
        >>> check_shuffle(np.False_), check_shuffle(1), check_shuffle("batch")
        (False, True, 'batch')
    """
    if isinstance(shuffle, str) and shuffle == "batch":
        return "batch"
    try:
        return truth("shuffle", shuffle)
    except TypeError:
        raise ValueError(f"shuffle must be True, False or 'batch', got {shuffle!r}") from None
