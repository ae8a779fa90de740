"""Floor 7: `Model` and `Sequential`."""

from __future__ import annotations

from streamfit.models.model import Model
from streamfit.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
