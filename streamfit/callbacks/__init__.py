"""Public Keras names of the callbacks; they live in `streamfit.training.callbacks`."""

from __future__ import annotations

from streamfit.training.callbacks import *  # noqa: F403
from streamfit.training.callbacks import __all__  # noqa: F401
