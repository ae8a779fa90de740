"""Constraints on weights: ``get(identifier)(weight)`` returns the weight that training continues with."""

from __future__ import annotations

from streamfit.constraints.constraint import Constraint, traced
from streamfit.constraints.lookup import get
from streamfit.constraints.norms import (
    MaxNorm,
    MinMaxNorm,
    ScaleToNorm,
    UnitNorm,
    max_norm,
    min_max_norm,
    unit_norm,
)
from streamfit.constraints.signs import NonNeg, non_neg

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "ScaleToNorm",
    "UnitNorm",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "traced",
    "unit_norm",
]
