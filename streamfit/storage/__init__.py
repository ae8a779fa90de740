"""Weights and training states on disk."""

from __future__ import annotations

from streamfit.storage.state_file import read_state, write_state
from streamfit.storage.weights import read_weights, save_weights

__all__ = ["read_state", "read_weights", "save_weights", "write_state"]
