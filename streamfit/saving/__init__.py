"""Weights and training states on disk."""

from __future__ import annotations

from streamfit.saving.state import read_state, write_state
from streamfit.saving.weights import read_weights, save_weights

__all__ = ["read_state", "read_weights", "save_weights", "write_state"]
