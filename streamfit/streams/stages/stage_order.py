"""`StageOrder`: the order that stages give to the samples of arrays, for `ArraySource`.

Stages that only choose and order samples need no workers: rows are copied straight into batches.
"""

from __future__ import annotations

import numpy as np

from streamfit._base.specs import Array
from streamfit.streams.batch_order import BatchOrder
from streamfit.streams.sampling import Sampling
from streamfit.streams.stages.stage import OrderStage, Pass, Stage, known_size


class StageOrder(BatchOrder):
    """The order that stages of a pipeline give to the samples of their base.

    Args:
        stage: The last of some stages that choose and order samples; see `only_orders`.
        batch_size: Samples in a batch.
        drop_remainder: Whether a smaller last batch is left out.
        seed: The seed of the run.
    """

    def __init__(self, stage: Stage, batch_size: int, drop_remainder: bool, seed: int) -> None:
        super().__init__(batch_size, drop_remainder, seed)
        self.stage = stage

    def samples(self, number: int) -> int:
        """Return the number of samples of a pass."""
        return known_size(self.stage, Pass(self.seed, number))

    def identity(self) -> dict[str, object]:
        """Return batch size and stages."""
        stages: list[str] = []
        stage = self.stage
        while stage.inputs:
            stages.insert(0, repr(stage))
            stage = stage.input
        return {"batch_size": self.batch_size, "stages": stages}

    def ids(self, number: int, first: int, count: int) -> Array:
        """Return the ids at these positions."""
        p, stage = Pass(self.seed, number), self.stage
        ids = stage.ids(p, np.arange(first, first + count))
        while isinstance(stage, OrderStage):
            ids, stage = stage.below(p, ids), stage.input
        return ids

    def samplings(self, number: int) -> list[Sampling]:
        """Return what the stages draw in a pass."""
        return list(self.stage.samplings(Pass(self.seed, number)))


def only_orders(stage: Stage) -> Stage | None:
    """Return the base of stages that only choose and order its elements; None if one does anything else."""
    while isinstance(stage, OrderStage):
        stage = stage.input
    return None if stage.inputs else stage
