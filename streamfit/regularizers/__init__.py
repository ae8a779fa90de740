"""Penalties on weights: ``get(identifier)(weight)`` returns a scalar that is added to the loss."""

from __future__ import annotations

from streamfit.regularizers.penalties import L1, L1L2, L2, Regularizer, get, l1, l1_l2, l2

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2"]
