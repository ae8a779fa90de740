"""`StreamSettings`: the arguments of `fit`, `evaluate` and `predict` that say who loads the batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streamfit._base.checks import truth, whole_or_none
from streamfit.streams import LoadPolicy
from streamfit.workers import check_init


@dataclass(frozen=True)
class StreamSettings:
    """Who loads the batches. None stands for the setting of the data, or else for the default."""

    max_queue_size: int | None = None
    workers: int | None = None
    use_multiprocessing: bool | None = None
    policy: LoadPolicy = field(default_factory=LoadPolicy)
    worker_init: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        settle = object.__setattr__  # the class is frozen
        settle(self, "max_queue_size", whole_or_none("max_queue_size", self.max_queue_size, 1))
        settle(self, "workers", whole_or_none("workers", self.workers, 0))
        if self.use_multiprocessing is not None:
            settle(self, "use_multiprocessing", truth("use_multiprocessing", self.use_multiprocessing))
        check_init(self.worker_init)
