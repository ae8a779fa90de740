"""Layer 6: from a graph of layers to an ordered list of kernel calls over flat buffers."""

from __future__ import annotations

from streamfit.program.binding import Binding
from streamfit.program.finite import check_finite
from streamfit.program.graph import Lowering, leaves, sorted_nodes
from streamfit.program.memory import Arena, FlatVariables
from streamfit.program.objective import AccumulateScalar, weighted_mean, weighted_total
from streamfit.program.program import Program
from streamfit.program.updating import MakesUpdate, Training

__all__ = [
    "AccumulateScalar",
    "Arena",
    "Binding",
    "FlatVariables",
    "Lowering",
    "MakesUpdate",
    "Program",
    "Training",
    "check_finite",
    "leaves",
    "sorted_nodes",
    "weighted_mean",
    "weighted_total",
]
