"""The settings that scripts of Keras read and write: ``from streamfit import backend as K``.

Operations on tensors are in `streamfit.ops`.
"""

from __future__ import annotations

from streamfit._base.config import (
    epsilon,
    floatx,
    image_data_format,
    set_epsilon,
    set_floatx,
    set_image_data_format,
)
from streamfit.backend.session import backend, cast_to_floatx, clear_session

__all__ = [
    "backend",
    "cast_to_floatx",
    "clear_session",
    "epsilon",
    "floatx",
    "image_data_format",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]
