"""`CallSettings`: how a runner serves one call; `SuspendedCall`: the call before, to go back to."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamfit._base.specs import Array
from streamfit.training.epoch_metrics import Snapshot


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How a runner serves one call.

    Attributes:
        source: Name of the data, for messages.
        class_weight: Their class weights.
        checked: Whether training steps are checked.
        preserve_metrics: Whether the running results start again for this call, and are afterwards as before.
        trains: Whether the call trains.
        asked: int64 (1,), not 0 when another thread waits to come between two steps; None if none can.
    """

    source: str
    class_weight: object = None
    checked: bool = False
    preserve_metrics: bool = False
    trains: bool = False
    asked: Array | None = None


@dataclass(frozen=True, slots=True)
class SuspendedCall:
    """The call that a runner served before, to go back to.

    Attributes:
        settings: Its settings. `preserve_metrics` is that of the call that has suspended it.
        results: Its running results, where they are preserved and there are any.
        waiting: Its running results that waited for the first step, by name.
    """

    settings: CallSettings
    results: Snapshot | None = None
    waiting: dict[str, Array] = field(default_factory=dict)
