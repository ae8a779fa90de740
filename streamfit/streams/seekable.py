"""`SeekableSource`: a pipeline whose batches can each be loaded alone, as the source of a feed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np

from streamfit.streams.block_reader import BlockReader, block_plan
from streamfit.streams.items import Value
from streamfit.streams.pipeline_source import PipelineSource
from streamfit.streams.source import not_empty
from streamfit.streams.source_reader import SourceReader
from streamfit.streams.stages.batch_stage import BatchStage
from streamfit.streams.stages.stage import Stage, known_size
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits

_CHUNK = 4096  # samples whose ids are computed in one call, roughly


class SeekableSource(PipelineSource):
    """Feed the batches of a seekable stage; for its arguments see `PipelineSource`."""

    def traits_of(self, stage: Stage) -> SourceTraits:
        """Return how the batches of a stage can be read."""
        plan = block_plan(stage)
        direct = plan is not None and not plan.computes
        # The reader of blocks sees to it that all batches are alike.
        return replace(super().traits_of(stage), one_layout=direct, only_reads=direct)

    def batches(self, data_epoch: int) -> int:
        """Count the batches of a pass."""
        return not_empty(self, known_size(self.stage, self.at(data_epoch)), data_epoch)

    def samples_in(self, data_epoch: int, batches: int | None = None) -> int | None:
        """Count the samples of a pass where they are stacked to batches of one size."""
        stage = self.stage
        if not isinstance(stage, BatchStage):
            return None
        count = self.batches(data_epoch) if batches is None else min(batches, self.batches(data_epoch))
        return min(count * stage.batch_size, known_size(stage.input, self.at(data_epoch)))

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of a pass: the samples of each batch, and the id of the batch beside them."""
        p, key = self.at(data_epoch), self.key(data_epoch)
        count, number, step = self.batches(data_epoch), start, 1
        while number < count:
            batch_ids = self.stage.ids(p, np.arange(number, min(count, number + step)))
            members = self.stage.members(p, batch_ids)
            for at, batch_id in enumerate(batch_ids.tolist()):
                ids = batch_id if members is None else members[at]
                yield Ticket(data_epoch, number + at, ids, key, batch_id)
            number += len(batch_ids)
            if members is not None and members:
                step = max(1, min(_CHUNK // max(1, len(members[-1])), 2 * step))

    def load(self, ticket: Ticket) -> Value:
        """Load one batch."""
        members = ticket.ids if isinstance(ticket.ids, np.ndarray) else None
        element = self.stage.load(self.at(ticket.data_epoch), cast(int, ticket.payload), members)
        return self.finished(ticket, element)

    def make_reader(self) -> SourceReader:
        """Return a reader of blocks, where the samples lie in blocks of files."""
        plan = block_plan(self.stage)
        return super().make_reader() if plan is None else BlockReader(self, plan)

    @functools.cached_property
    def _producer(self) -> Any:
        found = [base for base in self.stage.bases() if hasattr(base, "source")]
        return found[0].source.producer if len(found) == 1 else self.stage

    @property
    def producer(self) -> Any:
        """The object of the user's that makes the batches."""
        return self._producer
