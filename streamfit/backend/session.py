"""`clear_session` and its like: what scripts of Keras ask of the backend as a whole."""

from __future__ import annotations

from typing import Literal

import numpy as np

from streamfit._base.config import floatx
from streamfit._base.specs import Array
from streamfit.layers.base import clear_names


def backend() -> Literal["streamfit"]:
    """Return the name of what computes.

    Example:
        >>> backend()
        'streamfit'
    """
    return "streamfit"


def cast_to_floatx(x: object) -> Array:
    """Return an array in the default float type.

    Example:
        >>> cast_to_floatx([1, 2]).dtype
        dtype('float32')
    """
    return np.asarray(x).astype(floatx())


def clear_session(free_memory: bool = True) -> None:
    """Start the numbering of automatic names again: the next dense layer is called ``dense``.

    Models stay as they are, and a model that nothing refers to frees its memory by itself.

    Args:
        free_memory: Accepted for scripts of Keras.
    """
    clear_names()
