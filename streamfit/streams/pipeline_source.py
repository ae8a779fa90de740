"""`PipelineSource`: what sources of pipelines have in common, however their batches are read."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Self

from streamfit._base.errors import DataError
from streamfit._base.keys import seed_from
from streamfit.streams.items import Value, unpack
from streamfit.streams.sampling import Sampling
from streamfit.streams.source import Identity, Source
from streamfit.streams.stages.elements import Element
from streamfit.streams.stages.stage import Pass, Stage
from streamfit.streams.ticket import Ticket
from streamfit.streams.traits import SourceTraits


class PipelineSource(Source):
    """Base of the sources that feed the batches of a stage.

    Args:
        stage: Its elements are batches.
        seed: The seed of the run.
        name: What to call the source in messages.
        targets: Whether the consumer wants targets; else a list is taken for several inputs.
        text: Whether x may hold text.
    """

    def __init__(
        self, stage: Stage, *, seed: int = 0, name: str = "data", targets: bool = True, text: bool = False
    ) -> None:
        self.stage, self.name, self.seed = stage, name, seed_from(seed)
        self.targets, self.text = targets, text
        self.traits = self.traits_of(stage)

    def traits_of(self, stage: Stage) -> SourceTraits:
        """Return how the batches of a stage can be read."""
        return replace(stage.traits, may_change=True)

    def with_stage(self, stage: Stage, *, text: bool) -> Self:
        """Return a copy that feeds the batches of another stage."""
        other = copy.copy(self)
        other.stage, other.text, other.traits = stage, text, self.traits_of(stage)
        return other

    def _unpack(self, element: Element) -> Value:
        return unpack(element, targets=self.targets, bare=True, maker="the pipeline", text=self.text)

    def at(self, number: int) -> Pass:
        """Return a pass of this run."""
        return Pass(self.seed, number)

    def identity(self) -> Identity:
        """Return what a saved place belongs to: the stages, as they are written."""
        found: Identity = {"kind of source": "pipeline", "stages": list(map(repr, in_order(self.stage)))}
        for number, base in enumerate(distinct(self.stage.bases())):
            own = base.identity()
            if own:
                found[f"data {number}"] = own
        return found

    def finished(self, ticket: Ticket, element: Element) -> Value:
        """Return x, y and sample_weight of a batch that was loaded.

        Raises:
            DataError: It has another form; the error names the batch.
        """
        try:
            return self._unpack(element)
        except DataError as error:
            raise DataError(f"{self.describe(ticket)}: {error}") from None

    def samplings(self, data_epoch: int) -> list[Sampling]:
        """Return what the stages draw in a pass, where it does not take every sample once."""
        return list(dict.fromkeys(self.stage.samplings(self.at(data_epoch))))

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
            base.begin_pass(self.at(data_epoch))

    def end_pass(self, data_epoch: int) -> None:
        """Tell each base."""
        for base in distinct(self.stage.bases()):
            base.end_pass(self.at(data_epoch))


def in_order(stage: Stage) -> Iterator[Stage]:
    """Yield the stages of a pipeline, the first ones first."""
    for each in stage.inputs:
        yield from in_order(each)
    yield stage


def distinct(stages: Iterator[Stage]) -> list[Stage]:
    """Return each stage once, though several read it."""
    return list({id(stage): stage for stage in stages}.values())
