"""Floor 5: weights on disk."""

from __future__ import annotations

from streamfit.saving.weights import load_weights, save_weights

__all__ = ["load_weights", "save_weights"]
