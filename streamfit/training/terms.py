"""`Terms`: how a runner serves one call, and what it needs to go back to the call before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from streamfit._base.specs import Array


@dataclass(slots=True)
class Terms:
    """How a runner serves one call.

    Attributes:
        source: What to call the data in messages.
        class_weight: Their class weights.
        checked: Whether training steps are checked.
        preserve_metrics: Whether running results are put aside and begin anew for this call.
        trains: Whether it is a training.
        asked: int64 (1,), not 0 when another thread waits to come between two steps; None if none can.
        results: The running results that were put aside.
        waiting: Those that waited for something to hold them, by name.
    """

    source: str
    class_weight: Any = None
    checked: bool = False
    preserve_metrics: bool = False
    trains: bool = False
    asked: Array | None = None
    results: Any = None
    waiting: dict[str, Array] = field(default_factory=dict)
