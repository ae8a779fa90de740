"""Weights and training states on disk."""

from __future__ import annotations

from streamfit.saving.state import read_state, write_state
from streamfit.saving.weights import check_weights_path, load_weights, save_weights

__all__ = ["check_weights_path", "load_weights", "read_state", "save_weights", "write_state"]
