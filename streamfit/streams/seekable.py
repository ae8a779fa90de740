"""`SeekableSource`: a pipeline whose batches can each be loaded alone, as the source of a feed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from streamfit._base.errors import DataError
from streamfit._base.keys import seed_from
from streamfit.streams.items import Value, unpack
from streamfit.streams.source import Source, not_empty
from streamfit.streams.stages.stage import Pass, Stage, known_size
from streamfit.streams.ticket import Ticket

_CHUNK = 4096  # samples whose ids are computed in one call, roughly


class SeekableSource(Source):
    """Feed the batches of a seekable stage.

    Args:
        stage: Its elements are batches.
        seed: The seed of the run.
        name: What to call the source in messages.
        targets: Whether the consumer wants targets; else a list is taken for several inputs.
    """

    remote = True
    may_change = True

    def __init__(self, stage: Stage, *, seed: int = 0, name: str = "data", targets: bool = True) -> None:
        self.stage, self.name, self.seed, self.targets = stage, name, seed_from(seed), targets

    def _at(self, number: int) -> Pass:
        return Pass(self.seed, number)

    def batches(self, data_epoch: int) -> int:
        """Count the batches of a pass."""
        return not_empty(self, known_size(self.stage, self._at(data_epoch)), data_epoch)

    def tickets(self, data_epoch: int, start: int = 0) -> Iterator[Ticket]:
        """Write the tickets of a pass: the samples of each batch, and the id of the batch beside them."""
        p, key = self._at(data_epoch), self.key(data_epoch)
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
        element = self.stage.load(self._at(ticket.data_epoch), cast(int, ticket.payload), members)
        try:
            return unpack(element, targets=self.targets, bare=True, maker="the pipeline")
        except DataError as error:
            raise DataError(f"{self.describe(ticket)}: {error}") from None

    def identity(self) -> dict[str, Any]:
        """Return what a saved place belongs to: the stages, as they are written."""
        return {"kind of source": "pipeline", "stages": list(map(repr, in_order(self.stage)))}

    def open(self) -> None:
        """Open each base."""
        for base in distinct(self.stage.bases()):
            base.open()

    def close(self) -> None:
        """Close each base."""
        for base in distinct(self.stage.bases()):
            base.close()

    def begin_pass(self, data_epoch: int) -> None:
        """Tell each base."""
        for base in distinct(self.stage.bases()):
            base.begin_pass(self._at(data_epoch))

    def end_pass(self, data_epoch: int) -> None:
        """Tell each base."""
        for base in distinct(self.stage.bases()):
            base.end_pass(self._at(data_epoch))

    @functools.cached_property
    def _producer(self) -> Any:
        found = [base for base in self.stage.bases() if hasattr(base, "source")]
        return found[0].source.producer if len(found) == 1 else self.stage

    @property
    def producer(self) -> Any:
        """The object of the user's that makes the batches."""
        return self._producer


def in_order(stage: Stage) -> Iterator[Stage]:
    """Yield the stages of a pipeline, the first ones first."""
    for each in stage.inputs:
        yield from in_order(each)
    yield stage


def distinct(stages: Iterator[Stage]) -> list[Stage]:
    """Return each stage once, though several read it."""
    return list({id(stage): stage for stage in stages}.values())
